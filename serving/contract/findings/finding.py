"""What a comparison, a check or the lint has found, and which of it counts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..file import Document
from ..rules import LEVELS, RULES, Level

__all__ = ["Finding", "counting", "of_level", "placed", "worst"]


@dataclass(frozen=True)
class Finding:
    """One rule that applies at one place.

    `where` is a dotted path in the contract, `inputs.fare.domain`, and `file` and `line` where that
    is; `consumers` are the applications that use it; `waived` is why it does not count.
    """

    rule: str
    where: str
    what: str
    consumers: tuple[str, ...] = ()
    waived: str = ""
    file: str = ""
    line: int = 1

    @property
    def level(self) -> Level:
        """How much it matters to callers."""
        return RULES[self.rule].level

    @property
    def todo(self) -> str:
        """What to do."""
        return RULES[self.rule].todo

    def facts(self) -> dict[str, Any]:
        """What reports in JSON say of it."""
        return {
            "rule": self.rule,
            "level": self.level,
            "where": self.where,
            "file": self.file,
            "line": self.line,
            "what": self.what,
            "todo": self.todo,
            "consumers": list(self.consumers),
            "waived": self.waived or None,
        }


def counting(findings: Iterable[Finding], fail_on: Level) -> tuple[Finding, ...]:
    """The findings that are not waived and at least of a level."""
    least = LEVELS.index(fail_on)
    return tuple(f for f in findings if not f.waived and LEVELS.index(f.level) >= least)


def of_level(findings: Iterable[Finding], level: Level) -> tuple[Finding, ...]:
    """The findings of one level, waived or not."""
    return tuple(finding for finding in findings if finding.level == level)


def placed(findings: Iterable[Finding], document: Document[Any]) -> tuple[Finding, ...]:
    """The findings with the file and the line of what they are about, if they have none yet."""
    return tuple(
        f if f.file else replace(f, file=document.name, line=document.line(f.where))
        for f in findings
    )


def worst(findings: Iterable[Finding]) -> Level | None:
    """The highest level among the findings that are not waived; None if there are none."""
    there = {finding.level for finding in findings if not finding.waived}
    return next((level for level in reversed(LEVELS) if level in there), None)
