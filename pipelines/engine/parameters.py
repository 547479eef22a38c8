"""The parameters of a run: read from a command line, checked against what the pipeline declares."""

import difflib
from collections.abc import Mapping
from typing import Any

from ..errors import BadParameter, CannotRunHere
from .values import Json, convert, read, struct


def from_text(inputs: Json, given: Mapping[str, str]) -> Json:
    """Read parameters from text by their declared types: JSON for lists and structs.

    Raises:
        BadParameter: for an unknown name or a text that is not of the type.
    """
    declared: Json = inputs.get("parameters", {})
    values: Json = {}
    for name, value in given.items():
        kind = _declared(name, declared)["parameterType"]
        try:
            values[name] = read(value, kind)
        except ValueError as error:
            raise _wrong_type(name, kind, error) from error
    return values


def bind(inputs: Json, given: Mapping[str, Any]) -> Json:
    """Give every parameter of a pipeline its value: the given one, or its default.

    Raises:
        BadParameter: for an unknown name, a value of the wrong type, or a missing value.
        CannotRunHere: when the pipeline wants an artifact, which a run cannot be given.
    """
    declared: Json = inputs.get("parameters", {})
    values: Json = {}
    for name, value in given.items():
        kind = _declared(name, declared)["parameterType"]
        try:
            if kind == "STRING" and not isinstance(value, str):
                message = f"{value!r:.60} is no STRING"
                raise ValueError(message)
            values[name] = convert(value, kind)
        except ValueError as error:
            raise _wrong_type(name, kind, error) from error
    for name, parameter in declared.items():
        if name in values:
            continue
        if "defaultValue" in parameter:
            values[name] = struct(parameter["defaultValue"])
        elif not parameter.get("isOptional"):
            raise BadParameter(
                given=f"no value for the parameter {name!r}",
                allowed=f"a {parameter['parameterType']}; it has no default",
                todo=f"add --param {name}=VALUE",
            )
    for name, artifact in inputs.get("artifacts", {}).items():
        if not artifact.get("isOptional"):
            raise CannotRunHere(
                given=f"the pipeline wants an artifact {name!r} as input",
                allowed="parameters; artifacts only inside the pipeline",
                todo="let an importer in the pipeline bring it",
            )
    return values


def _declared(name: str, declared: Json) -> Json:
    if name in declared:
        found: Json = declared[name]
        return found
    close = difflib.get_close_matches(name, declared, n=1)
    raise BadParameter(
        given=f"the pipeline has no parameter {name!r}",
        allowed=", ".join(f"{k} ({v['parameterType']})" for k, v in declared.items()) or "none",
        todo=f"did you mean {close[0]!r}?" if close else "choose one of the allowed names",
    )


def _wrong_type(name: str, kind: str, error: ValueError) -> BadParameter:
    examples = {
        "NUMBER_INTEGER": "a whole number, e.g. 3",
        "NUMBER_DOUBLE": "a number, e.g. 0.5",
        "BOOLEAN": "true or false",
        "LIST": "a JSON list, e.g. [1, 2]",
        "STRUCT": 'a JSON object, e.g. {"key": 1}',
        "STRING": "a text",
    }
    return BadParameter(
        given=f"the parameter {name!r}: {error}",
        allowed=examples.get(kind, kind),
        todo=f"correct --param {name}=...",
    )
