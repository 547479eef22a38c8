"""A TFDV schema, read without TFDV, and how it agrees with a contract."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ...errors import BadSchema, one_of
from ..domain import Domain, allows
from ..dtypes import FLOATS, INTEGERS
from ..features import castable
from ..findings.finding import Finding
from ..model import MISSING, Contract, Input
from ..protos import message

__all__ = ["Feature", "against_schema", "read_schema"]

_KINDS: Final = {1: "string", 2: "int64", 3: "float32"}
"""`FeatureType` as the dtype that TFX parses it to."""

_GONE: Final = {5: "deprecated", 7: "disabled"}
"""The stages of a feature's life that an application should not build on."""


@dataclass(frozen=True)
class Feature:
    """What a schema says of one feature."""

    dtype: str | None
    shape: tuple[int, ...] | None
    always: bool
    domain: Domain | None
    stage: str = ""


def read_schema(path: str | Path) -> dict[str, Feature]:
    """The features of a TFDV schema, in text (`.pbtxt`) or binary form, by name.

    Raises:
        BadSchema: there is no such file, or it is no schema.
    """
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    schema = message("Schema")
    try:
        data = Path(path).read_bytes()
        if Path(path).suffix == ".pb":
            schema.ParseFromString(data)
        else:
            text_format.Parse(data.decode(), schema, allow_unknown_field=True)
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror}") from error
    except (text_format.ParseError, DecodeError, UnicodeDecodeError) as error:
        raise _bad(path, f"is no schema: {error}") from error
    if not schema.feature:
        raise _bad(path, "has no feature")
    shared = {domain.name: domain for domain in schema.string_domain}
    try:
        return {feature.name: _feature(feature, shared) for feature in schema.feature}
    except ValidationError as error:
        what = f"has a domain that cannot be: {error.errors()[0]['msg']}"
        raise _bad(path, what) from error


def against_schema(contract: Contract, schema: Mapping[str, Feature]) -> tuple[Finding, ...]:
    """Where a contract promises callers what the training data does not bear out."""
    found: list[Finding] = []
    for name, one in contract.inputs.items():
        if name in schema:
            found += _input(f"inputs.{name}", one, schema[name])
        else:
            what = one_of(schema, name)
            found.append(Finding("schema-no-feature", f"inputs.{name}", what))
    unclaimed = [name for name in schema if name not in contract.inputs]
    if unclaimed:
        found.append(Finding("schema-feature-unclaimed", "inputs", ", ".join(unclaimed)))
    return tuple(found)


def _input(where: str, one: Input, feature: Feature) -> Iterator[Finding]:
    if feature.stage:
        yield Finding("schema-feature-gone", where, f"the schema calls it {feature.stage}")
    if feature.dtype and not castable(one, feature.dtype):
        what = f"{one.dtype} in the contract, {feature.dtype} in the data"
        yield Finding("schema-dtype", f"{where}.dtype", what)
        return
    if feature.shape is not None and feature.shape != one.shape:
        what = f"{list(one.shape)} in the contract, {list(feature.shape)} in the data"
        yield Finding("schema-shape", f"{where}.shape", what)
    if feature.always and one.default == _none(one):
        yield Finding("schema-always-present", f"{where}.default", "the data is never without it")
    if feature.domain is None:
        return
    if not allows(feature.domain, _values(one), whole=one.dtype in INTEGERS):
        yield Finding("schema-domain", f"{where}.domain", f"the data has {_told(feature.domain)}")


def _none(one: Input) -> str:
    return MISSING if one.dtype in FLOATS else ""


def _values(one: Input) -> Domain | None:
    """The values of an input, less the word for "none"."""
    if one.domain is None or one.domain.values is None:
        return one.domain
    some = tuple(value for value in one.domain.values if value != _none(one))
    return one.domain.model_copy(update={"values": some})


def _feature(proto: Any, shared: Mapping[str, Any]) -> Feature:
    return Feature(
        dtype=_KINDS.get(proto.type),
        shape=_shape(proto),
        always=_always(proto),
        domain=_domain(proto, shared),
        stage="deprecated" if proto.deprecated else _GONE.get(proto.lifecycle_stage, ""),
    )


def _always(proto: Any) -> bool:
    """An example may have a feature and yet no value of it: CSV's empty cell is an empty list."""
    fixed: bool = proto.HasField("shape") or proto.value_count.min >= 1
    return fixed and bool(proto.presence.min_fraction == 1)


def _shape(proto: Any) -> tuple[int, ...] | None:
    """The shape of one instance; a single value per example is a scalar, as TFX feeds it."""
    if proto.HasField("shape"):
        dims = tuple(dim.size for dim in proto.shape.dim)
        return () if dims == (1,) else dims
    if proto.HasField("value_count"):
        return () if proto.value_count.max == 1 else (-1,)
    return None


def _domain(proto: Any, shared: Mapping[str, Any]) -> Domain | None:
    least_mass = proto.distribution_constraints.min_domain_mass
    is_open = proto.HasField("distribution_constraints") and least_mass < 1
    strings = proto.string_domain if proto.HasField("string_domain") else shared.get(proto.domain)
    if strings is not None and strings.value:
        return Domain(values=tuple(dict.fromkeys(strings.value)), open=is_open)
    for field in ("int_domain", "float_domain"):
        if proto.HasField(field):
            bounds = getattr(proto, field)
            low, high = (
                bound if bounds.HasField(end) and isfinite(bound := getattr(bounds, end)) else None
                for end in ("min", "max")
            )
            if (low, high) != (None, None):
                return Domain(min=low, max=high)
    return None


def _told(domain: Domain) -> str:
    if domain.values is None:
        return " to ".join("any" if v is None else f"{v:g}" for v in (domain.min, domain.max))
    known = ", ".join(map(repr, domain.values[:3]))
    more = f" and {len(domain.values) - 3} more" if len(domain.values) > 3 else ""
    return f"only {known}{more}"


def _bad(path: str | Path, what: str) -> BadSchema:
    return BadSchema(
        given=f"{path} {what}",
        allowed="a TFDV schema: schema.pbtxt, or schema.pb in binary form",
        todo="give the file that schema_gen wrote",
    )
