"""What a rule of the lint is, and what it looks at."""

import json
import re
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
    raw: Json = field(default_factory=dict[str, Any])
    """The spec as it stands in the file, with fields that kfp's messages have not."""

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
    messages = _messages()
    if isinstance(pipeline, CompiledPipeline):
        raw, platform, job = pipeline.spec, pipeline.platform, dict[str, Any]()
    else:
        job = pipeline if "pipelineSpec" in pipeline else dict[str, Any]()
        raw, platform = job.get("pipelineSpec", pipeline), {}
    try:
        spec = {"pipelineInfo": {}, "components": {}, **read(raw, messages.PipelineSpec())}
        spec["deploymentSpec"] = read(
            raw.get("deploymentSpec", {}), messages.PipelineDeploymentConfig()
        )
        spec["root"] = {"dag": {}, **spec.get("root", {})}
        platform = read(platform, messages.PlatformSpec())
        job = read(job, messages.PipelineJob())
        compiled = CompiledPipeline(spec, platform)
        tasks = walk(compiled)
        list(constants(compiled, tasks))  # what a loop goes over must be JSON
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DefinitionError(
            given=f"a pipeline that cannot be read: {error}",
            allowed="a PipelineSpec, alone or within a PipelineJob, as YAML or JSON",
            todo="compile the pipeline again from its source",
        ) from error
    return Subject(compiled, tasks, job, raw)


def read(value: Any, message: Any) -> Json:
    """Read JSON as a message and write it again: every part has its type, and none is unknown."""
    from google.protobuf import json_format

    try:
        json_format.ParseDict(value, message, ignore_unknown_fields=True)
        found = json_format.MessageToDict(message)
    except json_format.Error as error:
        raise ValueError(str(error)) from error
    ordered: Json = json.loads(json.dumps(found, sort_keys=True))  # a message's maps have no order
    return ordered


def unknown_field(spec: Json) -> str:
    """Say which field of a spec the message PipelineSpec has not; empty if it has them all."""
    from google.protobuf import json_format

    try:
        json_format.ParseDict(spec, _messages().PipelineSpec())
    except json_format.ParseError as error:
        found = re.search(r'type "ml_pipelines\.(\w+)" has no field named "(\w+)"', str(error))
        return f"{found[1]} has no field {found[2]}" if found else str(error)
    return ""


def _messages() -> Any:
    """Protocol buffers of kfp, whose types are not written out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from kfp.pipeline_spec import pipeline_spec_pb2
    return pipeline_spec_pb2


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
    found = (source[kind] for source in sources for kind in kinds if kind in source)
    return {str(output.get("producerTask", "")) for output in found}


def upstream(task: Task) -> set[str]:
    """The tasks that a task waits for: those it names, and those whose outputs it takes."""
    return {*task.spec.get("dependentTasks", ()), *produced(task)}


def loops(task: Task) -> bool:
    """Whether a task runs once for each item of a list."""
    return "parameterIterator" in task.spec or "artifactIterator" in task.spec
