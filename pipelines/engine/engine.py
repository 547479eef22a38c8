"""The scheduler: executes a plan, independent tasks at once, and says how each of them ended.

Semantics are those of Kubeflow Pipelines v2. Where Kubeflow leaves it to timing what else still
runs after a failure, this engine runs whatever does not depend on the failed task. It keeps no
cache yet: `cachingOptions`, whatever they say, mean that the task is executed.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from ...components.catalogue import ENTRYPOINT
from ...serving.errors import Exit
from .. import ir
from ..errors import RunError
from ..ir import CompiledPipeline
from .admit import Program, admit
from .expression import ExpressionError
from .launch import Ended, Launcher, Processes, Step, Stopped
from .outputs import collect, imported, prepare
from .parameters import bind
from .plan import Container, Dag, Importer, Plan, Task, plan
from .record import Record
from .resolve import (
    Inputs,
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
from .result import Outputs, RunResult, State, TaskResult
from .values import Json

GRACE: Final = 5.0
"""Seconds that a step has between TERM and KILL."""

_LOG_TAIL: Final = 20

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
        launcher: Who starts the steps; a fresh process for each by default.
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
    record = Record.create(root, planned.name)
    (record.directory / "pipeline.yaml").write_text(text, encoding="utf-8")
    execution = _Execution(
        planned, programs, record, project.absolute(), launcher or Processes(), listen
    )
    return execution.run(values, jobs or os.cpu_count() or 1)


@dataclass
class _Execution:
    plan: Plan
    programs: Mapping[str, Program]
    record: Record
    project: Path
    launcher: Launcher
    listen: Listener
    results: list[TaskResult] = field(default_factory=list[TaskResult])
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, parameters: Json, jobs: int) -> RunResult:
        started = time.time()
        about = {
            "pipeline": self.plan.name,
            "digest": self.plan.digest,
            "parameters": parameters,
            "project": str(self.project),
            "started": started,
        }
        self.record.write_run(state=State.RUNNING.value, **about)
        self.facts = _facts(self.record, started)
        self.jobs = jobs
        with ThreadPoolExecutor(1) as scheduler, ThreadPoolExecutor(jobs) as self.pool:
            outcome = self._await(scheduler.submit(asyncio.run, self.root(parameters)))
        result = RunResult(
            run=self.record.run,
            state=outcome.state,
            directory=self.record.directory,
            tasks=tuple(self.results),
            outputs=outcome.outputs,
            exit_code=self.exit_code(outcome.state),
        )
        self.record.write_run(
            state=result.state.value,
            **about,
            ended=time.time(),
            outputs={
                "parameters": outcome.outputs.parameters,
                "artifacts": outcome.outputs.artifacts,
            },
        )
        return result

    def _await(self, future: "Future[Outcome]") -> Outcome:
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

    async def root(self, parameters: Json) -> Outcome:
        self.slots = asyncio.Semaphore(self.jobs)
        try:
            return await self.dag(self.plan.root, Inputs(parameters), "")
        except BaseException:
            self.stop(GRACE)
            raise

    async def dag(self, dag: Dag, inputs: Inputs, at: str) -> Outcome:
        """Start every task of a DAG; each waits for those before it."""
        running: dict[str, asyncio.Task[Outcome]] = {}
        for task in dag.tasks:
            upstream = {name: running[name] for name in task.after}
            running[task.name] = asyncio.ensure_future(self.task(task, upstream, inputs, at))
        ended = await asyncio.gather(*running.values())
        outcomes = dict(zip(running, ended, strict=True))
        return replace(_worst(outcomes.values()), outputs=dag_outputs(dag, outcomes))

    async def task(
        self, task: Task, upstream: Mapping[str, asyncio.Task[Outcome]], inputs: Inputs, at: str
    ) -> Outcome:
        """Run one task when its time has come: or skip it, or go through its loop."""
        before = {name: await running for name, running in upstream.items()}
        path = f"{at}{task.name}"
        blocked = sorted(n for n, o in before.items() if o.state is not State.SUCCEEDED)
        if self.stopping.is_set():
            return self.ended(path, Inputs(), State.CANCELLED, "the run was stopped")
        if blocked and not task.always:
            return self.ended(path, Inputs(), State.SKIPPED, f"not without {', '.join(blocked)}")
        try:
            own = resolve(task, Scope(inputs, before, {**self.facts, **_names(task.name, path)}))
            if task.condition and not task.condition.holds(own.parameters):
                because = f"not the case: {task.condition.source}"
                return self.ended(path, own, State.SKIPPED, because)
            return await (self.loop if task.loop else self.once)(task, own, path)
        except (RunError, ExpressionError) as error:
            return self.ended(path, Inputs(), State.FAILED, str(error))

    async def loop(self, task: Task, inputs: Inputs, path: str) -> Outcome:
        """Run a task once for each item; its outputs are lists."""
        limit = task.loop.limit if task.loop else 0
        gate = asyncio.Semaphore(limit) if limit else nullcontext()

        async def iterate(number: int, item: Any) -> Outcome:
            async with gate:
                return await self.once(task, with_item(task, inputs, item), f"{path}/{number}")

        items = enumerate(loop_items(task, inputs))
        outcomes = await asyncio.gather(*(iterate(number, item) for number, item in items))
        outputs = collected(task, (o.outputs for o in outcomes if o.state is State.SUCCEEDED))
        return replace(_worst(outcomes), outputs=outputs)

    async def once(self, task: Task, inputs: Inputs, path: str) -> Outcome:
        """Run a task, one time around."""
        known = Placeholders(path, inputs, {**self.facts, **_names(task.name, path)})
        match task.work:
            case Dag() as dag:
                return await self.dag(dag, inputs, f"{path}/")
            case Importer() as importer:
                try:
                    outputs = imported(task, importer, inputs, known)
                except ValueError as error:
                    return self.ended(path, inputs, State.FAILED, str(error))
                return self.ended(path, inputs, State.SUCCEEDED, outputs=outputs)
            case Container():
                return await self.tries(task, inputs, path, known)

    async def tries(self, task: Task, inputs: Inputs, path: str, known: Placeholders) -> Outcome:
        """Run a container's program until it succeeds or its retries are used up."""
        result = TaskResult(path, State.RUNNING, log=self.record.task(path) / "log.txt")
        for number in range(1, task.retry.count + 2):
            if number > 1:
                pause = task.retry.delay * task.retry.factor ** (number - 2)
                await self.pause(min(pause, task.retry.longest))
            async with self.slots:
                result = await self.one_try(task, replace(result, tries=number), known)
            if result.state is not State.FAILED:
                break
        return self.tell(result, inputs)

    async def one_try(self, task: Task, before: TaskResult, known: Placeholders) -> TaskResult:
        """Run a container's program once, in a new directory."""
        if self.stopping.is_set():
            return replace(before, state=State.CANCELLED, message="the run was stopped")
        self.listen(replace(before, state=State.RUNNING))
        directory = self.record.new_try(before.path, before.tries)
        slots = prepare(task, directory)
        step = self.step(self.programs[task.path], replace(known, outputs=slots), directory)
        loop = asyncio.get_running_loop()
        try:
            ended = await loop.run_in_executor(self.pool, self.launcher.run, step)
        except Stopped:
            return replace(before, state=State.CANCELLED, message="the run was stopped")
        result = replace(
            before,
            state=State.SUCCEEDED,
            seconds=before.seconds + ended.seconds,
            peak_memory=max(before.peak_memory, ended.peak_memory),
            code=ended.code,
        )
        if self.stopping.is_set() and ended.code:
            return replace(result, state=State.CANCELLED, message="the run was stopped")
        if ended.code:
            message = f"{_verdict(ended, step)}\n{log_tail(step.log)}".rstrip()
            own = step.module == ENTRYPOINT[-1] and ended.code in _STEP_CODES
            code = Exit(ended.code) if own else Exit.STEP_FAILED
            return replace(result, state=State.FAILED, message=message, exit_code=code)
        try:
            return replace(result, outputs=collect(task, slots))
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
        if program.notes:
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

    def ended(
        self,
        path: str,
        inputs: Inputs,
        state: State,
        message: str = "",
        outputs: Outputs = Outputs(),
    ) -> Outcome:
        return self.tell(TaskResult(path, state, message, outputs=outputs), inputs)

    def tell(self, result: TaskResult, inputs: Inputs) -> Outcome:
        """Record how a task ended; from here on its outputs count."""
        self.record.write_task(result, inputs)
        self.results.append(result)
        self.listen(result)
        message = f"{result.path}: {result.message}" if result.message else ""
        return Outcome(result.state, result.outputs, message)

    def exit_code(self, state: State) -> Exit:
        """The exit code of the run: that of the first failed step, if it is one of ours."""
        if state is State.CANCELLED:
            return Exit.INTERRUPTED
        failed = (result.exit_code for result in self.results if result.state is State.FAILED)
        return next(failed, Exit.OK)


def _worst(outcomes: Any) -> Outcome:
    """How a whole of several tasks ended: cancelled, or failed, as soon as one of them is."""
    for state in (State.CANCELLED, State.FAILED):
        for outcome in outcomes:
            if outcome.state is state:
                return Outcome(state, message=outcome.message)
    return Outcome(State.SUCCEEDED)


def _verdict(ended: Ended, step: Step) -> str:
    if ended.timed_out:
        return f"stopped after its timeout of {step.timeout:g} s"
    if ended.code < 0:
        return f"killed by {signal.Signals(-ended.code).name}"
    return f"exit code {ended.code}"


def log_tail(log: Path, lines: int = _LOG_TAIL) -> str:
    """The last lines of a log, however long it is."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 200 * lines))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def _facts(record: Record, started: float) -> dict[str, str]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))
    return {
        "pipeline_job_name": record.run,
        "pipeline_job_resource_name": record.run,
        "pipeline_job_uuid": record.run,
        "pipeline_job_create_time_utc": now,
        "pipeline_job_schedule_time_utc": now,
        "pipeline_root": str(record.directory),
    }


def _names(name: str, path: str) -> dict[str, str]:
    return {"pipeline_task_name": name, "pipeline_task_uuid": path}


@contextmanager
def _term_as_interrupt() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, where signals can be caught at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
