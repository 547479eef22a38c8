"""JSON Schema of what goes over the wire: one instance, one prediction, one tensor."""

from typing import Any, Final

from ..dtypes import FLOATS, INTEGERS
from ..model import MISSING, Contract, Input, Output, Tensor

__all__ = ["DIALECT", "columns", "instance", "prediction", "tensor"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
JsonSchema = dict[str, Any]


def instance(contract: Contract, *, wire: bool = False) -> JsonSchema:
    """The JSON Schema of one instance, by the inputs' names.

    Args:
        contract: The contract.
        wire: As TF Serving's REST takes it: with every input and nothing else. Otherwise as an
            application may give it to a client: without what has a default, and with more.
    """
    needed = [name for name, one in contract.inputs.items() if wire or one.required]
    schema: JsonSchema = {
        "title": f"{contract.model} instance",
        "type": "object",
        "properties": {name: _input(one) for name, one in contract.inputs.items()},
        "required": needed,
        "additionalProperties": not wire,
    }
    return schema if wire else {"$schema": DIALECT, "$id": _id(contract), **schema}


def columns(contract: Contract) -> JsonSchema:
    """The JSON Schema of a batch in columnar form: each input's values in a list of their own.

    None is empty: with batching, TF Serving never answers an empty one.
    """
    size: JsonSchema = {"minItems": 1}
    if contract.service.max_instances:
        size["maxItems"] = contract.service.max_instances
    return {
        "type": "object",
        "properties": {name: _many(_input(one)) | size for name, one in contract.inputs.items()},
        "required": list(contract.inputs),
    }


def prediction(contract: Contract, *, batch: bool = False) -> JsonSchema:
    """The JSON Schema of one answer; TF Serving leaves the name of an only output out."""
    schemas = {name: _output(name, one) for name, one in contract.outputs.items()}
    if batch:
        schemas = {name: _many(schema) for name, schema in schemas.items()}
    if len(schemas) == 1:
        return next(iter(schemas.values()))
    return {"type": "object", "properties": schemas, "required": list(schemas)}


def tensor(one: Tensor, element: JsonSchema | None = None) -> JsonSchema:
    """The JSON Schema of a tensor without its batch: nested lists of elements."""
    schema = {**(_element(one) if element is None else element)}
    for size in reversed(one.shape):
        schema = {"type": "array", "items": schema}
        if size >= 0:
            schema |= {"minItems": size, "maxItems": size}
    return schema


def _input(one: Input) -> JsonSchema:
    schema = {**tensor(one), **_notes(one)}
    if not (one.required or one.may_lack):
        schema["default"] = one.model_dump(mode="json")["default"]
    return schema


def _output(name: str, one: Output) -> JsonSchema:
    if one.dtype == "string" and name.endswith("_bytes"):
        base64 = {"type": "string", "contentEncoding": "base64"}
        element = {"type": "object", "properties": {"b64": base64}, "required": ["b64"]}
        return {**tensor(one, element), **_notes(one)}
    return {**tensor(one), **_notes(one)}


def _element(one: Tensor) -> JsonSchema:
    schema: JsonSchema = {"type": _type(one.dtype)}
    low, high = INTEGERS.get(one.dtype, (None, None))
    schema |= {"minimum": low, "maximum": high}
    domain = one.domain
    if domain is not None:
        stated = {"minimum": domain.min, "maximum": domain.max}
        schema |= {key: bound for key, bound in stated.items() if bound is not None}
        if domain.values is not None:
            schema["examples" if domain.open else "enum"] = list(domain.values)
        if domain.pattern is not None:
            schema["pattern"] = f"^(?:{domain.pattern})$"
    return {key: value for key, value in schema.items() if value is not None}


def _type(dtype: str) -> str:
    if dtype in INTEGERS:
        return "integer"
    return "number" if dtype in FLOATS else "boolean" if dtype == "bool" else "string"


def _notes(one: Tensor) -> JsonSchema:
    unit = f"Unit: {one.unit}." if one.unit else ""
    lacking = isinstance(one, Input) and one.may_lack
    nothing = f"Left out, it is {MISSING}: no value." if lacking else ""
    going = ""
    if one.deprecated:
        instead = f"; use {one.deprecated.instead}" if one.deprecated.instead else ""
        going = f"It may go from {one.deprecated.sunset} on{instead}."
    text = " ".join(part for part in (one.meaning, unit, nothing, going) if part)
    return ({"description": text} if text else {}) | ({"deprecated": True} if going else {})


def _many(schema: JsonSchema) -> JsonSchema:
    return {"type": "array", "items": schema}


def _id(contract: Contract) -> str:
    return f"urn:lockstep:contract:{contract.model}:{contract.version}:instance"
