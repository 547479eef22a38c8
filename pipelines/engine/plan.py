"""From a compiled pipeline to a tree of tasks: checked whole, before anything starts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .. import tasks
from ..errors import CannotRunHere, DefinitionError
from ..ir import CompiledPipeline
from . import expression
from .expression import Expression, ExpressionError
from .shape import COMPONENT, EXECUTOR, TASK, unknown_keys
from .values import TYPES, Json, is_dict


@dataclass(frozen=True)
class Container:
    """A task that runs a program: its executor's spec, and its settings on Kubernetes."""

    spec: Json
    settings: Json


@dataclass(frozen=True)
class Importer:
    """A task that only names an artifact which is already there."""

    spec: Json


Sources = Mapping[str, tuple[tuple[str, str], ...]]
"""For each output of a DAG its places, task and output of it: the first that has it counts."""


@dataclass(frozen=True)
class Dag:
    """Tasks, each after those it depends on, and where the outputs of the whole come from."""

    tasks: tuple["Task", ...]
    parameters: Sources
    artifacts: Sources


@dataclass(frozen=True)
class Loop:
    """One run of the task for each item of a list, at most `limit` at once (0: no limit)."""

    item: str
    raw: str | None = None
    parameter: str | None = None
    artifact: str | None = None
    limit: int = 0


@dataclass(frozen=True)
class Retry:
    """How often a failed try is repeated, and how many seconds after, each pause a multiple."""

    count: int = 0
    delay: float = 0.0
    factor: float = 2.0
    within: float = 3600.0
    """Seconds from the first try's start after which no other begins, as Argo has it."""

    def pause(self, number: int) -> float:
        """Seconds before the try of this number; the second is the first to wait."""
        return self.delay * self.factor ** (number - 2)


@dataclass(frozen=True)
class Task:
    """One task of a DAG: what it does, its inputs and outputs, and when it runs."""

    name: str
    path: str
    """Its name after those of the DAGs around it, e.g. `for-loop-1/train`."""
    work: Container | Importer | Dag
    parameters: Mapping[str, Json]
    artifacts: Mapping[str, Json]
    inputs: Json
    outputs: Json
    after: frozenset[str]
    always: bool
    condition: Expression | None
    selectors: Mapping[str, Expression]
    loop: Loop | None
    retry: Retry
    cached: bool
    """Whether its outputs may come from an earlier run."""
    looks_outside: bool
    """Whether they never may, whatever the pipeline says."""
    cache_key: str

    def walk(self) -> "list[Task]":
        """This task and every task inside it."""
        inner = self.work.tasks if isinstance(self.work, Dag) else ()
        return [self, *(task for child in inner for task in child.walk())]


@dataclass(frozen=True)
class Plan:
    """A whole pipeline, ready to be executed with parameters."""

    name: str
    digest: str
    root: Dag
    inputs: Json

    def walk(self) -> list[Task]:
        """Every task of the pipeline, outer before inner, producers before consumers."""
        return [inner for task in self.root.tasks for inner in task.walk()]


def plan(compiled: CompiledPipeline) -> Plan:
    """Turn a compiled pipeline into a tree of tasks.

    Raises:
        DefinitionError: when the spec contradicts itself (a cycle, a missing component).
        CannotRunHere: when the spec says something that the local engine does not understand.
    """
    spec = compiled.spec
    planner = _Planner(
        components=spec["components"],
        executors=spec["deploymentSpec"].get("executors", {}),
        settings=_settings(compiled.platform),
    )
    root = spec["root"]
    _refuse_unknown(root, COMPONENT, "the pipeline")
    inputs = root.get("inputDefinitions", {})
    _check_interface("root", inputs, root.get("outputDefinitions", {}))
    return Plan(
        name=compiled.name,
        digest=compiled.digest,
        root=planner.dag(root["dag"], "", ()),
        inputs=inputs,
    )


def _settings(platform: Json) -> Json:
    """Each executor's settings on Kubernetes; other platforms are refused."""
    known = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": None}}}}
    _refuse_unknown(platform, known, "the platform document")
    kubernetes: Json = platform.get("platforms", {}).get("kubernetes", {})
    executors: Json = kubernetes.get("deploymentSpec", {}).get("executors", {})
    return executors


@dataclass(frozen=True)
class _Planner:
    components: Json
    executors: Json
    settings: Json

    def dag(self, spec: Json, at: str, around: tuple[str, ...], retry: Json | None = None) -> Dag:
        specs: dict[str, Json] = spec.get("tasks", {})
        graph = {name: _upstream(task) for name, task in specs.items()}
        for name, upstream in graph.items():
            for missing in sorted(upstream - specs.keys()):
                problem = f"depends on {missing!r}, which is not there"
                raise _broken(at + name, problem)
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            cycle = " -> ".join(error.args[1])
            raise _broken(at + error.args[1][0], f"depends on itself: {cycle}") from error
        planned = tuple(self.task(name, _retried(specs[name], retry), at, around) for name in order)
        outputs = spec.get("outputs", {})
        dag = Dag(
            planned, *(_sources(outputs.get(kind, {})) for kind in ("parameters", "artifacts"))
        )
        for places in (*dag.parameters.values(), *dag.artifacts.values()):
            for missing in sorted({name for name, _ in places} - specs.keys()):
                raise _broken(at + missing, "is to give an output, but is not there")
        return dag

    def task(self, name: str, spec: Json, at: str, around: tuple[str, ...]) -> Task:
        path = f"{at}{name}"
        _check_name(path, name)
        _refuse_unknown(spec, TASK, f"task {path}")
        label = str(spec.get("componentRef", {}).get("name"))
        component = self.components.get(label)
        if component is None or label in around:
            problem = "contains itself" if component else f"has no component {label!r}"
            raise _broken(path, problem)
        _refuse_unknown(component, COMPONENT, f"task {path}")
        inputs, outputs = (component.get(f"{way}Definitions", {}) for way in ("input", "output"))
        _check_interface(path, inputs, outputs)
        work = self.work(component, path, (*around, label), spec.get("retryPolicy"))
        policy = spec.get("triggerPolicy", {})
        parameters = spec.get("inputs", {}).get("parameters", {})
        retry = _retry(spec.get("retryPolicy")) if isinstance(work, Container) else Retry()
        return Task(
            name=name,
            path=path,
            work=work,
            parameters=parameters,
            artifacts=spec.get("inputs", {}).get("artifacts", {}),
            inputs=inputs,
            outputs=outputs,
            after=frozenset(_upstream(spec)),
            always=_always(policy, path),
            condition=_expression(policy.get("condition"), path),
            selectors={
                key: selector
                for key, parameter in parameters.items()
                if (selector := _expression(parameter.get("parameterExpressionSelector"), path))
            },
            loop=_loop(spec),
            retry=retry,
            **self.caching(component, spec, path),
        )

    def caching(self, component: Json, spec: Json, path: str) -> Json:
        """What the pipeline says about the cache, and what the component demands."""
        executor = self.executors.get(str(component.get("executorLabel")))
        seen = tasks.Task(path, spec, component, executor)
        return {
            "cached": seen.cached and not seen.must_not_be_cached,
            "looks_outside": seen.must_not_be_cached,
            "cache_key": str(spec.get("cachingOptions", {}).get("cacheKey", "")),
        }

    def work(
        self, component: Json, path: str, around: tuple[str, ...], retry: Json | None
    ) -> Container | Importer | Dag:
        if "dag" in component:
            return self.dag(component["dag"], f"{path}/", around, retry)
        label = str(component.get("executorLabel"))
        executor: Any = self.executors.get(label)
        if not is_dict(executor):
            raise _broken(path, f"has no executor {label!r}")
        _refuse_unknown(executor, EXECUTOR, f"task {path}")
        if "importer" in executor:
            return Importer(executor["importer"])
        if "container" not in executor:
            raise _broken(path, f"has an executor {label!r} that is no container")
        return Container(executor["container"], self.settings.get(label, {}))


def _retried(spec: Json, policy: Json | None) -> Json:
    """A task's spec, retried like the DAG around it unless it says otherwise itself."""
    return {"retryPolicy": policy, **spec} if policy else spec


def _upstream(spec: Json) -> set[str]:
    """Every task that must be over before this one: said outright, or implied by an input."""
    inputs = spec.get("inputs", {})
    sources = [*inputs.get("parameters", {}).values(), *inputs.get("artifacts", {}).values()]
    producers = {
        source[kind]["producerTask"]
        for source in sources
        for kind in ("taskOutputParameter", "taskFinalStatus", "taskOutputArtifact")
        if kind in source
    }
    return {*spec.get("dependentTasks", ()), *producers}


def _sources(outputs: Json) -> Sources:
    return {
        name: tuple(
            (
                selector["producerSubtask"],
                selector.get("outputParameterKey") or selector["outputArtifactKey"],
            )
            for selector in (
                *filter(None, [output.get("valueFromParameter")]),
                *output.get("valueFromOneof", {}).get("parameterSelectors", ()),
                *output.get("artifactSelectors", ()),
            )
        )
        for name, output in outputs.items()
    }


def _always(policy: Json, path: str) -> bool:
    strategy = policy.get("strategy", "ALL_UPSTREAM_TASKS_SUCCEEDED")
    if strategy not in ("ALL_UPSTREAM_TASKS_SUCCEEDED", "ALL_UPSTREAM_TASKS_COMPLETED"):
        raise _refusal("task " + path, f"triggerPolicy.strategy {strategy}")
    return bool(strategy == "ALL_UPSTREAM_TASKS_COMPLETED")


def _expression(source: str | None, path: str) -> Expression | None:
    try:
        return expression.parse(source) if source else None
    except ExpressionError as error:
        raise _broken(path, f"has an expression that makes no sense: {error}") from error


def _loop(spec: Json) -> Loop | None:
    limit = int(spec.get("iteratorPolicy", {}).get("parallelismLimit", 0))
    if iterator := spec.get("parameterIterator"):
        items = iterator["items"]
        return Loop(
            iterator["itemInput"], items.get("raw"), items.get("inputParameter"), None, limit
        )
    if iterator := spec.get("artifactIterator"):
        return Loop(iterator["itemInput"], artifact=iterator["items"]["inputArtifact"], limit=limit)
    return None


def _retry(policy: Json | None) -> Retry:
    if not policy:
        return Retry()
    return Retry(
        count=int(policy.get("maxRetryCount", 0)),
        delay=_seconds(policy.get("backoffDuration", "0s")),
        factor=float(policy.get("backoffFactor", 2.0)),
        within=_seconds(policy.get("backoffMaxDuration", "3600s")),
    )


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def _check_interface(path: str, *definitions: Json) -> None:
    for interface in definitions:
        for name in (*interface.get("parameters", {}), *interface.get("artifacts", {})):
            _check_name(path, name)
        for name, parameter in interface.get("parameters", {}).items():
            kind = parameter.get("parameterType")
            if kind not in TYPES:
                raise _refusal("task " + path, f"a parameter {name} of type {kind}")


def _check_name(path: str, name: str) -> None:
    """Let no name lead out of the run directory, or hide another file in it."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise _broken(path, f"has the name {name!r}: letters, digits, - and _ make a name")


def _refuse_unknown(value: Any, shape: Any, owner: str) -> None:
    for key in unknown_keys(value, shape):
        raise _refusal(owner, key)


def _refusal(owner: str, what: str) -> CannotRunHere:
    return CannotRunHere(
        given=f"{owner} asks for {what}",
        allowed="what the local engine knows how to honour",
        todo="leave it out for local runs, or submit the pipeline to a cluster",
    )


def _broken(path: str, problem: str) -> DefinitionError:
    return DefinitionError(
        given=f"task {path} {problem}",
        allowed="a pipeline spec as kfp's compiler writes it",
        todo="compile the pipeline again",
    )
