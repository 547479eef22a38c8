"""How one try of a task becomes a process."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Final, Protocol

from .limits import Guard, Limits

_TETHER: Final = f"{__package__}.tether"

_ERROR: Final = re.compile(
    r"^[A-Z]\w+: (?:(?!^[A-Z]\w+: ).)*?^  allowed: .*?^  to do:   .*?\Z", re.MULTILINE | re.DOTALL
)
"""A step's error in three parts, the last thing that it prints."""


@dataclass(frozen=True)
class Step:
    """A Python module to run as a program: `python -m MODULE ARGUMENTS`."""

    module: str
    """If empty, the arguments are the whole command line of an image."""
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    timeout: float | None = None
    """Seconds of execution."""
    memory: int | None = None
    """Bytes that its processes may hold."""
    scratch: Path = field(default_factory=lambda: Path(gettempdir()))
    """Where its temporary files go."""
    image: str = ""
    """What it runs in, for launchers that start containers."""
    cpu: str = ""
    """The processors that it may use, as Kubernetes writes it; only containers are held to it."""
    borrowed: tuple[str, ...] = ()
    """Variables of this process's environment that it needs: containers do not inherit it."""
    places: tuple[str, ...] = ()
    """Paths of this machine that it needs: containers do not see them by themselves."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: a signal's number stands below zero; memory is in bytes."""

    code: int
    seconds: float
    peak_memory: int
    breach: str = ""
    """The limit that it was killed for, `timeout` or `memory`; `docker` if that is what failed."""
    cpu: float = 0.0
    waited: float = 0.0
    """Seconds from the request to the process."""

    def __str__(self) -> str:
        """Say it in a few words."""
        held = f"{self.peak_memory / 2**20:.0f} MiB"
        if self.breach == "timeout":
            return f"stopped by its timeout after {self.seconds - self.waited:.0f} s"
        if self.breach == "memory":
            return f"stopped by its memory limit: it held {held}"
        if self.breach == "docker":
            return "Docker could not start it, or has lost it"
        if self.code == -signal.SIGKILL:
            return f"killed by SIGKILL, as when memory runs out: it held {held}"
        if self.code < 0:
            return f"killed by {signal.Signals(-self.code).name}"
        return f"exit code {self.code}"


class Stopped(Exception):
    """The run is being stopped: nothing more is started."""


class Launcher(Protocol):
    """Whoever starts steps; `run` is called from several threads at once."""

    def expect(self, module: str, arguments: tuple[str, ...]) -> None:
        """Get ready for a step that will come."""
        ...

    def run(self, step: Step) -> Ended:
        """Run a step to its end; raises `Stopped` once `stop` has been called."""
        ...

    def stop(self, grace: float) -> None:
        """End every running step: ask first, and after `grace` seconds insist."""
        ...

    def imports(self) -> Mapping[str, float]:
        """Processor seconds that each warm process has spent on imports, for all its steps."""
        ...

    def close(self) -> None:
        """Let go of everything, once no step runs any more."""
        ...


@dataclass
class Processes:
    """A fresh interpreter for each step, in a session of its own, so that all its children end."""

    _running: set[int] = field(default_factory=set[int])
    _stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, module: str, arguments: tuple[str, ...]) -> None:
        """Nothing to get ready."""

    def run(self, step: Step) -> Ended:
        """Run a step to its end; what it prints goes to its log."""
        started = time.monotonic()
        with step.log.open("ab") as log, self._lock:
            if self._stopped:
                raise Stopped
            process = subprocess.Popen(
                [sys.executable, "-m", _TETHER, str(os.getpid()), step.module, *step.arguments],
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "TMPDIR": str(step.scratch),
                    **step.environment,
                },
                cwd=step.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process.pid)
        guard = Guard(Limits(step.timeout, step.memory), partial(self._kill, process.pid))
        guard.start(process.pid)
        _await(process.pid)
        guard.stop()
        with self._lock:
            _signal_group(process.pid, signal.SIGKILL)  # what the step has left behind
            _, status, usage = os.wait4(process.pid, 0)
            self._running.discard(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        unit = 1 if sys.platform == "darwin" else 1024
        seconds = time.monotonic() - started
        cpu = usage.ru_utime + usage.ru_stime
        memory = max(usage.ru_maxrss * unit, guard.held)
        return Ended(process.returncode, seconds, memory, guard.breach, cpu)

    def stop(self, grace: float) -> None:
        """Send TERM to every running step's session, and KILL to what is left after `grace`."""
        with self._lock:
            self._stopped = True
            first = signal.SIGTERM if grace else signal.SIGKILL
            for pid in self._running:
                _signal_group(pid, first)
        if grace:
            clock = threading.Timer(grace, self.stop, (0,))
            clock.daemon = True
            clock.start()

    def imports(self) -> Mapping[str, float]:
        """Nothing is warm: each step imports what it needs."""
        return {}

    def close(self) -> None:
        """Nothing to let go of."""

    def _kill(self, pid: int) -> None:
        with self._lock:
            if pid in self._running:
                _signal_group(pid, signal.SIGKILL)


def log_tail(log: Path, lines: int = 20) -> str:
    """The end of a log, however long it is: a step's own error whole, or else the last lines."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - (1 << 16)))
        text = file.read().decode(errors="replace")
    errors = list(_ERROR.finditer(text))
    if errors and not errors[-1][0].startswith("StepError:"):  # which points to a traceback
        return errors[-1][0].rstrip()
    return "\n".join(text.splitlines()[-lines:])


def _await(pid: int) -> None:
    """Wait for a process to end, without freeing its number, so that nobody else is signalled."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
