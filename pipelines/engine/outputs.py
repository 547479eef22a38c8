"""Where a try of a task is to write, and what it has written: KFP's ExecutorOutput and its files."""

import json
from pathlib import Path
from typing import Any

from .plan import Importer, Task
from .resolve import Inputs, Placeholders, fill, fill_nested
from .result import Outputs
from .values import Json, convert, read, through_store


def prepare(task: Task, directory: Path) -> Json:
    """The outputs part of ExecutorInput: artifacts and parameter files in the try's directory."""
    return {
        "parameters": {
            name: {"outputFile": str(directory / f"{name}.txt")}
            for name in task.outputs.get("parameters", {})
        },
        "artifacts": {
            name: {
                "artifacts": [
                    {
                        "name": name,
                        "type": declared.get("artifactType", {}),
                        "uri": str(directory / name),
                        "metadata": declared.get("metadata", {}),
                    }
                ]
            }
            for name, declared in task.outputs.get("artifacts", {}).items()
        },
        "outputFile": str(directory / "executor_output.json"),
    }


def collect(task: Task, prepared: Json) -> Outputs:
    """Read what a successful try has produced.

    Raises:
        ValueError: when it wrote no (or no proper) value for a declared output.
    """
    written = _written(Path(prepared["outputFile"]))
    parameters: Json = {}
    for name, declared in task.outputs.get("parameters", {}).items():
        kind = declared["parameterType"]
        values = written.get("parameterValues", {})
        if name in values:
            parameters[name] = _parameter(name, kind, values[name])
        else:
            parameters[name] = _parameter_file(name, kind, prepared["parameters"][name])
    artifacts: dict[str, list[Json]] = {}
    for name, slot in prepared["artifacts"].items():
        (artifact,) = slot["artifacts"]
        (change,) = written.get("artifacts", {}).get(name, {}).get("artifacts", [])[:1] or [{}]
        metadata = {**artifact["metadata"], **change.get("metadata", {})}
        uri = change.get("uri") or artifact["uri"]
        artifacts[name] = [{**artifact, "uri": uri, "metadata": through_store(metadata)}]
    return Outputs(parameters, artifacts)


def imported(task: Task, importer: Importer, inputs: Inputs, known: Placeholders) -> Outputs:
    """The artifact that an importer names; nothing is copied.

    Raises:
        ValueError: for metadata that no metadata store takes.
    """
    address = importer.spec["artifactUri"]
    uri = inputs.parameters[address["runtimeParameter"]] if "runtimeParameter" in address else None
    metadata: Json = fill_nested(importer.spec.get("metadata", {}), known)
    (name,) = task.outputs["artifacts"]
    artifact = {
        "name": name,
        "type": importer.spec["typeSchema"],
        "uri": uri or fill(address["constant"], known),
        "metadata": through_store(metadata),
    }
    return Outputs(artifacts={name: [artifact]})


def _written(path: Path) -> Json:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        message = f"it wrote an ExecutorOutput that is no JSON: {error}"
        raise ValueError(message) from error
    if not isinstance(content, dict):
        message = "it wrote an ExecutorOutput that is no JSON object"
        raise ValueError(message)
    return content


def _parameter(name: str, kind: str, value: Any) -> Any:
    try:
        return convert(value, kind)
    except ValueError as error:
        message = f"its output parameter {name}: {error}"
        raise ValueError(message) from error


def _parameter_file(name: str, kind: str, slot: Json) -> Any:
    try:
        return read(Path(slot["outputFile"]).read_text(encoding="utf-8"), kind)
    except FileNotFoundError as error:
        message = f"it wrote no value for its output parameter {name}"
        raise ValueError(message) from error
    except ValueError as error:
        message = f"its output parameter {name}: {error}"
        raise ValueError(message) from error
