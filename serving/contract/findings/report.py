"""Findings as people and CI systems read them: text, JSON, JUnit, GitHub annotations, Markdown."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

from ..rules import LEVELS, RULES, Level
from .finding import Finding, counting, of_level

__all__ = ["FORMATS", "Report"]


@dataclass(frozen=True)
class Report:
    """What was looked at, what was found, and the level from which on it counts (None: nothing)."""

    title: str
    findings: Sequence[Finding]
    fail_on: Level | None

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The findings that count."""
        return counting(self.findings, self.fail_on) if self.fail_on else ()

    def render(self, form: str) -> str:
        """The report in one of `FORMATS`."""
        return FORMATS[form](self)


def text(report: Report) -> str:
    """One paragraph for each finding, the worst first, and a sum."""
    lines = [report.title]
    for one in _worst_first(report.findings):
        lines.append(f"{one.file}:{one.line}: {one.level} {one.rule} at {one.where}: {one.what}")
        if one.consumers:
            lines.append(f"    used by: {', '.join(one.consumers)}")
        if one.waived:
            lines.append(f"    waived: {one.waived}")
        elif one.level != "compatible":
            lines.append(f"    to do: {one.todo}")
    return "\n".join([*lines, _sum(report)])


def as_json(report: Report) -> str:
    """One object: what was looked at, whether it passes, and every finding's facts."""
    facts = {
        "title": report.title,
        "passes": not report.failing,
        "fail_on": report.fail_on,
        "counts": {level: len(of_level(report.findings, level)) for level in reversed(LEVELS)},
        "findings": [one.facts() for one in _worst_first(report.findings)],
    }
    return json.dumps(facts, indent=2)


def junit(report: Report) -> str:
    """A test case for each finding: failed if it counts, skipped if it is waived."""
    failing = set(report.failing)
    suite = ElementTree.Element(
        "testsuite",
        name=_printable(report.title),
        tests=str(len(report.findings) or 1),
        failures=str(len(failing)),
        errors="0",
        skipped=str(sum(bool(one.waived) for one in report.findings)),
    )
    if not report.findings:
        ElementTree.SubElement(suite, "testcase", classname="contract", name="nothing found")
    for one in _worst_first(report.findings):
        name = _printable(f"{one.rule} at {one.where}")
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"contract.{one.level}", name=name
        )
        if one.waived:
            ElementTree.SubElement(case, "skipped", message=_printable(one.waived))
        elif one in failing:
            failure = ElementTree.SubElement(case, "failure", message=_printable(one.what))
            failure.set("type", one.level)
            failure.text = _printable(f"{one.file}:{one.line}\n{RULES[one.rule].why}\n{one.todo}")
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True)


def github(report: Report) -> str:
    """A workflow command for each finding: GitHub shows it beside the line."""
    kinds = {"breaking": "error", "risky": "warning", "compatible": "notice"}
    return "\n".join(
        f"::{'notice' if one.waived else kinds[one.level]} file={_property(one.file)},"
        f"line={one.line},title={_property(one.rule)}::{_data(_told(one))}"
        for one in _worst_first(report.findings)
    )


def markdown(report: Report) -> str:
    """A table, for a comment on a change."""
    head = [f"### {_cell(report.title)}", "", _sum(report)]
    if not report.findings:
        return "\n".join(head)
    rows = [
        f"| {'waived' if one.waived else one.level} | `{one.rule}` | {_cell(one.where)} "
        f"| {_cell(one.what)} | {_cell(', '.join(one.consumers))} "
        f"| {_cell(one.waived or one.todo)} |"
        for one in _worst_first(report.findings)
    ]
    table = ["| level | rule | where | what | used by | to do |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, "", *table, *rows])


FORMATS: Final[Mapping[str, Callable[[Report], str]]] = {
    "text": text,
    "json": as_json,
    "junit": junit,
    "github": github,
    "markdown": markdown,
}


def _worst_first(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda f: (-LEVELS.index(f.level), f.file, f.line, f.where, f.rule))


def _sum(report: Report) -> str:
    counts = [f"{len(of_level(report.findings, level))} {level}" for level in reversed(LEVELS)]
    waived = sum(bool(one.waived) for one in report.findings)
    verdict = f"{len(report.failing)} to mend" if report.failing else "passes"
    return f"{verdict}: {', '.join(counts)}" + (f"; {waived} waived" if waived else "")


def _told(one: Finding) -> str:
    used = f" Used by {', '.join(one.consumers)}." if one.consumers else ""
    return f"{one.where}: {one.what}.{used} {f'Waived: {one.waived}' if one.waived else one.todo}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    return re.sub(r"([\\|`*_<\[])", r"\\\1", text).replace("\n", " ")


def _printable(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
