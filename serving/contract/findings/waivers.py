"""Waivers: findings that do not count for a while, each with a reason and a last day.

```yaml
format: lockstep.waivers/v1
waivers:
  - rule: unit-changed
    where: inputs.trip_miles
    reason: The only consumer (dispatch) has sent kilometres from the start.
    expires: 2027-01-31
```
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ...errors import one_of
from ..file import Document
from ..part import Part, Text, problem
from ..rules import RULES
from .finding import Finding

__all__ = ["Waiver", "Waivers", "waive"]


def _known(rule: str) -> str:
    waivable = [one.id for one in RULES.values() if one.group != "waivers"]
    if rule not in waivable:
        raise problem(given=f"no rule {rule!r}", allowed=one_of(waivable, rule))
    return rule


class Waiver(Part):
    """One finding that does not count up to and including a day."""

    rule: Annotated[str, AfterValidator(_known), Field(description="The id of the rule.")]
    where: Annotated[Text, Field(description="The place that the finding names.")]
    reason: Annotated[Text, Field(min_length=10, description="Why it does not count.")]
    expires: Annotated[date, Field(description="The last day on which it does not count.")]


class Waivers(Part):
    """The file of waivers beside a contract."""

    format: Literal["lockstep.waivers/v1"]
    waivers: tuple[Waiver, ...]


def waive(
    findings: Iterable[Finding], waivers: Document[Waivers], *, today: date
) -> tuple[Finding, ...]:
    """The findings, the waived ones marked, and after them what is wrong with the waivers."""
    valid = {
        (waiver.rule, waiver.where): waiver
        for waiver in waivers.value.waivers
        if today <= waiver.expires
    }
    marked = tuple(
        replace(f, waived=valid[f.rule, f.where].reason) if (f.rule, f.where) in valid else f
        for f in findings
    )
    used = {(f.rule, f.where) for f in marked}
    return (*marked, *_stale(waivers, used, today))


def _stale(
    waivers: Document[Waivers], used: set[tuple[str, str]], today: date
) -> Iterable[Finding]:
    for number, waiver in enumerate(waivers.value.waivers):
        place = f"waivers.{number}"
        what = f"{waiver.rule} at {waiver.where}"
        if waiver.expires < today:
            yield Finding(
                "waiver-expired",
                place,
                f"{what}, on {waiver.expires}",
                file=waivers.name,
                line=waivers.line(place),
            )
        elif (waiver.rule, waiver.where) not in used:
            yield Finding("waiver-unused", place, what, file=waivers.name, line=waivers.line(place))
