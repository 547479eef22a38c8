"""The values that an input takes or an output has: a range, a vocabulary or a pattern."""

import re
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import Field, model_validator

from .part import Number, Part, Scalar, problem

__all__ = ["Domain", "allows", "closed", "misfit", "same"]

_MOST_COUNTED: Final = 10_000
"""A range of more whole numbers than this is not compared with a vocabulary one by one."""


class Domain(Part):
    """A range (`min`, `max`), a vocabulary (`values`) or a pattern: one of the three."""

    min: Annotated[Number | None, Field(description="The least value.")] = None
    max: Annotated[Number | None, Field(description="The greatest value.")] = None
    values: Annotated[
        tuple[Scalar, ...] | None, Field(min_length=1, description="Every known value.")
    ] = None
    open: Annotated[
        bool,
        Field(description="Values outside the vocabulary may come, too; they count as unknown."),
    ] = False
    pattern: Annotated[
        str | None,
        Field(
            max_length=500,
            description="A regular expression of the whole string; JSON Schema reads it, too.",
        ),
    ] = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Domain":
        ranged = self.min is not None or self.max is not None
        given = [ranged, self.values is not None, self.pattern is not None]
        if given.count(True) != 1:
            said = "nothing" if not any(given) else "more than one of them"
            raise problem(given=f"it says {said}", allowed="min and max, or values, or pattern")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise problem(
                given=f"min {self.min} is above max {self.max}",
                allowed="min up to max",
                field="min",
            )
        if self.open and self.values is None:
            raise problem(
                given="only a vocabulary can be open", allowed="open beside values", field="open"
            )
        if twice := _first_twice(self.values or ()):
            raise problem(
                given=f"{twice} stands there twice", allowed="each value once", field="values"
            )
        try:
            re.compile(self.pattern or "")
        except (re.error, OverflowError, RecursionError) as error:
            raise problem(
                given=f"no regular expression: {error}", allowed="Python's syntax", field="pattern"
            ) from None
        return self


def allows(domain: Domain | None, other: Domain | None, *, whole: bool = False) -> bool:
    """Whether a domain has, provably, every value that another one has; None has every value.

    Patterns are only known to agree when they are equal.

    Args:
        domain: The one that should be wider.
        other: The one that should be narrower.
        whole: The values of `other` are whole numbers.

    >>> allows(Domain(min=0), Domain(values=(1, 2))), allows(Domain(values=(1, 2)), Domain(min=0))
    (True, False)
    """
    if domain is None or domain.open:
        return True
    if other is None or other.open:
        return False
    if domain.values is not None:
        known = {_key(value) for value in domain.values}
        return (values := _listed(other, whole)) is not None and {_key(v) for v in values} <= known
    if domain.pattern is not None and other.values is None:
        return domain.pattern == other.pattern
    if other.values is not None:
        return all(misfit(value, domain) is None for value in other.values)
    if other.pattern is not None:
        return False
    return _floor(domain) <= _floor(other) and _ceiling(other) <= _ceiling(domain)


def same(one: Domain | None, other: Domain | None, *, whole: bool = False) -> bool:
    """Whether two domains have the same values, and count the same of them as known."""
    if one is None or other is None:
        return one is other
    some, others = closed(one), closed(other)
    return (
        one.open == other.open
        and allows(some, others, whole=whole)
        and allows(others, some, whole=whole)
    )


def closed(domain: Domain) -> Domain:
    """The domain of the known values only."""
    return domain.model_copy(update={"open": False})


def misfit(value: Scalar, domain: Domain) -> str | None:
    """Why a value is outside a domain; None if it is not.

    >>> misfit(7, Domain(max=5))
    '7 is above max 5'
    """
    if domain.values is not None:
        known = domain.open or _key(value) in {_key(v) for v in domain.values}
        return None if known else f"{value!r} is not in the vocabulary"
    if domain.pattern is not None:
        matches = isinstance(value, str) and re.fullmatch(domain.pattern, value)
        return None if matches else f"{value!r} does not match {domain.pattern!r}"
    if isinstance(value, str | bool):
        return f"{value!r} is not a number"
    if value < _floor(domain):
        return f"{value} is below min {domain.min}"
    return f"{value} is above max {domain.max}" if value > _ceiling(domain) else None


def _key(value: Scalar) -> tuple[bool, Scalar]:
    return isinstance(value, bool), value  # True equals 1, but is another value


def _first_twice(values: Iterable[Scalar]) -> str | None:
    seen: set[tuple[bool, Scalar]] = set()
    for value in values:
        if _key(value) in seen:
            return repr(value)
        seen.add(_key(value))
    return None


def _listed(domain: Domain, whole: bool) -> Iterable[Scalar] | None:
    if domain.values is not None:
        return domain.values
    if not whole or domain.min is None or domain.max is None:
        return None
    numbers = range(_up(domain.min), int(domain.max // 1) + 1)
    return numbers if len(numbers) <= _MOST_COUNTED else None


def _up(number: Number) -> int:
    return int(-(-number // 1))


def _floor(domain: Domain) -> Number:
    return float("-inf") if domain.min is None else domain.min


def _ceiling(domain: Domain) -> Number:
    return float("inf") if domain.max is None else domain.max
