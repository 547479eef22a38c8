"""Inputs and outputs as fields of pydantic models, in Python's source."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..domain import Domain
from ..dtypes import FLOATS, INTEGERS
from ..model import MISSING, Deprecation, Input, Tensor
from .names import field_names

__all__ = ["PythonField", "fields", "source"]

_EXAMPLES: Final = 5
_INLINE: Final = 60
_LEADING_FLAGS: Final = re.compile(r"(\(\?[aiLmsux]+\))?(.*)", re.DOTALL)


@dataclass(frozen=True)
class PythonField:
    """A tensor as a field: `name: annotation = default`, and what its docstring says."""

    tensor: str
    name: str
    annotation: str
    default: str | None
    doc: str


def fields(tensors: Mapping[str, Tensor]) -> list[PythonField]:
    """The fields of inputs or outputs: those that must be given first, as calls read best."""
    names = field_names(tensors)
    made = [_field(name, names[name], one) for name, one in tensors.items()]
    return sorted(made, key=lambda field: field.default is not None)


def _field(tensor: str, name: str, one: Tensor) -> PythonField:
    taken = isinstance(one, Input)
    annotation = _shaped(one, _element(tensor, one, taken), taken)
    default = _default(one) if isinstance(one, Input) else None
    annotation += " | None" if default == "None" else ""
    if name != tensor:
        annotation = _with_alias(annotation, tensor)
    return PythonField(tensor, name, annotation, default, _doc(tensor, one))


def _with_alias(annotation: str, tensor: str) -> str:
    alias = f"Field(alias={source(tensor)})"
    if annotation.startswith("Annotated[") and annotation.endswith("]"):
        return f"{annotation[:-1]}, {alias}]"
    return f"Annotated[{annotation}, {alias}]"


def _element(name: str, one: Tensor, constrained: bool) -> str:
    """The type of one element; an output's is not constrained: callers read what comes."""
    base = _base(name, one.dtype)
    if not constrained:
        return base
    domain = one.domain
    if domain and domain.values and not domain.open and base != "float":
        return _literal([source(value) for value in domain.values])
    limits = _limits(base, one.dtype, domain)
    element = f"Annotated[{base}, {', '.join(limits)}]" if limits else base
    return f"{element} | None" if isinstance(one, Input) and one.may_lack and one.shape else element


def _literal(values: list[str]) -> str:
    """One value a line where they are many."""
    inline = ", ".join(values)
    if len(inline) <= _INLINE:
        return f"Literal[{inline}]"
    return "Literal[\n" + "".join(f"        {value},\n" for value in values) + "    ]"


def source(value: Any) -> str:
    r"""A value in Python's source, text in double quotes where that needs no escape.

    >>> source(["Cash", 1, 'a"b'])
    '["Cash", 1, \'a"b\']'
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(source, value))}]"
    plain = repr(value)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in plain else plain


def _base(name: str, dtype: str) -> str:
    if dtype == "string":
        return "bytes" if name.endswith("_bytes") else "str"
    return "int" if dtype in INTEGERS else "float" if dtype in FLOATS else "bool"


def _limits(base: str, dtype: str, domain: Domain | None) -> list[str]:
    """What stands beside the type in `Annotated`."""
    low, high = INTEGERS.get(dtype, (None, None))
    stated: dict[str, float | None] = {"ge": low, "le": high}
    if domain is not None:
        bounds = {"ge": domain.min, "le": domain.max}
        stated |= {key: bound for key, bound in bounds.items() if bound is not None}
    words: dict[str, Any] = {key: bound for key, bound in stated.items() if bound is not None}
    if base == "float":
        words["allow_inf_nan"] = False
    if domain and domain.pattern is not None and base == "str":
        words["pattern"] = _whole(domain.pattern)
    limits = [f"Field({', '.join(f'{k}={source(v)}' for k, v in words.items())})"] if words else []
    if domain and domain.values and not domain.open and base == "float":
        limits.append(f"OneOf({', '.join(map(source, domain.values))})")
    return limits


def _whole(pattern: str) -> str:
    """The pattern for a search that must match the whole text."""
    flags, rest = _LEADING_FLAGS.fullmatch(pattern).groups("")  # type: ignore[union-attr]  # matches any text
    return rf"{flags}\A(?:{rest})\Z"


def _shaped(one: Tensor, element: str, constrained: bool) -> str:
    for size in reversed(one.shape):
        element = f"list[{element}]"
        if constrained and size >= 0:
            element = f"Annotated[{element}, Field(min_length={size}, max_length={size})]"
    return element


def _default(one: Input) -> str | None:
    """Of a scalar that may lack, None; of anything else what the contract says."""
    if one.required:
        return None
    return source(_filled(one.default, one.dtype))


def _filled(value: Any, dtype: str) -> Any:
    if isinstance(value, tuple):
        return [_filled(item, dtype) for item in value]
    return None if dtype in FLOATS and value == MISSING else value


def _doc(name: str, one: Tensor) -> str:
    """Meaning, unit, domain, shape, sensitivity and sunset, in sentences."""
    return " ".join(part for part in _parts(name, one) if part)


def _parts(name: str, one: Tensor) -> list[str]:
    meaning = one.meaning or f"The contract does not say what {name} means"
    lacking = isinstance(one, Input) and one.may_lack
    return [
        meaning if meaning.endswith(".") else f"{meaning}.",
        f"Unit: {one.unit}." if one.unit not in (None, "1") else "",
        _domain(one.domain) if one.domain else "",
        f"Shape: {list(one.shape)}." if one.shape else "",
        "None stands for a missing number." if lacking else "",
        f"Sensitivity: {one.sensitivity}." if one.sensitivity else "",
        _going(one.deprecated) if one.deprecated else "",
    ]


def _going(deprecated: Deprecation) -> str:
    instead = f"; use {deprecated.instead}" if deprecated.instead else ""
    return f"Deprecated: it may go from {deprecated.sunset} on{instead}."


def _domain(domain: Domain) -> str:
    if domain.values is not None:
        shown = domain.values[:_EXAMPLES]
        known = ", ".join(f'"{v}"' if isinstance(v, str) else str(v) for v in shown)
        more = f" and {len(domain.values) - _EXAMPLES} more" if domain.values[_EXAMPLES:] else ""
        return f"{'Known values' if domain.open else 'One of'}: {known}{more}."
    if domain.pattern is not None:
        return f"The whole text matches `{domain.pattern}`."
    if domain.min is not None and domain.max is not None:
        return f"From {domain.min} to {domain.max}."
    return f"At least {domain.min}." if domain.max is None else f"At most {domain.max}."
