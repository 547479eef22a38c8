"""Where a try of a task is to write, and what it has written: KFP's ExecutorOutput."""

import json
from pathlib import Path
from typing import Any

from .plan import Importer, Task
from .resolve import Placeholders, fill, fill_nested, unresolved
from .result import Values
from .values import Json, convert, is_dict, read, through_store


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
                        "uri": str(directory / _file_name(name, declared)),
                        "metadata": declared.get("metadata", {}),
                    }
                ]
            }
            for name, declared in task.outputs.get("artifacts", {}).items()
        },
        "outputFile": str(directory / "executor_output.json"),
    }


def _file_name(name: str, declared: Json) -> str:
    """What an artifact is called on this disk: a page ends in .html, so that a browser shows it."""
    title = declared.get("artifactType", {}).get("schemaTitle")
    return f"{name}.html" if title == "system.HTML" else name


def collect(task: Task, prepared: Json) -> Values:
    """Read what a successful try has produced.

    Raises:
        ValueError: when it wrote no (or no proper) value for a declared output.
    """
    written = _written(Path(prepared["outputFile"]))
    try:
        values: Json = written.get("parameterValues", {})
        return Values(
            parameters={
                name: _parameter(name, declared["parameterType"], values, prepared)
                for name, declared in task.outputs.get("parameters", {}).items()
            },
            artifacts={
                name: [_merged(slot["artifacts"][0], written.get("artifacts", {}).get(name, {}))]
                for name, slot in prepared["artifacts"].items()
            },
        )
    except (AttributeError, KeyError, TypeError) as error:
        message = f"it wrote an ExecutorOutput of the wrong shape: {error}"
        raise ValueError(message) from error


def imported(task: Task, importer: Importer, known: Placeholders) -> Values:
    """The artifact that an importer names; nothing is copied.

    Raises:
        Unresolved: for metadata that Kubeflow's metadata store would refuse.
    """
    address = importer.spec["artifactUri"]
    (name,) = task.outputs["artifacts"]
    artifact = {
        "name": name,
        "type": importer.spec["typeSchema"],
        "uri": known.inputs.parameters[address["runtimeParameter"]]
        if "runtimeParameter" in address
        else fill(address["constant"], known),
    }
    try:
        artifact["metadata"] = through_store(fill_nested(importer.spec.get("metadata", {}), known))
    except ValueError as error:
        raise unresolved(known.path, name, f"cannot be imported: {error}") from error
    return Values(artifacts={name: [artifact]})


def _written(path: Path) -> Json:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        message = f"it wrote an ExecutorOutput that is no JSON: {error}"
        raise ValueError(message) from error
    if not is_dict(content):
        message = "it wrote an ExecutorOutput that is no JSON object"
        raise ValueError(message)
    return content


def _merged(artifact: Json, written: Json) -> Json:
    """An output artifact with the address and the metadata that the step gave it."""
    changes: list[Json] = written.get("artifacts", [])
    for change in changes[:1]:
        uri = change.get("uri") or artifact["uri"]
        metadata = {**artifact["metadata"], **change.get("metadata", {})}
        artifact = {**artifact, "uri": uri, "metadata": metadata}
    return {**artifact, "metadata": through_store(artifact["metadata"])}


def _parameter(name: str, kind: str, values: Json, prepared: Json) -> Any:
    """An output parameter: as the ExecutorOutput says, or else its own file."""
    try:
        if name in values:
            return convert(values[name], kind)
        file = Path(prepared["parameters"][name]["outputFile"])
        return read(file.read_text(encoding="utf-8"), kind)
    except FileNotFoundError as error:
        message = f"it wrote no value for its output parameter {name}"
        raise ValueError(message) from error
    except ValueError as error:
        message = f"its output parameter {name}: {error}"
        raise ValueError(message) from error
