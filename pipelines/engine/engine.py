"""The scheduler: executes a plan, independent tasks at once, and says how each of them ended.

Semantics are those of Kubeflow Pipelines v2. Where Kubeflow leaves it to timing what else still
runs after a failure, this engine runs whatever does not depend on the failed task. It keeps no
cache yet: `cachingOptions`, whatever they say, mean that the task is executed.
"""

import asyncio
import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ...components.catalogue import ENTRYPOINT
from ...serving.errors import Exit
from .. import ir
from ..errors import CannotRunHere, RunError
from ..ir import CompiledPipeline
from .admit import Program, admit
from .expression import ExpressionError
from .forks import Forks
from .launch import Launcher, Step, Stopped, log_tail
from .outputs import collect, imported, prepare
from .parameters import bind
from .plan import Container, Dag, Importer, Loop, Plan, Task, plan
from .record import Record
from .resolve import (
    Outcome,
    Placeholders,
    Scope,
    collected,
    dag_outputs,
    fill,
    fill_command,
    loop_items,
    resolve,
    with_item,
)
from .result import RunResult, State, TaskResult, Values
from .values import Json

GRACE: Final = 5.0
"""Seconds that a step has between TERM and KILL."""

_STEP_CODES: Final = (Exit.USAGE, Exit.DEFINITION, Exit.STORE, Exit.ENVIRONMENT, Exit.DATA)
"""Exit codes of a step that say more than that it failed: the run ends with them, too."""

Listener = Callable[[TaskResult], None]
"""Is told of every start and end of a task."""


def run(
    compiled: CompiledPipeline,
    parameters: Mapping[str, Any] | None = None,
    *,
    root: Path = Path(".lockstep"),
    project: Path = Path(),
    jobs: int | None = None,
    launcher: Launcher | None = None,
    listen: Listener = lambda result: None,
) -> RunResult:
    """Execute a compiled pipeline on this machine, and return when it is over.

    SIGINT and SIGTERM (in the main thread) end every step and the run, which is then CANCELLED.

    Args:
        compiled: What to run; it is written into the run directory, and read from there.
        parameters: Values by name; numbers, texts, lists and dicts as in JSON.
        root: Where runs are kept, each in `runs/RUN`.
        project: The directory that steps work in: module paths are relative to it.
        jobs: At most so many steps at once; as many as there are processors by default.
        launcher: Who starts the steps; forks of warm processes by default.
        listen: Is told of every start and end of a task.

    Raises:
        DefinitionError: The pipeline contradicts itself.
        BadParameter: A parameter is unknown, missing or of the wrong type.
        CannotRunHere: A task needs something that this machine does not offer.
    """
    text = ir.dump(compiled)
    planned = plan(ir.parse(text))
    programs = admit(planned)
    values = bind(planned.inputs, parameters or {})
    if not project.is_dir():
        raise CannotRunHere(
            given=f"the project {project} is no directory",
            allowed="the directory that module paths start from",
            todo="correct --project",
        )
    with _room_under(root), closing(launcher or Forks()) as launcher:
        record = Record.create(root, planned.name, text)
        for program in programs.values():
            launcher.expect(program.module, program.arguments)
        execution = _Execution(
            plan=planned,
            programs=programs,
            record=record,
            project=project.absolute(),
            jobs=jobs or os.cpu_count() or 1,
            launcher=launcher,
            listen=listen,
        )
        return execution.run(values)


@dataclass
class _Execution:
    plan: Plan
    programs: Mapping[str, Program]
    record: Record
    project: Path
    jobs: int
    launcher: Launcher
    listen: Listener
    started: float = field(default_factory=time.time)
    results: list[TaskResult] = field(default_factory=list[TaskResult])
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, parameters: Json) -> RunResult:
        about = {
            "pipeline": self.plan.name,
            "digest": self.plan.digest,
            "parameters": parameters,
            "project": str(self.project),
            "process": os.getpid(),
            "started": self.started,
        }
        self.record.write_run({"state": State.RUNNING.value, **about})
        self.slots = asyncio.Semaphore(self.jobs)
        everything = self.dag(self.plan.root, Values(parameters), "")
        with ThreadPoolExecutor(1) as scheduler, ThreadPoolExecutor(self.jobs) as self.pool:
            outcome = self.wait(scheduler.submit(asyncio.run, everything))
        ended = {"ended": time.time(), "outputs": asdict(outcome.outputs)}
        self.record.write_run({"state": outcome.state.value, **about, **ended})
        failed = (result.exit_code for result in self.results if result.state is State.FAILED)
        cancelled = outcome.state is State.CANCELLED
        return RunResult(
            run=self.record.run,
            state=outcome.state,
            directory=self.record.directory,
            tasks=tuple(self.results),
            outputs=outcome.outputs,
            exit_code=Exit.INTERRUPTED if cancelled else next(failed, Exit.OK),
        )

    def wait(self, future: "Future[Outcome]") -> Outcome:
        """Wait for the scheduler; the first interrupt asks the steps to end, the second insists."""
        grace = GRACE
        with _term_as_interrupt():
            while True:
                try:
                    return future.result()
                except KeyboardInterrupt:
                    self.stop(grace)
                    grace = 0.0

    def stop(self, grace: float) -> None:
        self.stopping.set()
        self.launcher.stop(grace)

    async def all(self, running: "Iterable[asyncio.Task[Outcome]]") -> list[Outcome]:
        """Wait for several tasks; an error of the engine's own stops the run, then comes out."""
        try:
            return await asyncio.gather(*running)
        except BaseException:
            self.stop(GRACE)
            await asyncio.gather(*running, return_exceptions=True)
            raise

    async def dag(self, dag: Dag, inputs: Values, at: str) -> Outcome:
        """Start every task of a DAG; each waits for those before it."""
        running: dict[str, asyncio.Task[Outcome]] = {}
        for task in dag.tasks:
            upstream = {name: running[name] for name in task.after}
            running[task.name] = asyncio.ensure_future(self.task(task, upstream, inputs, at))
        ended = await self.all(running.values())
        outcomes = dict(zip(running, ended, strict=True))
        return replace(_worst(ended), outputs=dag_outputs(dag, outcomes))

    async def task(
        self, task: Task, upstream: Mapping[str, asyncio.Task[Outcome]], inputs: Values, at: str
    ) -> Outcome:
        """Run one task when its time has come: or skip it, or go through its loop."""
        path = f"{at}{task.name}"
        before = {name: await running for name, running in upstream.items()}
        blocked = sorted(n for n, o in before.items() if o.state is not State.SUCCEEDED)
        if self.stopping.is_set():
            return self.end(path, State.CANCELLED, "the run was stopped")
        if blocked and not task.always:
            return self.end(path, State.SKIPPED, f"not without {', '.join(blocked)}")
        try:
            own = resolve(task, Scope(inputs, before, self.facts(task, path)))
            if task.condition and not task.condition.holds(own.parameters):
                return self.end(path, State.SKIPPED, f"not the case: {task.condition.source}", own)
            if not task.loop:
                return await self.once(task, own, path)
            return await self.loop(task, task.loop, own, path)
        except (RunError, ExpressionError) as error:
            return self.end(path, State.FAILED, str(error))

    async def loop(self, task: Task, loop: Loop, inputs: Values, path: str) -> Outcome:
        """Run a task once for each item; its outputs are lists."""
        gate = asyncio.Semaphore(loop.limit) if loop.limit else nullcontext()

        async def iterate(number: int, item: Any) -> Outcome:
            async with gate:
                at = f"{path}/{number}"
                try:
                    return await self.once(task, with_item(task, loop, inputs, item), at)
                except RunError as error:
                    return self.end(at, State.FAILED, str(error))

        items = enumerate(loop_items(task, loop, inputs))
        outcomes = await self.all([asyncio.ensure_future(iterate(*item)) for item in items])
        done = [outcome.outputs for outcome in outcomes if outcome.state is State.SUCCEEDED]
        return replace(_worst(outcomes), outputs=collected(task, done))

    async def once(self, task: Task, inputs: Values, path: str) -> Outcome:
        """Run a task, one time around."""
        known = Placeholders(path, inputs, self.facts(task, path))
        match task.work:
            case Dag() as dag:
                return await self.dag(dag, inputs, f"{path}/")
            case Importer() as importer:
                outputs = imported(task, importer, known)
                return self.tell(TaskResult(path, State.SUCCEEDED, outputs=outputs), inputs)
            case Container():
                return self.tell(await self.tries(task, known), inputs)

    async def tries(self, task: Task, known: Placeholders) -> TaskResult:
        """Run a container's program until it succeeds or its retries are used up."""
        log = self.record.task(known.path) / "log.txt"
        result = TaskResult(known.path, State.RUNNING, log=log)
        for number in range(1, task.retry.count + 2):
            if number > 1:
                await self.pause(task.retry.pause(number))
            async with self.slots:
                result = await self.one_try(task, replace(result, tries=number), known)
            if result.state is not State.FAILED:
                break
        return result

    async def one_try(self, task: Task, before: TaskResult, known: Placeholders) -> TaskResult:
        """Run a container's program once, in a new directory."""
        cancelled = replace(before, state=State.CANCELLED, message="the run was stopped")
        if self.stopping.is_set():
            return cancelled
        self.listen(replace(before, state=State.RUNNING))
        directory = self.record.new_try(before.path, before.tries)
        slots = prepare(task, directory)
        step = self.step(self.programs[task.path], replace(known, outputs=slots), directory)
        try:
            loop = asyncio.get_running_loop()
            ended = await loop.run_in_executor(self.pool, self.launcher.run, step)
        except Stopped:
            return cancelled
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            message = "its inputs do not fit into a command line; hand large values on as artifacts"
            return replace(before, state=State.FAILED, message=message)
        if self.stopping.is_set() and ended.code:
            return cancelled
        seconds = before.seconds + ended.seconds
        memory = max(before.peak_memory, ended.peak_memory)
        result = replace(before, seconds=seconds, peak_memory=memory, code=ended.code)
        if ended.code:
            own = step.module == ENTRYPOINT[-1] and ended.code in _STEP_CODES
            code = Exit(ended.code) if own else Exit.STEP_FAILED
            message = f"{ended}\n{log_tail(step.log)}".rstrip()
            return replace(result, state=State.FAILED, message=message, exit_code=code)
        try:
            return replace(result, state=State.SUCCEEDED, outputs=collect(task, slots))
        except ValueError as error:
            return replace(result, state=State.FAILED, message=str(error))

    def step(self, program: Program, known: Placeholders, directory: Path) -> Step:
        """The process that one try is."""
        arguments = fill_command(program.arguments, known)
        if program.source is not None:
            source = directory / "component.py"
            source.write_text(program.source, encoding="utf-8")
            arguments = ["--component_module_path", str(source), *arguments]
        log = directory.parent / "log.txt"
        with log.open("a", encoding="utf-8") as notes:
            notes.writelines(f"lockstep: {note}\n" for note in program.notes)
        return Step(
            module=program.module,
            arguments=tuple(arguments),
            environment={name: fill(value, known) for name, value in program.environment},
            directory=self.project,
            log=log,
            timeout=program.timeout,
        )

    async def pause(self, seconds: float) -> None:
        """Sleep, unless the run is stopped."""
        end = time.monotonic() + seconds
        while not self.stopping.is_set() and (rest := end - time.monotonic()) > 0:
            await asyncio.sleep(min(rest, 0.1))

    def end(self, path: str, state: State, message: str, inputs: Values | None = None) -> Outcome:
        """Record that a task has ended without having had its turn."""
        return self.tell(TaskResult(path, state, message), inputs or Values())

    def tell(self, result: TaskResult, inputs: Values) -> Outcome:
        """Record how a task ended; from here on its outputs count."""
        self.record.write_task(result, inputs)
        self.results.append(result)
        self.listen(result)
        message = f"{result.path}: {result.message}" if result.message else ""
        return Outcome(result.state, result.outputs, message)

    def facts(self, task: Task, path: str) -> dict[str, str]:
        """The names of the run and of a task, for placeholders such as `{{$.pipeline_root}}`."""
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started))
        return {
            "pipeline_job_name": self.record.run,
            "pipeline_job_resource_name": self.record.run,
            "pipeline_job_uuid": self.record.run,
            "pipeline_job_create_time_utc": created,
            "pipeline_job_schedule_time_utc": created,
            "pipeline_root": str(self.record.directory),
            "pipeline_task_name": task.name,
            "pipeline_task_uuid": path,
        }


def _worst(outcomes: Iterable[Outcome]) -> Outcome:
    """How a whole of several tasks ended: cancelled, or failed, as soon as one of them is."""
    ended = {outcome.state: outcome for outcome in outcomes}
    for state in (State.CANCELLED, State.FAILED):
        if state in ended:
            return Outcome(state, message=ended[state].message)
    return Outcome(State.SUCCEEDED)


@contextmanager
def _room_under(root: Path) -> Generator[None]:
    """Say of a full disk where it is full."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
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
