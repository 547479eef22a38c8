"""What `lockstep contract` promises."""

import json
import re
import runpy
import subprocess
import sys
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from lockstep.pipelines.cli import contract as cli, findings
from lockstep.serving.contract.checks.lint import lint
from lockstep.serving.contract.consumers.recording import Recording
from lockstep.serving.contract.deploy.registry import Environments
from lockstep.serving.contract.file import load, loads, parse
from lockstep.serving.contract.findings.report import FORMATS
from lockstep.serving.contract.findings.waivers import Waivers
from lockstep.serving.contract.rules import LEVELS
from lockstep.serving.errors import BadContract, Exit, UnknownModel, UnknownRevision

ROOT = Path(__file__).parents[2]
TAXI = ROOT / "pipelines/taxi/contract.yaml"
SCHEMA = """
feature { name: "miles" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "pay" type: BYTES string_domain { value: "cash" } }
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the taxi contract, and a copy that measures in kilometres."""
    monkeypatch.chdir(tmp_path)
    text = TAXI.read_text()
    Path("old.yaml").write_text(text)
    Path("new.yaml").write_text(text.replace("unit: mi", "unit: km").replace("1.0.0", "2.0.0"))
    Path("schema.pbtxt").write_text(SCHEMA)
    return tmp_path


def call(*arguments: str) -> Result:
    """Run the command; its errors come through as in `main`."""
    return CliRunner().invoke(cli.app, arguments, catch_exceptions=False)


def test_a_break_has_its_own_exit_code() -> None:
    """A break names rule, line and consumer, and fails; the same contract passes."""
    broken = call("diff", "old.yaml", "new.yaml")
    assert broken.exit_code == Exit.CONTRACT
    assert "new.yaml:14: breaking unit-changed at inputs.trip_miles.unit: mi -> km" in broken.output
    assert "used by: driver-app" in broken.output
    assert call("diff", "old.yaml", "old.yaml").exit_code == Exit.OK


@pytest.mark.parametrize(
    "options",
    [("--fail-on", "never"), ("--major-may-break",), ("--waivers", "waivers.yaml")],
)
def test_a_break_may_be_let_through(options: tuple[str, ...]) -> None:
    """By level, by an announced major version, or by a waiver that still holds."""
    waiver = {
        "rule": "unit-changed",
        "where": "inputs.trip_miles.unit",
        "reason": "Every consumer sends kilometres.",
        "expires": "9999-12-31",
    }
    waivers = {"format": "lockstep.waivers/v1", "waivers": [waiver]}
    Path("waivers.yaml").write_text(json.dumps(waivers))
    assert call("diff", "old.yaml", "new.yaml", *options).exit_code == Exit.OK
    waiver["expires"] = "2001-01-01"
    Path("waivers.yaml").write_text(json.dumps(waivers))
    expired = call("diff", "old.yaml", "new.yaml", "--waivers", "waivers.yaml")
    assert expired.exit_code == Exit.CONTRACT
    assert "waivers.yaml:1: breaking waiver-expired" in expired.output


def test_a_report_goes_to_a_file() -> None:
    """`-o` takes the report of any format."""
    assert call("diff", "old.yaml", "new.yaml", "--format", "junit", "-o", "r.xml").output == ""
    assert ElementTree.parse("r.xml").getroot()[0].get("failures") == "1"
    assert call("diff", "old.yaml", "old.yaml", "-o", "no/r.xml").exit_code == Exit.USAGE


def test_the_options_name_what_there_is() -> None:
    """The help lists every format and level, and others are refused."""
    assert set(findings.FORMATS) == set(FORMATS)
    assert set(findings.LEVELS) == {*LEVELS, "never"}
    for option in ("--format", "--fail-on"):
        refused = call("diff", "old.yaml", "new.yaml", option, "loud")
        assert refused.exit_code == Exit.USAGE
        assert "'loud' is none of" in refused.output


def test_nothing_to_compare_with_is_an_error_unless_it_is_the_first() -> None:
    """A missing old contract is never taken for an unchanged one, unless that is said."""
    with pytest.raises(UnknownModel):
        call("diff", "old.yaml", "--against", "taxi@champion")
    assert call("diff", "old.yaml", "--against", "taxi@champion", "--first").exit_code == Exit.OK
    with pytest.raises(UnknownRevision):
        call("diff", "old.yaml", "--against", "git:mian", "--first")
    for arguments in (["old.yaml"], ["a", "b", "c"], ["a", "b", "--against", "git:main"]):
        assert call("diff", *arguments).exit_code == Exit.USAGE


def test_a_first_contract_is_written_once() -> None:
    """`init` writes a contract that loads, and overwrites nothing."""
    arguments = ("init", "--name", "taxi", "--from-schema", "schema.pbtxt")
    assert call(*arguments).exit_code == Exit.OK
    assert set(load("contract.yaml").value.inputs) == {"miles", "pay"}
    assert call(*arguments).exit_code == Exit.USAGE
    assert call(*arguments, "-o", "-").output == Path("contract.yaml").read_text()
    assert call("init", "--name", "taxi").exit_code == Exit.USAGE


def test_lint_and_check_fail_by_level() -> None:
    """A drafted contract keeps its schema, but says too little."""
    call("init", "--name", "taxi", "--from-schema", "schema.pbtxt")
    assert call("check", "contract.yaml", "--schema", "schema.pbtxt").exit_code == Exit.OK
    assert call("lint", "contract.yaml").exit_code == Exit.CONTRACT
    assert call("lint", "contract.yaml", "--fail-on", "breaking").exit_code == Exit.OK
    assert call("lint", "old.yaml").exit_code == Exit.OK
    wrong = call("check", "old.yaml", "--schema", "schema.pbtxt")
    assert wrong.exit_code == Exit.CONTRACT
    assert "schema-no-feature at inputs.trip_miles: did you mean miles?" in wrong.output
    assert call("check", "old.yaml").exit_code == Exit.USAGE


def test_documents_for_applications_are_json() -> None:
    """`schema`, `openapi` and `format` print one JSON document each."""
    assert json.loads(call("schema", "old.yaml").output)["title"] == "taxi instance"
    assert json.loads(call("openapi", "old.yaml").output)["openapi"] == "3.1.0"
    wire = json.loads(call("schema", "old.yaml", "--wire").output)
    assert wire["additionalProperties"] is False
    with pytest.raises(BadContract):
        call("schema", "schema.pbtxt")


def test_a_mistake_ends_in_three_lines_and_a_code() -> None:
    """The command itself tells a malformed contract without a traceback."""
    Path("bad.yaml").write_text("model: [")
    lockstep = Path(sys.executable).with_name("lockstep")
    done = subprocess.run(
        [lockstep, "contract", "lint", "bad.yaml"], capture_output=True, text=True
    )
    assert done.returncode == Exit.DEFINITION
    assert done.stderr.startswith("error: bad.yaml:1: ")
    assert len(done.stderr.splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "page"), [("contract-rules.md", "rules_page"), ("contract.schema.json", "schema_page")]
)
def test_what_is_published_is_up_to_date(name: str, page: str) -> None:
    """The page of rules and the format's schema are those of the code (`make golden`)."""
    written = runpy.run_path(str(ROOT / "scripts/contract_pages.py"))[page]()
    assert (ROOT / "docs" / name).read_text() == written


def test_the_files_in_the_document_are_right() -> None:
    """The files that docs/contract.md shows are read, and the contract holds the lint."""
    shown = re.findall(r"(?s)```yaml\n(.*?)```", (ROOT / "docs/contract.md").read_text())
    contract, waivers, recording, environments = (text.encode() for text in shown)
    found = lint(loads(contract, "shown").value, today=date(2026, 1, 1))
    assert {finding.level for finding in found} <= {"compatible"}
    assert parse(waivers, "shown", Waivers).value.waivers[0].rule == "unit-changed"
    assert parse(recording, "shown", Recording).value.instances
    assert parse(environments, "shown", Environments).value.environments.keys() == {"prod"}
