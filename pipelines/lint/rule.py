"""What a rule of the lint is, and what it looks at."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import DefinitionError
from ..ir import CompiledPipeline, Json
from ..tasks import Constant, Task, constants, leaves, parts, walk

PORTABLE: Final = "portable"
KFP: Final = "kfp"
VERTEX: Final = "vertex"

Findings = Iterator[tuple[str, str]]
"""The path of each task at fault, and what is wrong there."""


@dataclass(frozen=True)
class Subject:
    """What the rules look at: a compiled pipeline, its tasks, and the job around it."""

    compiled: CompiledPipeline
    tasks: list[Task]
    job: Json = field(default_factory=dict[str, Any])
    """The PipelineJob that holds the spec; empty if the file holds the bare spec."""

    def parent(self, task: Task) -> Task | None:
        """The task whose dag holds this one; None: the pipeline itself does."""
        path = task.path.rpartition("/")[0]
        return next((outer for outer in self.tasks if outer.path == path), None)

    def siblings(self, task: Task) -> dict[str, Task]:
        """Every task of the dag that holds this one, by its name there."""
        place = task.path.rpartition("/")[0]
        inner = [(other.path.rpartition("/"), other) for other in self.tasks]
        return {name: other for (path, _, name), other in inner if path == place}

    def holders(self) -> list[tuple[str, Json]]:
        """The pipeline and every task with a component: its path, and that component."""
        root = self.compiled.spec["root"]
        return [("root", root), *((t.path, t.component) for t in self.tasks if t.component)]

    def scalars(self) -> Iterator[tuple[Constant, Any]]:
        """Every scalar of every constant, each with the constant that holds it."""
        for constant in constants(self.compiled, self.tasks):
            for leaf in leaves(constant.value):
                yield constant, leaf


Check = Callable[[Subject], Findings]


@dataclass(frozen=True)
class Rule:
    """One line of the table: what is refused, by whom, what to do, and where that is said."""

    check: Check
    refuses: str
    todo: str
    source: str
    """A file of a backend, with its line or function, or a page; docs/kfp.md lists them."""
    targets: tuple[str, ...] = (KFP,)
    before: str = ""
    """The release of Kubeflow Pipelines that accepts it; empty: none does."""


def subject(pipeline: CompiledPipeline | Json) -> Subject:
    """Take a compiled pipeline, a PipelineSpec or a PipelineJob apart for the rules.

    Raises:
        DefinitionError: what it holds is no pipeline spec at all.
    """
    if isinstance(pipeline, CompiledPipeline):
        compiled, job = pipeline, dict[str, Any]()
    else:
        job = pipeline if "pipelineSpec" in pipeline else dict[str, Any]()
        spec = {"pipelineInfo": {}, "root": {}, **job.get("pipelineSpec", pipeline)}
        compiled = CompiledPipeline({"components": {}, "deploymentSpec": {}, **spec})
    for problem in unreadable(compiled, lenient=True):
        raise DefinitionError(
            given=f"a pipeline that cannot be read: {problem}",
            allowed="a PipelineSpec, alone or within a PipelineJob, as YAML or JSON",
            todo="compile the pipeline again from its source",
        )
    return Subject(compiled, walk(compiled), job)


def unreadable(compiled: CompiledPipeline, *, lenient: bool) -> Iterator[str]:
    """Say what protocol buffers cannot read; lenient: fields that they do not know may stand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from google.protobuf import json_format
        from kfp.pipeline_spec import pipeline_spec_pb2
    messages: Any = pipeline_spec_pb2  # generated: its types are not written out

    def read(value: Any, message: Any, ignore: bool) -> Iterator[str]:
        try:
            json_format.ParseDict(value, message, ignore_unknown_fields=ignore)
        except (json_format.ParseError, AttributeError, TypeError, ValueError) as error:
            yield str(error)

    spec = compiled.spec
    yield from read(spec, messages.PipelineSpec(), lenient)
    yield from read(spec.get("deploymentSpec"), messages.PipelineDeploymentConfig(), True)
    if compiled.platform:
        yield from read(compiled.platform, messages.PlatformSpec(), True)


def container(task: Task) -> Json:
    """The container of a task; empty if it has none."""
    found: Json = (task.executor or {}).get("container", {})
    return found


def strings(value: Any) -> Iterator[str]:
    """List every string in a JSON value."""
    if isinstance(value, str):
        yield value
    for inner in parts(value):
        yield from strings(inner)


def produced(task: Task) -> set[str]:
    """The tasks whose outputs a task takes."""
    inputs: Json = task.spec.get("inputs", {})
    sources = [*inputs.get("parameters", {}).values(), *inputs.get("artifacts", {}).values()]
    kinds = ("taskOutputParameter", "taskOutputArtifact")
    return {source[kind]["producerTask"] for source in sources for kind in kinds if kind in source}


def upstream(task: Task) -> set[str]:
    """The tasks that a task waits for: those it names, and those whose outputs it takes."""
    return {*task.spec.get("dependentTasks", ()), *produced(task)}


def loops(task: Task) -> bool:
    """Whether a task runs once for each item of a list."""
    return "parameterIterator" in task.spec or "artifactIterator" in task.spec
