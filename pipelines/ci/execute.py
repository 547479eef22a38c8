"""Run the steps of a build, those that do not wait for each other side by side."""

import asyncio
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from .build import Build, Step, waits
from .command import Command, file_name

LIMIT: Final = 3600.0
"""The seconds of a build that states no timeout, as on Cloud Build."""
_GRACE: Final = 10.0
_LOOK: Final = 0.05


class State(str, Enum):
    """How a step ended."""

    SUCCEEDED = "succeeded"
    ALLOWED = "failed, which is allowed"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    STOPPED = "stopped"
    """Because another step failed, or the build took too long."""
    NOT_RUN = "not run"

    @property
    def passed(self) -> bool:
        """Whether what waits for the step may start."""
        return self in (State.SUCCEEDED, State.ALLOWED)


@dataclass(frozen=True)
class StepResult:
    """What came of a step."""

    name: str
    state: State
    log: Path
    code: int | None = None
    """Its exit code; None if it was stopped, or never started."""
    seconds: float = 0.0


@dataclass(frozen=True)
class BuildResult:
    """What came of a build."""

    steps: tuple[StepResult, ...]
    seconds: float
    late: bool
    """Whether the build as a whole took longer than it may."""

    @property
    def passed(self) -> bool:
        """Whether all of it went well, or as it may."""
        return all(step.state.passed for step in self.steps)

    @property
    def failed(self) -> tuple[StepResult, ...]:
        """The steps that made it fail."""
        return tuple(s for s in self.steps if s.state in (State.FAILED, State.TIMED_OUT))


Tell = Callable[[str, str], None]
"""Takes a step's name and a line of its output, or what happens to it."""


def execute(build: Build, commands: Sequence[Command], logs: Path, tell: Tell) -> BuildResult:
    """Run every step when what it waits for has passed; the first failure ends them all.

    Interrupted, by Ctrl-C or SIGTERM, it ends the steps that run, too, and raises
    KeyboardInterrupt.
    """
    logs.mkdir(parents=True, exist_ok=True)
    try:
        return asyncio.run(_Run(build, commands, logs, tell).all())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@dataclass
class _Run:
    build: Build
    commands: Sequence[Command]
    logs: Path
    tell: Tell
    began: dict[int, float] = field(default_factory=dict[int, float])

    async def all(self) -> BuildResult:
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        assert me is not None
        loop.add_signal_handler(signal.SIGTERM, me.cancel)
        began = loop.time()
        end = began + (self.build.timeout or LIMIT)
        done: dict[int, StepResult] = {}
        running: dict[asyncio.Task[StepResult], int] = {}
        late = False
        try:
            while self._start(done, running):
                left = max(0.0, end - loop.time())
                ended, _ = await asyncio.wait(
                    running, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                done |= {running.pop(task): task.result() for task in ended}
                late = not ended
                if late or not all(one.state.passed for one in done.values()):
                    break
        finally:
            stopped = await self._stop(running)
        known = done | stopped
        steps = (known.get(n, self._result(n, State.NOT_RUN)) for n in range(len(self.commands)))
        return BuildResult(tuple(steps), loop.time() - began, late)

    def _start(
        self, done: dict[int, StepResult], running: dict[asyncio.Task[StepResult], int]
    ) -> bool:
        """Start what can be started; whether anything runs."""
        under_way = {*done, *running.values()}
        for number, earlier in enumerate(waits(self.build)):
            if number not in under_way and earlier <= done.keys():
                running[asyncio.create_task(self._step(number))] = number
        return bool(running)

    async def _stop(self, running: dict[asyncio.Task[StepResult], int]) -> dict[int, StepResult]:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return {
            number: self._result(number, State.STOPPED)
            if task.cancelled() or task.exception()
            else task.result()
            for task, number in running.items()
        }

    def _result(self, number: int, state: State) -> StepResult:
        name, now = self._name(number), asyncio.get_running_loop().time()
        return StepResult(name, state, self._log(name), None, now - self.began.get(number, now))

    def _name(self, number: int) -> str:
        return self.build.label(number)

    def _log(self, name: str) -> Path:
        return self.logs / f"{file_name(name)}.log"

    async def _step(self, number: int) -> StepResult:
        step, command, name = self.build.steps[number], self.commands[number], self._name(number)
        self.tell(name, f"started: {shlex.join(command.words)}")
        clock, log = asyncio.get_running_loop(), self._log(name)
        self.began[number] = began = clock.time()
        with log.open("wb") as file:
            shown = asyncio.create_task(self._show(name, log))
            try:
                code = await asyncio.wait_for(_process(command, file.fileno()), step.timeout)
            except asyncio.TimeoutError:
                code = None
            finally:
                shown.cancel()
                await asyncio.gather(shown, return_exceptions=True)
        seconds, state = clock.time() - began, _judge(step, code)
        self.tell(name, f"{state.value}{f' ({code})' if code else ''} after {seconds:.1f} s")
        return StepResult(name, state, log, code, seconds)

    async def _show(self, name: str, log: Path) -> None:
        """Tell what a step writes, line by line, until this is cancelled; then the rest."""
        rest = b""
        with log.open("rb") as file:
            try:
                while True:
                    rest = self._lines(name, rest + file.read())
                    await asyncio.sleep(_LOOK)
            finally:
                self._lines(name, rest + file.read() + b"\n")

    def _lines(self, name: str, data: bytes) -> bytes:
        """Tell the whole lines; give what is left."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            if text := line.decode(errors="replace").rpartition("\r")[2].rstrip():
                self.tell(name, text)
        return rest


def _judge(step: Step, code: int | None) -> State:
    if code == 0:
        return State.SUCCEEDED
    if step.allow_failure or code in step.allow_exit_codes:
        return State.ALLOWED
    return State.TIMED_OUT if code is None else State.FAILED


async def _process(command: Command, output: int) -> int:
    """Run it to its end; whatever happens, nothing that it has started stays behind."""
    if command.script_file:
        command.script_file.parent.mkdir(parents=True, exist_ok=True)
        command.script_file.write_text(command.script, encoding="utf-8")
        command.script_file.chmod(0o755)
    try:
        process = subprocess.Popen(  # not asyncio's: cancelled while it starts, that forgets it
            command.words,
            cwd=command.directory,
            env=command.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        os.write(output, f"{error}\n".encode())
        return 127 if isinstance(error, FileNotFoundError) else 126
    try:
        return await _ended(process)
    finally:
        await asyncio.shield(_end(process, command.end))


async def _ended(process: "subprocess.Popen[bytes]") -> int:
    while (code := process.poll()) is None:
        await asyncio.sleep(_LOOK)
    return code


async def _end(process: "subprocess.Popen[bytes]", end: tuple[str, ...]) -> None:
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(_ended(process), _GRACE)
        if end:
            subprocess.run(end, capture_output=True, check=False)
    _signal(process.pid, signal.SIGKILL)
    await _ended(process)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
