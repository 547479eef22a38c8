"""What is told of findings, which of them are waived, and where the other contract comes from."""

import json
import re
import subprocess
from datetime import date
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import pytest

from lockstep.serving.contract.checks.lint import lint
from lockstep.serving.contract.diff.against import contract_of
from lockstep.serving.contract.diff.contracts import allow_announced, diff
from lockstep.serving.contract.file import Document, dump_json, load, loads, parse
from lockstep.serving.contract.findings.finding import Finding, placed
from lockstep.serving.contract.findings.report import FORMATS, Report
from lockstep.serving.contract.findings.waivers import Waivers, waive
from lockstep.serving.contract.model import Contract
from lockstep.serving.contract.rules import RULES
from lockstep.serving.errors import NothingToCompare, UnknownAlias, UnknownRevision
from lockstep.serving.store import ModelStore

TODAY: Final = date(2027, 1, 1)
TAXI: Final = Path(__file__).parents[3] / "pipelines/taxi/contract.yaml"

BARE: Final = """\
format: lockstep.contract/v1
model: taxi
version: 1.0.0
inputs:
  trip_miles: {dtype: float32, default: NaN, meaning: The trip miles.}
  hour: {dtype: int8, meaning: Hour in which the trip began.}
outputs:
  tip: {dtype: float32, deprecated: {sunset: 2026-12-31}}
"""

BREAK: Final = Finding("unit-changed", "inputs.a.unit", "mi -> km", ("app",), file="c.yaml", line=3)
RISK: Final = Finding("meaning-changed", "inputs.b.meaning", "a|b\n`c`", file="c,1:.yaml", line=4)
FINE: Final = Finding("output-added", "outputs.c", "int64 []", file="c.yaml", line=5)


def bare(old: str = "", new: str = "") -> Document[Contract]:
    """The bare contract, with a piece of its text replaced."""
    assert old in BARE
    return loads(BARE.replace(old, new, 1).encode(), "contract.yaml")


def test_the_lint_names_all_that_is_missing_or_vague() -> None:
    """A bare contract meets every rule of the lint, each at its place."""
    found = lint(bare().value, today=TODAY)
    assert {f.rule for f in found} == {r.id for r in RULES.values() if r.group == "lint"}
    (vague,) = [f for f in placed(found, bare()) if f.rule == "vague-meaning"]
    assert (vague.where, vague.line) == ("inputs.trip_miles.meaning", 5)


def test_the_taxi_contract_is_worth_copying() -> None:
    """The example contract says all that a reader needs."""
    assert {f.level for f in lint(load(TAXI).value, today=TODAY)} <= {"compatible"}


def report(*findings: Finding) -> Report:
    """A report that breaking findings fail."""
    return Report("old -> new", findings, "breaking")


def test_text_tells_the_worst_first_with_a_sum() -> None:
    """Text names file, line, level, rule and place, what to do, and who is hit."""
    said = report(FINE, BREAK, RISK).render("text").splitlines()
    assert said[1] == "c.yaml:3: breaking unit-changed at inputs.a.unit: mi -> km"
    assert said[2] == "    used by: app"
    assert said[3].startswith("    to do: Convert")
    assert said[-1] == "1 to mend: 1 breaking, 1 risky, 1 compatible"
    assert report().render("text") == "old -> new\npasses: 0 breaking, 0 risky, 0 compatible"


def test_json_has_every_fact() -> None:
    """JSON says whether it passes, counts, and gives each finding's facts."""
    said = json.loads(report(RISK, BREAK).render("json"))
    assert (said["passes"], said["counts"]["risky"]) == (False, 1)
    assert said["findings"][0] == {
        "rule": "unit-changed",
        "level": "breaking",
        "where": "inputs.a.unit",
        "file": "c.yaml",
        "line": 3,
        "what": "mi -> km",
        "todo": RULES["unit-changed"].todo,
        "consumers": ["app"],
        "waived": None,
    }


def test_junit_fails_what_counts_and_skips_what_is_waived() -> None:
    """JUnit has one case for each finding, its counts agree, and odd characters do not break it."""
    waived = Finding("unit-changed", "inputs.z\x00.unit", "<&\x1b>", waived="agreed with the team")
    suite = ElementTree.fromstring(report(BREAK, RISK, waived).render("junit"))[0]
    assert [suite.get(k) for k in ("tests", "failures", "skipped")] == ["3", "1", "1"]
    assert len(suite.findall("testcase/failure")) == len(suite.findall("testcase/skipped")) == 1
    empty = ElementTree.fromstring(report().render("junit"))[0]
    assert (empty.get("tests"), empty.get("failures")) == ("1", "0")


def test_github_annotations_are_one_line_each() -> None:
    """A level is a kind of annotation, and no text can end one early or begin another."""
    error, warning, notice = report(BREAK, RISK, FINE).render("github").splitlines()
    assert error.startswith("::error file=c.yaml,line=3,title=unit-changed::inputs.a.unit: mi")
    assert warning.startswith("::warning file=c%2C1%3A.yaml,line=4,title=meaning-changed::")
    assert "a|b%0A`c`" in warning
    assert notice.startswith("::notice ")


def test_markdown_is_one_table() -> None:
    """Text in cells cannot end a cell."""
    rows = report(BREAK, RISK).render("markdown").splitlines()[4:]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_tells_every_finding(form: str) -> None:
    """No format leaves a finding out."""
    said = report(BREAK, RISK, FINE).render(form)
    assert all(rule in said for rule in ("unit-changed", "meaning-changed", "output-added"))


def waivers(*entries: dict[str, str]) -> Document[Waivers]:
    """A file of waivers."""
    data = {"format": "lockstep.waivers/v1", "waivers": list(entries)}
    return parse(json.dumps(data, indent=1).encode(), "waivers.yaml", Waivers)


def waiver(**changes: str) -> dict[str, str]:
    """A waiver of the break, with a reason, until today."""
    usual = {"rule": "unit-changed", "where": "inputs.a.unit", "expires": "2027-01-01"}
    return usual | {"reason": "Agreed with the app's team."} | changes


def test_a_waived_finding_does_not_count_up_to_its_last_day() -> None:
    """A waiver holds on its last day; other findings still count."""
    found = waive([BREAK, RISK], waivers(waiver()), today=TODAY)
    assert [bool(f.waived) for f in found] == [True, False]
    assert not Report("", found, "breaking").failing
    assert Report("", found, "risky").failing == (RISK,)
    assert Report("", found, None).failing == ()


def test_an_expired_waiver_fails_by_itself() -> None:
    """From the next day on the finding counts again, and the waiver is one more, at its line."""
    found = waive([BREAK], waivers(waiver()), today=date(2027, 1, 2))
    assert [f.rule for f in found] == ["unit-changed", "waiver-expired"]
    assert (found[1].file, found[1].line) == ("waivers.yaml", 4)
    assert len(Report("", found, "breaking").failing) == 2
    alone = waive([], waivers(waiver()), today=date(2027, 1, 2))
    assert [f.rule for f in Report("", alone, "breaking").failing] == ["waiver-expired"]


def test_a_waiver_of_nothing_is_told() -> None:
    """A waiver that matches no finding is told, and does not fail."""
    found = waive([BREAK], waivers(waiver(where="inputs.b.unit")), today=TODAY)
    assert [f.rule for f in found] == ["unit-changed", "waiver-unused"]
    assert Report("", found, "breaking").failing == (BREAK,)


def test_a_raised_major_version_may_announce_breaks() -> None:
    """Breaks are let through if asked for and announced; a version too small still counts."""
    old = bare().value
    announced = bare("version: 1.0.0", "version: 2.0.0").value.model_copy(update={"model": "cab"})
    minor = announced.model_copy(update={"version": "1.1.0"})
    for new, fails in ((announced, False), (minor, True)):
        found = allow_announced(old, new, diff(old, new, today=TODAY))
        assert bool(Report("", found, "breaking").failing) == fails


def git(folder: Path, *words: str) -> None:
    """Run git."""
    names = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *names, *words]
    subprocess.run(command, check=True, capture_output=True)


def test_the_old_contract_may_come_from_git(tmp_path: Path) -> None:
    """`git:REF` is the same path at a commit, in whatever folder the command runs."""
    path = tmp_path / "deep/contract.yaml"
    path.parent.mkdir()
    path.write_text(BARE)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    path.write_text(BARE.replace("1.0.0", "2.0.0"))
    assert contract_of("git:main", str(path), "").value.version == "1.0.0"
    for revision in ("nowhere", "", "--output=x"):
        with pytest.raises(UnknownRevision):
            contract_of(f"git:{revision}", str(path), "")
    with pytest.raises(UnknownRevision, match="not a git repository"):
        contract_of("git:main", "/contract.yaml", "")
    with pytest.raises(NothingToCompare):
        contract_of("git:main", str(tmp_path / "other.yaml"), "")


def test_the_old_contract_may_come_from_a_versions_papers(tmp_path: Path) -> None:
    """`MODEL@ALIAS` is the contract with which the version was pushed."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"graph")
    store = ModelStore.open(str(tmp_path / "store"), "taxi")
    papers: dict[str, Any] = {"contract.json": dump_json(bare().value)}
    pushed = store.push(str(model), papers).version.number
    store.set_alias("champion", pushed)
    base = str(tmp_path / "store")
    assert contract_of("taxi@champion", "contract.yaml", base).value == bare().value
    assert contract_of(f"taxi@{pushed}", "contract.yaml", base).value == bare().value
    with pytest.raises(UnknownAlias):
        contract_of("taxi@challenger", "contract.yaml", base)
    (model / "saved_model.pb").write_bytes(b"another")
    other = store.push(str(model)).version.number
    with pytest.raises(NothingToCompare, match=r"has no contract\.json"):
        contract_of(f"taxi@{other}", "contract.yaml", base)
