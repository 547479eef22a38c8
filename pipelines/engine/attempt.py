"""One container task from its inputs to its record: from the cache, or by a try that succeeds."""

import asyncio
import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from ...components.catalogue import ENTRYPOINT
from ...serving.errors import Exit
from .admit import Program
from .content import Content, content, place_of, stamp
from .docker import cores
from .failpoint import failpoint
from .key import Key, is_its_own_rival, key_of
from .launch import Ended, Launcher, Step, Stopped, log_tail
from .limits import quantity
from .outputs import collect, prepare
from .plan import Task
from .record import LOG, SCRATCH, Earlier, Record, Vanished
from .resolve import Placeholders, fill, fill_command, unresolved
from .result import State, TaskResult, Values

_STEP_CODES: Final = (Exit.USAGE, Exit.DEFINITION, Exit.STORE, Exit.ENVIRONMENT, Exit.DATA)
"""Exit codes of a step that say more than that it failed: the run ends with them, too."""

Listener = Callable[[TaskResult], None]
"""Is told of every start and end of a task."""

T = TypeVar("T")


@dataclass
class Attempts:
    """What container tasks of one run have in common."""

    record: Record
    programs: Mapping[str, Program]
    launcher: Launcher
    listen: Listener
    jobs: int
    cache: bool
    """Whether outputs of earlier executions may serve; what is executed may serve later ones."""
    stopping: threading.Event = field(default_factory=threading.Event)
    contents: dict[str, Content | None] = field(default_factory=dict[str, "Content | None"])
    """What lies at each artifact's address, as far as it has been looked at."""

    def __post_init__(self) -> None:
        """Take over what a resumed run has committed already."""
        self.kept = self.record.committed()
        self.slots = asyncio.Semaphore(self.jobs)
        self.pool = ThreadPoolExecutor(self.jobs + 2)  # whoever reads need not wait for a step

    async def container(self, task: Task, known: Placeholders) -> TaskResult:
        """Give a task its outputs, and record them."""
        if (kept := self.kept.get(known.path)) and not await self.aside(self.spoilt, kept):
            return self.taken(known, kept)
        program = self.programs[task.path]
        for artifacts in known.inputs.artifacts.values():
            for artifact in artifacts:
                await self.look(artifact["uri"])
        key = key_of(task, program, known, self.contents, self.record.project)
        if found := await self.find(program, known, key):
            return found
        self.launcher.expect(program.module, program.arguments)
        result = await self.tries(task, known)
        made = await self.aside(self.made, result)
        self.contents.update(made)
        self.record.commit(result, known.inputs, name_of(program), key, made)
        return result

    async def imported(self, known: Placeholders, outputs: Values) -> TaskResult:
        """Record an artifact that is there already."""
        result = TaskResult(known.path, State.SUCCEEDED, outputs=outputs)
        for (artifact,) in outputs.artifacts.values():
            await self.look(artifact["uri"])
        self.record.commit(result, known.inputs, contents=self.contents)
        return result

    async def find(self, program: Program, known: Placeholders, key: Key) -> TaskResult | None:
        """Look for an earlier execution whose outputs are there unchanged; say in `key` why not."""
        if key.digest is None or not self.cache:
            key.why = key.why or "the run was told not to use the cache"
            return None
        for earlier in self.candidates(program, known, key):
            if spoilt := await self.aside(self.spoilt, earlier):
                key.why = f"{spoilt} of the run {earlier.run} is gone or has changed"
                continue
            try:
                result = self.taken(known, earlier)
                self.record.commit(result, known.inputs, name_of(program), key, origin=earlier)
            except Vanished:
                continue
            return result
        return None

    def candidates(self, program: Program, known: Placeholders, key: Key) -> Iterator[Earlier]:
        """Executions with the same key; last, those of a model that is now its own rival."""
        yield from self.record.find("key", key.digest)
        if key.alone and is_its_own_rival(program, known.inputs, self.record.project):
            yield from self.record.find("alone", key.alone)

    def taken(self, known: Placeholders, earlier: Earlier) -> TaskResult:
        """The result of a task whose outputs are there already."""
        self.contents.update(earlier.artifacts)
        return TaskResult(
            known.path,
            State.SUCCEEDED,
            outputs=earlier.outputs,
            directory=earlier.directory,
            cached=earlier.run,
        )

    def spoilt(self, earlier: Earlier) -> str:
        """The address of an output that is not what it was; empty if all of them are."""
        for uri, before in earlier.artifacts:
            place = place_of(uri, self.record.project)
            same = (
                place
                and before
                and (stamp(place) == before.stamp or content(place).digest == before.digest)
            )
            if not same:
                return uri
        return ""

    def made(self, result: TaskResult) -> dict[str, Content | None]:
        """Read what a try has made, and have the disk keep it."""
        failpoint("written")
        places = {
            artifact["uri"]: place_of(artifact["uri"], self.record.project)
            for artifacts in result.outputs.artifacts.values()
            for artifact in artifacts
        }
        contents = {
            uri: content(place, durable=True) if place else None for uri, place in places.items()
        }
        failpoint("digested")
        return contents

    async def look(self, uri: str) -> None:
        """Know what lies at an address; what was read before is not read again."""
        place = place_of(uri, self.record.project)
        if uri not in self.contents:
            known = self.record.known_content(uri, stamp(place)) if place else None
            if place and not known:
                known = await self.aside(content, place)
            self.contents[uri] = known

    async def aside(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function that reads or waits, while other tasks go on."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, function, *arguments)

    async def tries(self, task: Task, known: Placeholders) -> TaskResult:
        """Run a container's program until it succeeds or its retries are used up."""
        log = self.record.task(known.path) / LOG
        notes = self.programs[task.path].notes
        result = TaskResult(known.path, State.RUNNING, log=log, notes=notes)
        started = time.monotonic()
        for number in range(1, task.retry.count + 2):
            if number > 1:
                pause = task.retry.pause(number)
                if time.monotonic() - started + pause > task.retry.within:
                    why = f"not tried again: its retries may take {task.retry.within:g} s"
                    return replace(result, message=f"{result.message}\n{why}")
                await self.pause(pause)
            async with self.slots:
                result = replace(result, tries=number, message="")  # not the try's before
                result = await self.one_try(task, result, known)
            if result.state is not State.FAILED:
                break
        return result

    async def one_try(self, task: Task, before: TaskResult, known: Placeholders) -> TaskResult:
        """Run a container's program once, in a new directory."""
        cancelled = replace(before, state=State.CANCELLED, message="the run was stopped")
        if self.stopping.is_set():
            return cancelled
        self.listen(replace(before, state=State.RUNNING))
        directory = self.record.new_try(before.path)
        slots = prepare(task, directory)
        filled = replace(known, outputs=slots)
        try:
            prefix = f"{SCRATCH}{self.record.run}-"
            with TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as scratch:
                step = self.step(self.programs[task.path], filled, directory, Path(scratch))
                ended = await self.aside(self.launcher.run, step)
        except Stopped:
            return cancelled
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            message = "its inputs do not fit into a command line; hand large values on as artifacts"
            return replace(before, state=State.FAILED, message=message)
        if self.stopping.is_set() and ended.code:
            return cancelled
        result = replace(measured(before, ended), directory=directory)
        if ended.code:
            return failed(result, step, ended)
        try:
            return replace(result, state=State.SUCCEEDED, outputs=collect(task, slots))
        except ValueError as error:
            return replace(result, state=State.FAILED, message=str(error))

    def step(self, program: Program, known: Placeholders, directory: Path, scratch: Path) -> Step:
        """The process that one try is."""
        arguments = fill_command(program.arguments, known)
        if program.source is not None:
            source = directory / "component.py"
            source.write_text(program.source, encoding="utf-8")
            arguments = ["--component_module_path", str(source), *arguments]
        log = directory.parent / LOG
        with log.open("a", encoding="utf-8") as file:
            if not file.tell():  # once for all tries
                file.writelines(f"lockstep: {note}\n" for note in program.notes)
        try:
            memory = quantity(fill(program.memory, known)) if program.memory else None
            cpu = fill(program.cpu, known)
            cores(cpu or "1")
        except ValueError as error:
            raise unresolved(known.path, "resource limit", str(error)) from error
        return Step(
            module=program.module,
            arguments=tuple(arguments),
            environment={name: fill(value, known) for name, value in program.environment},
            directory=self.record.project,
            log=log,
            scratch=scratch,
            timeout=program.timeout,
            memory=memory,
            image=program.image_id,
            cpu=cpu,
            borrowed=program.borrowed,
            places=program.places,
        )

    async def pause(self, seconds: float) -> None:
        """Sleep, unless the run is stopped."""
        end = time.monotonic() + seconds
        while not self.stopping.is_set() and (rest := end - time.monotonic()) > 0:
            await asyncio.sleep(min(rest, 0.1))


def measured(before: TaskResult, ended: Ended) -> TaskResult:
    """A result with one more try's time and memory."""
    return replace(
        before,
        seconds=before.seconds + ended.seconds - ended.waited,
        waited=before.waited + ended.waited,
        cpu=before.cpu + ended.cpu,
        peak_memory=max(before.peak_memory, ended.peak_memory),
        code=ended.code,
    )


def failed(result: TaskResult, step: Step, ended: Ended) -> TaskResult:
    """The result of a try whose process has failed, with the end of its log."""
    own = step.module == ENTRYPOINT[-1] and ended.code in _STEP_CODES
    code = Exit(ended.code) if own else Exit.STEP_FAILED
    message = f"{ended}\n{log_tail(step.log)}".rstrip()
    return replace(result, state=State.FAILED, message=message, exit_code=code)


def name_of(program: Program) -> str:
    """What a program is called in the record: a component's name, or the one that runs source."""
    own = program.module == ENTRYPOINT[-1]
    return program.arguments[0] if own else program.module or program.image
