"""The door to the engine: runs a compiled pipeline on this machine, or goes on with a run."""

import asyncio
import errno
import json
import os
import signal
import sqlite3
import threading
from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...serving.errors import Exit
from .. import ir
from ..errors import CannotRunHere
from ..ir import CompiledPipeline
from .admit import Program, admit, admit_containers
from .attempt import Attempts, Listener, name_of
from .docker import Containers, Docker, Room, check_visible, end_left_behind, identify
from .forks import Forks
from .launch import Launcher
from .openlineage import Events
from .parameters import bind
from .plan import Plan, plan
from .record import RUNS, Record, find_run, open_existing
from .resolve import Outcome
from .result import RunResult, State, TaskResult
from .schedule import GRACE, Schedule
from .sweep import remove_leftovers
from .values import Json


def _silent(result: TaskResult) -> None:
    """Listen to nothing."""


@dataclass(frozen=True)
class Manner:
    """How to run, whatever is run."""

    jobs: int | None = None
    """At most so many steps at once; as many as there are processors by default."""
    launcher: Launcher | None = None
    """Who starts the steps; forks of warm processes by default."""
    docker: Docker | None = None
    """Run each task in a container of its image, with this; None: on the host."""
    listen: Listener = _silent
    """Is told of every start and end of a task."""
    cache: bool = True
    """Whether outputs of earlier executions may serve."""
    openlineage: str = ""
    """A file or a URL that OpenLineage events go to; empty: nowhere."""


def run(
    compiled: CompiledPipeline,
    parameters: Mapping[str, Any] | None = None,
    *,
    root: Path = Path(".lockstep"),
    project: Path = Path(),
    **manner: Any,
) -> RunResult:
    """Execute a compiled pipeline on this machine, and return when it is over.

    SIGINT and SIGTERM (in the main thread) end every step and the run, which is then CANCELLED.

    Args:
        compiled: What to run; it is written into the run directory, and read from there.
        parameters: Values by name; numbers, texts, lists and dicts as in JSON.
        root: Where runs are kept, each in `runs/RUN`.
        project: The directory that steps work in: module paths are relative to it.
        manner: See `Manner`.

    Raises:
        DefinitionError: The pipeline contradicts itself.
        BadParameter: A parameter is unknown, missing or of the wrong type.
        CannotRunHere: A task needs something that this machine does not offer.
    """
    how = Manner(**manner)
    text = ir.dump(compiled)
    planned = plan(ir.parse(text))
    programs = _programs(planned, how.docker)
    values = bind(planned.inputs, parameters or {})
    _check_project(project)
    project = project.absolute()
    if how.docker:
        check_visible(values, Room("", root.absolute(), project, how.docker))
    with _room_under(root), closing(Record.create(root, planned, text, values, project)) as record:
        if how.docker:
            how.docker.dump(record.directory)
        return _execute(planned, programs, record, values, how)


def resume(name: str, *, root: Path = Path(".lockstep"), **manner: Any) -> RunResult:
    """Go on with a run whose engine has ended: what it has committed stays, the rest is executed.

    The compiled file, the parameters and the project are those that the run was started with; and
    what ran in containers does so again, with the same volumes.

    Raises:
        UnknownRun: There is none of this name.
        RunIsAlive: Its engine has not ended.
    """
    how = Manner(docker=Docker.load(root / RUNS / name), **manner)
    with closing(open_existing(root)) as database:
        row = dict(find_run(database, root, name))
    planned = plan(ir.load(root / RUNS / name / "pipeline.yaml"))
    programs = _programs(planned, how.docker)
    values = json.loads(row["parameters"])
    _check_project(Path(row["project"]))
    with _room_under(root), closing(Record.reopen(root, name)) as record:
        if how.docker:
            end_left_behind(record.root, lambda run: run != name)
        result = _execute(planned, programs, record, values, how)
        remove_leftovers(record.database, record.root, name)
        return result


def _execute(
    planned: Plan, programs: Mapping[str, Program], record: Record, values: Json, manner: Manner
) -> RunResult:
    events = Events(manner.openlineage, record.root, record.run, planned.name)

    def listen(result: TaskResult) -> None:
        manner.listen(result)
        events.listen(result)

    room = manner.docker and Room(record.run, record.root, record.project, manner.docker)
    started = manner.launcher or (Containers(room) if room else Forks())
    with closing(started) as launcher, events:
        jobs = manner.jobs or os.cpu_count() or 1
        attempts = Attempts(record, programs, launcher, listen, jobs, manner.cache)
        _warm_up(planned, attempts)
        schedule = Schedule(planned, attempts)
        with ThreadPoolExecutor(1) as scheduler, attempts.pool:
            outcome = _wait(schedule, scheduler.submit(asyncio.run, schedule.run(values)))
        imports = launcher.imports()
        events.end(outcome.state)
    record.finish(outcome.state, outcome.outputs)
    failed = (task.exit_code for task in schedule.results if task.state is State.FAILED)
    cancelled = outcome.state is State.CANCELLED
    return RunResult(
        run=record.run,
        state=outcome.state,
        directory=record.directory,
        tasks=tuple(schedule.results),
        outputs=outcome.outputs,
        exit_code=Exit.INTERRUPTED if cancelled else next(failed, Exit.OK),
        imports=imports,
    )


def _programs(planned: Plan, docker: Docker | None) -> dict[str, Program]:
    return admit_containers(planned, identify) if docker else admit(planned)


def _warm_up(planned: Plan, attempts: Attempts) -> None:
    """Let the launcher get ready for steps that are certain to be executed.

    Those that the cache may serve have to wait until their inputs are known.
    """
    for task in planned.walk():
        program = attempts.programs.get(task.path)
        if program and task.path not in attempts.kept:
            hopeful = task.cached and attempts.cache
            if not hopeful or not attempts.record.has_run(name_of(program)):
                attempts.launcher.expect(program.module, program.arguments)


def _wait(schedule: Schedule, future: "Future[Outcome]") -> Outcome:
    """Wait for the scheduler; the first interrupt asks the steps to end, the second insists."""
    grace = GRACE
    with _term_as_interrupt():
        while True:
            try:
                return future.result()
            except KeyboardInterrupt:
                schedule.stop(grace)
                grace = 0.0


def _check_project(project: Path) -> None:
    if not project.is_dir():
        raise CannotRunHere(
            given=f"the project {project} is no directory",
            allowed="the directory that module paths start from",
            todo="correct --project",
        )


@contextmanager
def _room_under(root: Path) -> Generator[None]:
    """Say of a full disk where it is full."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        full = getattr(error, "errno", 0) == errno.ENOSPC or "disk is full" in str(error)
        if not full:
            raise
        raise CannotRunHere(
            given=f"no space is left on the disk of {root.absolute()}",
            allowed="a disk that holds every artifact of the run",
            todo="free some space there, or choose another disk with --root",
        ) from error


@contextmanager
def _term_as_interrupt() -> Generator[None]:
    """Let SIGTERM do what Ctrl-C does, where signals can be caught at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
