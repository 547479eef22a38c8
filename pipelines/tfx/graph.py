"""From the plan to a kfp pipeline: kfp's own DSL is called, task by task."""

import inspect
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

from kfp import dsl, kubernetes

from ..errors import NoCounterpart
from .plan import Output, Parameter, Plan, RunId, Task, outputs_in


def pipeline_of(plan: Plan, name: str) -> Any:
    """Make the kfp pipeline."""
    _check_conditions(plan)
    parameters = list(plan.parameters.values())
    ordered = sorted(parameters, key=lambda p: p.default is not inspect.Parameter.empty)

    def define(*values: Any) -> None:
        channels = dict(zip((p.name for p in ordered), values, strict=True))
        made: dict[str, Any] = {}
        if plan.exit_task is None:
            _emit(plan, plan.tasks, 0, channels, made)
            return
        with dsl.ExitHandler(_make(plan.exit_task, channels, made)):
            _emit(plan, plan.tasks, 0, channels, made)

    define.__dict__["__signature__"] = inspect.Signature(ordered)
    return dsl.pipeline(name=name)(define)


def _emit(
    plan: Plan, tasks: list[Task], depth: int, channels: Mapping[str, Any], made: dict[str, Any]
) -> None:
    """Make tasks in order, those under one condition together."""
    groups: dict[Any, list[Task]] = {}
    for task in tasks:
        inside = len(task.contexts) > depth
        groups.setdefault(task.contexts[depth] if inside else task.name, []).append(task)
    for key in _ordered(plan, groups):
        if isinstance(key, str):
            [task] = groups[key]
            made[task.name] = _make(task, channels, made)
            continue
        predicate = plan.predicates[key]
        with dsl.If(made[predicate.task].outputs[predicate.key] == True):  # noqa: E712 - kfp's notation
            _emit(plan, groups[key], depth + 1, channels, made)


def _ordered(plan: Plan, groups: Mapping[Any, list[Task]]) -> list[Any]:
    """Sort single tasks and conditions, each after what it depends on."""
    holder = {task.name: key for key, tasks in groups.items() for task in tasks}
    before: dict[Any, set[Any]] = {}
    for key, tasks in groups.items():
        needs = {name for task in tasks for name in _needs(plan, task)}
        before[key] = {holder[name] for name in needs if name in holder} - {key}
    return list(TopologicalSorter(before).static_order())


def _check_conditions(plan: Plan) -> None:
    """Refuse what waits for a task that a condition may skip."""
    known = {task.name: task for task in plan.tasks}
    for task in plan.tasks:
        for before in (known[name] for name in _needs(plan, task)):
            if before.contexts != task.contexts[: len(before.contexts)]:
                raise NoCounterpart(
                    given=f"node {task.title} waits for {before.title}, which is under a condition "
                    "that it is not under itself",
                    allowed="conditions on Kubeflow Pipelines: nothing outside waits for what is "
                    "inside",
                    todo="put the nodes that follow under the same Cond",
                )


def _needs(plan: Plan, task: Task) -> list[str]:
    wired = [output.task for output in outputs_in(task.arguments)]
    return [*wired, *task.after, *(plan.predicates[context].task for context in task.contexts)]


def _make(task: Task, channels: Mapping[str, Any], made: Mapping[str, Any]) -> Any:
    arguments = {k: _filled(v, channels, made) for k, v in task.arguments.items()}
    result = task.component(**arguments)
    if result.importer_spec is None:
        _set(result, task)
    result.set_display_name(task.title)
    return result.after(*(made[name] for name in task.after))


def _set(made: Any, task: Task) -> None:
    settings = task.settings
    made.set_caching_options(settings.cached)
    if settings.retries:
        made.set_retry(settings.retries)
    if settings.timeout:
        kubernetes.set_timeout(made, settings.timeout)
    if settings.cpu_limit:
        made.set_cpu_limit(f"{settings.cpu_limit:g}")
    if settings.memory_limit:
        made.set_memory_limit(f"{settings.memory_limit:g}G")
    if settings.accelerator:
        kind, count = settings.accelerator
        made.set_accelerator_type(kind).set_accelerator_limit(count)
    if settings.always:
        made.ignore_upstream_failure()


def _filled(
    value: Any, channels: Mapping[str, Any], made: Mapping[str, Any], inside: bool = False
) -> Any:
    """Put kfp's channels where the plan has stand-ins; within a value they are text."""
    if isinstance(value, Parameter):
        return str(channels[value.name]) if inside else channels[value.name]
    if isinstance(value, Output):
        output = made[value.task].outputs[value.key]
        return str(output) if inside else output
    if isinstance(value, RunId):
        return dsl.PIPELINE_JOB_ID_PLACEHOLDER
    if isinstance(value, dict):
        return {key: _filled(inner, channels, made, True) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, channels, made, True) for inner in value]
    return value
