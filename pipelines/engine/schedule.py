"""The scheduler: takes a plan's tasks through their DAG, independent ones at once.

Semantics are those of Kubeflow Pipelines v2. Where Kubeflow leaves it to timing what else still
runs after a failure, this engine runs whatever does not depend on the failed task.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..errors import RunError
from .attempt import Attempts
from .expression import ExpressionError
from .outputs import imported
from .plan import Container, Dag, Importer, Loop, Plan, Task
from .resolve import (
    Outcome,
    Placeholders,
    Scope,
    collected,
    dag_outputs,
    loop_items,
    resolve,
    with_item,
)
from .result import State, TaskResult, Values
from .values import Json

GRACE: Final = 5.0
"""Seconds that a step has between TERM and KILL."""


@dataclass
class Schedule:
    """A plan on its way; `results` grows as tasks end."""

    plan: Plan
    attempts: Attempts
    results: list[TaskResult] = field(default_factory=list[TaskResult])

    async def run(self, parameters: Json) -> Outcome:
        """Take every task to its end."""
        return await self.dag(self.plan.root, Values(parameters), "")

    def stop(self, grace: float) -> None:
        """Start nothing more, and end what runs."""
        self.attempts.stopping.set()
        self.attempts.launcher.stop(grace)

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
        if self.attempts.stopping.is_set():
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
                return self.tell(await self.attempts.imported(known, outputs))
            case Container():
                return self.tell(await self.attempts.container(task, known))

    def end(self, path: str, state: State, message: str, inputs: Values | None = None) -> Outcome:
        """Record that a task has ended without having had its turn."""
        result = TaskResult(path, state, message)
        self.attempts.record.commit(result, inputs or Values())
        return self.tell(result)

    def tell(self, result: TaskResult) -> Outcome:
        """Say how a task has ended."""
        self.results.append(result)
        self.attempts.listen(result)
        message = f"{result.path}: {result.message}" if result.message else ""
        return Outcome(result.state, result.outputs, message)

    def facts(self, task: Task, path: str) -> dict[str, str]:
        """The names of the run and of a task, for placeholders such as `{{$.pipeline_root}}`."""
        record = self.attempts.record
        run, started = record.run, time.gmtime(record.started)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", started)
        return {
            "pipeline_job_name": run,
            "pipeline_job_resource_name": run,
            "pipeline_job_uuid": run,
            "pipeline_job_create_time_utc": created,
            "pipeline_job_schedule_time_utc": created,
            "pipeline_root": str(record.directory),
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
