"""One step as its executor sees it: KFP's ExecutorInput in, KFP's ExecutorOutput out.

The messages are `ml_pipelines.ExecutorInput` and `ExecutorOutput` of KFP's pipeline_spec.proto.
"""

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import BadArgument

_MOUNTS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}
_PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")

Metadata = dict[str, Any]


@dataclass(frozen=True)
class Artifact:
    """An artifact as KFP hands it over."""

    name: str
    uri: str
    metadata: Metadata = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where the launcher puts the artifact's files, or takes them from: a local path."""
        for scheme, mount in _MOUNTS.items():
            if self.uri.startswith(scheme):
                return mount + self.uri[len(scheme) :]
        return self.uri

    @property
    def is_there(self) -> bool:
        """Whether there is anything at its path: a step always "has" its outputs on Kubeflow."""
        path = Path(self.path)
        return path.is_file() or (path.is_dir() and any(path.iterdir()))


@dataclass(frozen=True)
class Step:
    """The inputs of one execution, and where its outputs go."""

    component: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Artifact]
    outputs: Mapping[str, Artifact]
    output_parameters: Mapping[str, str]
    """Output parameter -> the file it is written to."""
    output_file: str

    def output(self, name: str) -> Path:
        """Make the directory of output artifact `name`."""
        path = Path(self.outputs[name].path)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def output_as_file(self, name: str) -> Path:
        """Make room for output artifact `name`, which is one file."""
        path = Path(self.outputs[name].path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@dataclass
class Results:
    """What an executor found out: metadata of output artifacts, and output parameters."""

    metadata: dict[str, Metadata] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)


def parse(component: str, executor_input: str) -> Step:
    """Read the JSON of an ExecutorInput.

    Raises:
        BadArgument: It is not the JSON of an ExecutorInput.
    """
    try:
        message = json.loads(executor_input)
        inputs, outputs = message.get("inputs", {}), message["outputs"]
        raw = inputs.get("parameterValues", {})
        return Step(
            component=component,
            parameters={
                k: _whole(_fill(v, raw))
                for k, v in raw.items()
                if not k.startswith("pipelinechannel--")
            },
            inputs={k: a for k, v in inputs.get("artifacts", {}).items() if (a := _artifact(v))},
            outputs={k: a for k, v in outputs.get("artifacts", {}).items() if (a := _artifact(v))},
            output_parameters={
                k: v["outputFile"] for k, v in outputs.get("parameters", {}).items()
            },
            output_file=outputs["outputFile"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadArgument(
            given=f"--executor_input is no ExecutorInput: {error!r} in {executor_input[:200]!r}",
            allowed="the JSON that KFP puts in place of {{$}}",
            todo="run the component in a pipeline: lockstep run FILE",
        ) from error


def write(step: Step, results: Results) -> None:
    """Write the ExecutorOutput, whole or not at all, and every output parameter's own file.

    Metadata that is no finite number (the AUC of one class) is left out: JSON has no word for it.
    """
    for name, value in results.parameters.items():
        text = value if isinstance(value, str) else json.dumps(value)
        _write_text(step.output_parameters[name], text)
    artifacts = {
        key: {"artifacts": [{"name": a.name, "uri": a.uri, "metadata": _finite(results, key)}]}
        for key, a in step.outputs.items()
    }
    message = {"artifacts": artifacts, "parameterValues": results.parameters}
    _write_text(step.output_file, json.dumps(message, allow_nan=False))


def _finite(results: Results, key: str) -> Metadata:
    metadata = results.metadata.get(key, {}).items()
    return {k: v for k, v in metadata if not isinstance(v, float) or math.isfinite(v)}


def _write_text(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text)
    aside.replace(path)


def _artifact(message: Mapping[str, Any]) -> Artifact | None:
    """Read an ArtifactList; every component here takes and gives single artifacts."""
    found = message.get("artifacts", [])
    if not found:
        return None
    first = found[0]
    return Artifact(first.get("name", ""), first["uri"], first.get("metadata", {}))


def _fill(value: Any, parameters: Mapping[str, Any]) -> Any:
    """Put parameters in place of the placeholders that a launcher may have left inside a value."""
    if isinstance(value, str):
        whole = _PARAMETER.fullmatch(value)
        if whole and whole[1] in parameters:
            return parameters[whole[1]]
        return _PARAMETER.sub(lambda m: _as_text(parameters.get(m[1], m[0])), value)
    if isinstance(value, dict):
        return {k: _fill(v, parameters) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill(v, parameters) for v in value]
    return value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_whole(value))


def _whole(value: Any) -> Any:
    """Turn integral floats back into integers: on their way every number became a double."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {k: _whole(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_whole(v) for v in value]
    return value
