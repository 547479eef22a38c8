"""Where a task's inputs come from, and what its placeholders stand for: pure translations."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import RunError
from .plan import Dag, Loop, Sources, Task
from .result import State, Values
from .values import Json, convert, is_dict, is_list, struct, text, wire

_PLACEHOLDER: Final = re.compile(r"\{\{\$(.*?)\}\}")
_PART: Final = re.compile(r"\.(\w+)|\['([^']*)'\]")


@dataclass(frozen=True)
class Outcome:
    """How a task of a DAG ended, for those after it."""

    state: State
    outputs: Values = field(default_factory=Values)
    message: str = ""


@dataclass(frozen=True)
class Scope:
    """What a task can see: the inputs of the DAG around it, and the tasks before it."""

    inputs: Values
    upstream: Mapping[str, Outcome]
    facts: Mapping[str, str]
    """The run's own names, for placeholders such as `{{$.pipeline_job_name}}`."""


class Unresolved(RunError):
    """An input has no value, or one of the wrong type; a placeholder stands for nothing."""


_ABSENT: Final = object()


def resolve(task: Task, scope: Scope) -> Values:
    """Give a task its inputs, converted to their declared types; optional ones may be absent.

    Raises:
        Unresolved: names the task and the input.
    """
    found: Json = {}
    constants: Json = {}
    for name, source in task.parameters.items():
        if "runtimeValue" in source:
            constants[name] = source["runtimeValue"]["constant"]
        elif (value := _parameter(source, scope)) is not _ABSENT:
            found[name] = _selected(task, name, value)
    artifacts = {
        name: list(artifact)
        for name, source in task.artifacts.items()
        if (artifact := _artifact(source, scope)) is not None
    }
    known = Values(found, artifacts)
    for name, constant in constants.items():
        value = fill_nested(constant, Placeholders(task.path, known, scope.facts))
        found[name] = _selected(task, name, value)
    loop_item = task.loop.item if task.loop else None
    return _typed(task, known, late=loop_item)


def with_item(task: Task, loop: Loop, inputs: Values, item: Any) -> Values:
    """The inputs of one iteration of a loop."""
    if loop.artifact:
        rest = {k: v for k, v in inputs.artifacts.items() if k != loop.artifact}
        return Values(inputs.parameters, {**rest, loop.item: [item]})
    parameters = {**inputs.parameters, loop.item: item}
    return _typed(task, Values(parameters, inputs.artifacts), late=None)


def loop_items(task: Task, loop: Loop, inputs: Values) -> list[Any]:
    """What a loop goes through.

    Raises:
        Unresolved: when it is no list.
    """
    if loop.artifact:
        return inputs.artifacts.get(loop.artifact, [])
    items: Any = loop.raw
    if loop.parameter:
        items = inputs.parameters.get(loop.parameter)
    if isinstance(items, str):
        try:
            items = struct(json.loads(items))
        except ValueError:
            items = None
    if not is_list(items):
        raise unresolved(task.path, loop.parameter or loop.item, "is no list to go through")
    return items


def dag_outputs(dag: Dag, outcomes: Mapping[str, Outcome]) -> Values:
    """The outputs of a DAG: of several branches, the one that ran."""
    done = {n: o.outputs for n, o in outcomes.items() if o.state is State.SUCCEEDED}
    return Values(
        parameters=_first(
            dag.parameters, {name: values.parameters for name, values in done.items()}
        ),
        artifacts=_first(dag.artifacts, {name: values.artifacts for name, values in done.items()}),
    )


def _first(sources: Sources, made: Mapping[str, Mapping[str, Any]]) -> Json:
    return {
        name: found[0]
        for name, places in sources.items()
        if (found := [made[task][key] for task, key in places if key in made.get(task, ())])
    }


def collected(task: Task, iterations: Iterable[Values]) -> Values:
    """The outputs of a loop: lists of parameters, nested as loops are; flat lists of artifacts."""
    runs = list(iterations)
    return Values(
        parameters={
            name: [run.parameters[name] for run in runs if name in run.parameters]
            for name in task.outputs.get("parameters", {})
        },
        artifacts={
            name: [artifact for run in runs for artifact in run.artifacts.get(name, [])]
            for name in task.outputs.get("artifacts", {})
        },
    )


def _parameter(source: Json, scope: Scope) -> Any:
    if "componentInputParameter" in source:
        value = scope.inputs.parameters.get(source["componentInputParameter"])
        return _ABSENT if value is None else value
    if "taskFinalStatus" in source:
        return _final_status(source["taskFinalStatus"]["producerTask"], scope)
    output = source["taskOutputParameter"]
    parameters = scope.upstream[output["producerTask"]].outputs.parameters
    return parameters.get(output["outputParameterKey"], _ABSENT)


def _artifact(source: Json, scope: Scope) -> list[Json] | None:
    if "componentInputArtifact" in source:
        return scope.inputs.artifacts.get(source["componentInputArtifact"])
    output = source["taskOutputArtifact"]
    outcome = scope.upstream[output["producerTask"]]
    return outcome.outputs.artifacts.get(output["outputArtifactKey"])


def _final_status(producer: str, scope: Scope) -> Json:
    outcome = scope.upstream[producer]
    error = {} if outcome.state is State.SUCCEEDED else {"code": 2.0, "message": outcome.message}
    return {
        "state": outcome.state.value,
        "error": error,
        "pipelineJobResourceName": scope.facts["pipeline_job_resource_name"],
        "pipelineTaskName": producer,
    }


def _selected(task: Task, name: str, value: Any) -> Any:
    if name not in task.selectors:
        return value
    try:
        return task.selectors[name].select(value)
    except ValueError as error:
        raise unresolved(task.path, name, f"cannot be selected: {error}") from error


def _typed(task: Task, inputs: Values, late: str | None) -> Values:
    """Convert parameters to their declared types, add defaults, and demand what is required."""
    parameters = dict(inputs.parameters)
    for name, declared in task.inputs.get("parameters", {}).items():
        if name in parameters:
            try:
                parameters[name] = convert(parameters[name], declared["parameterType"])
            except ValueError as error:
                raise unresolved(task.path, name, f"does not fit: {error}") from error
        elif "defaultValue" in declared:
            parameters[name] = struct(declared["defaultValue"])
        elif not declared.get("isOptional") and name != late:
            raise unresolved(task.path, name, "has no value: nothing produced one")
    for name, declared in task.inputs.get("artifacts", {}).items():
        if name not in inputs.artifacts and not declared.get("isOptional") and name != late:
            raise unresolved(task.path, name, "has no artifact: nothing produced one")
    return Values(parameters, inputs.artifacts)


def executor_input(inputs: Values, outputs: Json) -> Json:
    """KFP's ExecutorInput, as JSON knows it."""
    return {
        "inputs": {
            "parameterValues": wire(inputs.parameters),
            "artifacts": {k: {"artifacts": wire(v)} for k, v in inputs.artifacts.items()},
        },
        "outputs": outputs,
    }


@dataclass(frozen=True)
class Placeholders:
    """What `{{$...}}` may stand for in one task; `outputs` is ExecutorInput's own part."""

    path: str
    inputs: Values
    facts: Mapping[str, str]
    outputs: Json | None = None

    def value(self, body: str) -> str:
        """The text behind one placeholder.

        Raises:
            Unresolved: names the task and the placeholder.
        """
        parts = ["".join(match.groups(default="")) for match in _PART.finditer(body)]
        try:
            return self._value(body, parts)
        except (KeyError, IndexError, TypeError) as error:
            raise unresolved(self.path, f"{{{{${body}}}}}", "stands for nothing here") from error

    def _value(self, body: str, parts: list[str]) -> str:
        outputs = self.outputs or {}
        match parts:
            case [] if body == "" and self.outputs is not None:
                return json.dumps(executor_input(self.inputs, self.outputs), ensure_ascii=False)
            case ["inputs", "parameters", name]:
                return text(self.inputs.parameters[name])
            case ["inputs", "artifacts", name, *rest]:
                return _of_artifact(self.inputs.artifacts[name][0], rest)
            case ["outputs", "artifacts", name, *rest]:
                return _of_artifact(outputs["artifacts"][name]["artifacts"][0], rest)
            case ["outputs", "parameters", name, "output_file"]:
                return str(outputs["parameters"][name]["outputFile"])
            case ["outputs", "output_file"] | ["outputMetadataUri"]:
                return str(outputs["outputFile"])
            case [fact]:
                return self.facts[fact]
            case _:
                raise KeyError(body)


def fill(template: str, known: Placeholders) -> str:
    """Put values in the place of a text's placeholders; what they hold is not looked at again."""
    return _PLACEHOLDER.sub(lambda match: known.value(match[1]), template)


def fill_nested(template: Any, known: Placeholders) -> Any:
    """`fill` every string inside a value."""
    if isinstance(template, str):
        return fill(template, known)
    if is_list(template):
        return [fill_nested(item, known) for item in template]
    if is_dict(template):
        return {fill(key, known): fill_nested(item, known) for key, item in template.items()}
    return template


def fill_command(elements: Iterable[str], known: Placeholders) -> list[str]:
    """A command line without placeholders, `IfPresent` and `Concat`: one list item per argument."""
    return [fill(part, known) for element in elements for part in _parts(element, known)]


def _parts(element: str, known: Placeholders) -> list[str]:
    if not element.startswith(('{"IfPresent":', '{"Concat":')):
        return [element]
    return _structured(json.loads(element), known)


def _structured(element: Any, known: Placeholders) -> list[str]:
    if is_list(element):
        return [part for item in element for part in _structured(item, known)]
    match element:
        case None:
            return []
        case str():
            return [element]
        case {"Concat": items}:
            return ["".join(_structured(items, known))]
        case {"IfPresent": {"InputName": name, **choice}}:
            present = name in known.inputs.parameters or known.inputs.artifacts.get(name)
            return _structured(choice.get("Then" if present else "Else"), known)
        case _:
            raise unresolved(known.path, json.dumps(element), "is no IfPresent and no Concat")


def _of_artifact(artifact: Json, rest: list[str]) -> str:
    match rest:
        case ["uri" | "path" as way]:
            return local_path(artifact["uri"]) if way == "path" else str(artifact["uri"])
        case ["name"]:
            return str(artifact["name"])
        case ["metadata"]:
            return text(artifact.get("metadata", {}))
        case ["metadata", key]:
            return text(artifact["metadata"][key])
        case _:
            raise KeyError(".".join(rest))


def local_path(uri: str) -> str:
    """Where a step finds an artifact: object stores are mounted, the rest are paths."""
    for scheme, mount in (("gs://", "/gcs/"), ("minio://", "/minio/"), ("s3://", "/s3/")):
        if uri.startswith(scheme):
            return mount + uri.removeprefix(scheme)
    return uri


def unresolved(path: str, name: str, problem: str) -> Unresolved:
    """The error for an input, or a placeholder, that has no proper value."""
    return Unresolved(
        given=f"task {path}: {name} {problem}",
        allowed="a value of its declared type from every task or default that feeds it",
        todo="look at the tasks before it, or give the input a default",
    )
