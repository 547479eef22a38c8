"""The answer of `lockstep can-i-deploy` as text, JSON and Markdown."""

import json
from collections.abc import Callable, Mapping
from typing import Final

from ..findings.finding import Finding
from ..findings.report import Report
from ..rules import Level
from .matrix import Matrix, Row

__all__ = ["render"]

_HEAD: Final = ("who", "contract", "recorded requests", "verdict")


def render(matrix: Matrix, fail_on: Level | None, form: str) -> str:
    """The matrix and what speaks against the version, in one of `FORMATS`."""
    return FORMATS[form](matrix, fail_on)


def text(matrix: Matrix, fail_on: Level | None) -> str:
    """A table, a verdict, and each finding with what to do."""
    rows = [_HEAD, *(_cells(row, fail_on) for row in matrix.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    findings = _findings(matrix)
    title = f"{_title(matrix)}: {_verdict(matrix, fail_on)}"
    why = Report("", findings, fail_on).render("text").splitlines()[1:] if findings else []
    return "\n".join([title, "", *lines, *(["", *why] if why else [])])


def as_json(matrix: Matrix, fail_on: Level | None) -> str:
    """One object: the question, the verdict, and every row with its findings' facts."""
    asked = matrix.question
    facts = {
        "model": asked.store.model,
        "version": asked.number,
        "contract": matrix.contract,
        "environment": asked.environment,
        "alias": asked.alias,
        "passes": matrix.passes(fail_on),
        "fail_on": fail_on,
        "rows": [
            {
                "party": row.party,
                "contract": row.contract,
                "replay": row.replay,
                "agrees": row.agrees(fail_on),
                "findings": [finding.facts() for finding in row.findings],
            }
            for row in matrix.rows
        ],
    }
    return json.dumps(facts, indent=2)


def markdown(matrix: Matrix, fail_on: Level | None) -> str:
    """The same as tables, for a comment on a change."""
    cells = [[*_cells(row, fail_on)] for row in matrix.rows]
    lines = [
        f"## {_title(matrix)}: {_verdict(matrix, fail_on)}",
        "",
        f"| {' | '.join(_HEAD)} |",
        f"|{'---|' * len(_HEAD)}",
        *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells),
    ]
    if findings := _findings(matrix):
        lines += ["", Report("Why", findings, fail_on).render("markdown")]
    return "\n".join(lines)


FORMATS: Final[Mapping[str, Callable[[Matrix, Level | None], str]]] = {
    "text": text,
    "json": as_json,
    "markdown": markdown,
}


def _title(matrix: Matrix) -> str:
    asked = matrix.question
    return f"{asked.name} (contract {matrix.contract}) to {asked.environment} as {asked.alias}"


def _verdict(matrix: Matrix, fail_on: Level | None) -> str:
    return "yes" if matrix.passes(fail_on) else "no"


def _cells(row: Row, fail_on: Level | None) -> tuple[str, ...]:
    counted = "yes" if row.agrees(fail_on) else "no"
    rules = ", ".join(dict.fromkeys(f.rule for f in row.findings if f.level != "compatible"))
    return row.party, row.contract, row.replay, f"{counted}: {rules}" if rules else counted


def _findings(matrix: Matrix) -> tuple[Finding, ...]:
    """Of all parties, the same one once."""
    return tuple(dict.fromkeys(finding for row in matrix.rows for finding in row.findings))
