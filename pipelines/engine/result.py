"""What a run leaves behind: states, results of tasks, the result of the run."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from ...serving.errors import Exit
from .values import Json


class State(str, Enum):
    """Where a task, or a whole run, stands."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class Values:
    """What goes into a task or comes out of it: parameters, and lists of artifacts, by name."""

    parameters: Json = field(default_factory=dict[str, Any])
    artifacts: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])


@dataclass(frozen=True)
class TaskResult:
    """How one task ended (or, while it runs, how it stands)."""

    path: str
    state: State
    message: str = ""
    seconds: float = 0.0
    """Of execution, in all tries."""
    waited: float = 0.0
    """Seconds until there was a process to execute it: for an interpreter, or a warm template."""
    cpu: float = 0.0
    """Processor seconds of its processes."""
    peak_memory: int = 0
    """Bytes that the task's largest process held at most."""
    tries: int = 0
    code: int | None = None
    """The exit code of the last try; a signal's number below zero."""
    exit_code: Exit = Exit.STEP_FAILED
    """What the run ends with, if this task has failed first."""
    outputs: Values = field(default_factory=Values)
    log: Path | None = None
    directory: Path | None = None
    """Where the try that counts has written."""
    started: float = field(default_factory=time.time)
    cached: str = ""
    """The earlier run that its outputs come from."""
    notes: tuple[str, ...] = ()
    """What is otherwise here than on a cluster, one sentence each."""


@dataclass(frozen=True)
class RunResult:
    """How a run ended."""

    run: str
    state: State
    directory: Path
    tasks: tuple[TaskResult, ...]
    """Every container and importer that had its turn, in the order in which they ended."""
    outputs: Values
    exit_code: Exit
    imports: Mapping[str, float] = field(default_factory=dict[str, float])
    """Processor seconds that each warm process has spent on imports, for all steps."""
