"""Parameter and metadata values, with what Kubeflow does to them on their way between tasks."""

import json
import math
from decimal import Decimal
from typing import Any, Final, TypeGuard

Json = dict[str, Any]

_KINDS: Final = {
    "STRING": str,
    "NUMBER_INTEGER": float,
    "NUMBER_DOUBLE": float,
    "BOOLEAN": bool,
    "LIST": list,
    "STRUCT": dict,
    "TASK_FINAL_STATUS": dict,
}
TYPES: Final = frozenset(_KINDS)
"""The parameter types of a pipeline spec that a task can take here."""


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a value is a JSON list."""
    return isinstance(value, (list, tuple))


def is_dict(value: Any) -> TypeGuard[Json]:
    """Whether a value is a JSON object: its keys are strings."""
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)  # pyright: ignore[reportUnknownVariableType] - a guard looks at what is not known yet


def struct(value: Any) -> Any:
    """A value as protobuf's Struct keeps it: every number a double, nothing but JSON's own types.

    Raises:
        ValueError: for what JSON has not (NaN, infinity, other types).
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        if not math.isfinite(value):
            message = f"{value} is no JSON number"
            raise ValueError(message)
        return float(value)
    if is_list(value):
        return [struct(item) for item in value]
    if is_dict(value):
        return {key: struct(item) for key, item in value.items()}
    message = f"{value!r:.60} is no JSON value"
    raise ValueError(message)


def wire(value: Any) -> Any:
    """A value as Kubeflow's launcher writes it for a task: an integral double has no fraction."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if is_list(value):
        return [wire(item) for item in value]
    if is_dict(value):
        return {key: wire(item) for key, item in value.items()}
    return value


def text(value: Any) -> str:
    """A value as it stands in a command line or inside a formatted string: as Go writes it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return format(Decimal(repr(wire(value))), "f")
    written = json.dumps(wire(value), separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    for sign in "<>&\u2028\u2029":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return written


def convert(value: Any, kind: str) -> Any:
    """A value handed to an input of type `kind`; anything but a string may become a string.

    Raises:
        ValueError: when Kubeflow's driver would refuse the value for this type.
    """
    value = struct(value)
    if kind == "STRING":
        return text(value)
    fraction = kind == "NUMBER_INTEGER" and isinstance(value, float) and not value.is_integer()
    if isinstance(value, _KINDS[kind]) and not fraction:
        return struct(value)
    message = f"{text(value)!r:.60} is no {kind}"
    raise ValueError(message)


def parse(given: str, kind: str) -> Any:
    """Read a value from text: a command-line argument, or a parameter file that a task wrote.

    Raises:
        ValueError: when the text is not of type `kind`.
    """
    if kind == "STRING":
        return given
    if kind == "NUMBER_DOUBLE":
        return struct(float(given))
    if kind == "NUMBER_INTEGER":
        return float(int(given))
    if kind == "BOOLEAN":
        return {"true": True, "false": False}[given.strip().lower()]
    return convert(json.loads(given), kind)


def read(given: str, kind: str) -> Any:
    """`parse` with one kind of error.

    Raises:
        ValueError: says what was given and of which type it should have been.
    """
    try:
        return parse(given, kind)
    except (ValueError, KeyError, RecursionError) as error:
        message = f"{given!r:.60} is no {kind}"
        raise ValueError(message) from error


def through_store(metadata: Json) -> Json:
    """An artifact's metadata after Kubeflow's metadata store: what the next task will see.

    Booleans become numbers, a list comes back as `{"list": [...]}`, a dict as `{"struct": {...}}`.

    Raises:
        ValueError: for a null, which the store refuses, and for what is no JSON.
    """
    return {key: _property(key, struct(value)) for key, value in metadata.items()}


def _property(key: str, value: Any) -> Any:
    if value is None:
        message = f"metadata {key!r} is null, which Kubeflow's metadata store refuses"
        raise ValueError(message)
    if isinstance(value, bool):
        return float(value)
    if is_list(value):
        return {"list": value}
    if is_dict(value):
        return {"struct": value}
    return value
