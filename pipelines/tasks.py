"""A compiled pipeline's tasks, one by one: where each stands, what it runs, what it is given."""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from ..components.catalogue import COMPONENTS, ENTRYPOINT, Component
from .errors import DefinitionError
from .ir import CompiledPipeline, Json


@dataclass(frozen=True)
class Task:
    """One task in its place: `path` is `root/OUTER/.../NAME`, every level a task of a dag."""

    path: str
    spec: Json
    """Its PipelineTaskSpec."""
    component: Json | None
    """Its ComponentSpec; None if the pipeline has none of that name."""
    executor: Json | None
    """Its executor; None for a dag, and where the pipeline has none of that label."""

    @property
    def parameters(self) -> Json:
        """What its parameters are fed with."""
        inputs: Json = self.spec.get("inputs", {})
        parameters: Json = inputs.get("parameters", {})
        return parameters

    @property
    def cached(self) -> bool:
        """Whether Kubeflow may take its outputs from an earlier run."""
        return bool(self.spec.get("cachingOptions", {}).get("enableCache"))

    @property
    def lockstep_component(self) -> Component | None:
        """Which of lockstep's own components it runs, known by the container's command."""
        command = (self.executor or {}).get("container", {}).get("command", [])
        if tuple(command[:-1]) != ENTRYPOINT:
            return None
        return COMPONENTS.get(command[-1])

    @property
    def must_not_be_cached(self) -> bool:
        """Whether it looks at what its inputs do not show."""
        component = self.lockstep_component
        if component is None:
            return False
        fed = self.parameters.get(component.cached_with or "", {})
        blind = component.cached_with and not (
            "taskOutputParameter" in fed or "componentInputParameter" in fed
        )
        return component.looks_outside or bool(blind)


@dataclass(frozen=True)
class Constant:
    """One value that is written into the compiled file."""

    task: str
    """The path of the task (or `root`) that holds it."""
    name: str
    value: Any
    kind: str = "STRUCT"
    """The `parameterType` it is for."""


def walk(compiled: CompiledPipeline) -> list[Task]:
    """List every task, outer before inner, in the order of the file."""
    return list(_walk(compiled.spec, compiled.spec["root"], "root", ()))


def _walk(spec: Json, dag: Json, path: str, outer: tuple[str, ...]) -> Iterator[Task]:
    executors: Json = spec["deploymentSpec"].get("executors", {})
    for name, task in dag.get("dag", {}).get("tasks", {}).items():
        reference = task.get("componentRef", {}).get("name", "")
        if reference in outer:
            raise DefinitionError(
                given=f"{path}/{name}: component {reference} contains itself",
                allowed="components that contain others, but never themselves",
                todo="compile the pipeline again from its source",
            )
        component: Json | None = spec["components"].get(reference)
        label = str((component or {}).get("executorLabel", ""))
        yield Task(f"{path}/{name}", task, component, executors.get(label))
        yield from _walk(spec, component or {}, f"{path}/{name}", (*outer, reference))


def constants(compiled: CompiledPipeline, tasks: list[Task]) -> Iterator[Constant]:
    """List every constant and default; not the text of commands, which is the image's business."""
    root = compiled.spec.get("defaultPipelineRoot")
    if root is not None:
        yield Constant("root", "pipeline root", root, "STRING")
    yield from _defaults("root", compiled.spec["root"])
    for task in tasks:
        definitions = (task.component or {}).get("inputDefinitions", {}).get("parameters", {})
        for name, source in task.parameters.items():
            if "constant" in source.get("runtimeValue", {}):
                kind = definitions.get(name, {}).get("parameterType", "STRUCT")
                yield Constant(task.path, name, source["runtimeValue"]["constant"], kind)
        yield from _defaults(task.path, task.component or {})
        yield from _importer(task)
        items = task.spec.get("parameterIterator", {}).get("items", {}).get("raw")
        if items is not None:
            yield Constant(task.path, "loop items", json.loads(items), "LIST")


def _defaults(path: str, component: Json) -> Iterator[Constant]:
    for name, parameter in component.get("inputDefinitions", {}).get("parameters", {}).items():
        if "defaultValue" in parameter:
            kind = parameter.get("parameterType", "STRUCT")
            yield Constant(path, f"{name} (default)", parameter["defaultValue"], kind)


def _importer(task: Task) -> Iterator[Constant]:
    importer = (task.executor or {}).get("importer", {})
    uri = importer.get("artifactUri", {}).get("constant")
    if uri is not None:
        yield Constant(task.path, "artifact uri", uri, "STRING")
    if "metadata" in importer:
        yield Constant(task.path, "metadata", importer["metadata"])


def leaves(value: Any) -> Iterator[Any]:
    """List the scalars within a constant, those of a JSON text too."""
    if isinstance(value, str) and re.match(r"\s*[\[{]", value):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if not isinstance(value, dict | list):
        yield value
    for inner in parts(value):
        yield from leaves(inner)


def parts(value: Any) -> list[Any]:
    """List what a JSON value holds; a scalar holds nothing."""
    if isinstance(value, dict):
        return list(cast(Json, value).values())
    return list(cast(Iterable[Any], value)) if isinstance(value, list) else []
