"""Executor of the contract check: candidate, contract and champion. No TensorFlow here."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from ...serving.contract.checks.saved_model import against_model, read_signatures
from ...serving.contract.checks.schema_pbtxt import against_schema, read_schema
from ...serving.contract.consumers.check import against_recordings
from ...serving.contract.consumers.recording import recordings
from ...serving.contract.diff.against import PAPER, from_store
from ...serving.contract.diff.contracts import allow_announced, diff
from ...serving.contract.file import dump_json, read
from ...serving.contract.findings.finding import Finding, placed
from ...serving.contract.findings.report import Report
from ...serving.contract.findings.waivers import Waivers, waive
from ...serving.contract.model import Contract
from ...serving.errors import NothingToCompare
from ...serving.store import ModelStore
from ..errors import BadData
from ..paths import resolve
from ..step import Results, Step
from . import pages
from .blessing import bless
from .model_store import SERVING_MODEL, champion_of


def contract_check(step: Step) -> Results:
    """Compare, and bless what breaks no caller or says so by its major version."""
    today = date.today()
    location = project_file(step.parameters["contract_file"])
    document = read(location, Contract)
    contract = document.value
    version, old = _champions(step)
    found = _candidate(step, contract) + against_recordings(contract, recordings(location))
    if old is not None:
        found += allow_announced(old, contract, diff(old, contract, today=today))
    findings = placed(found, document)
    if waivers := step.parameters.get("waivers_file"):
        findings = waive(findings, read(project_file(waivers), Waivers), today=today)
    before = f"version {version} ({old.version})" if old else "no earlier one"
    report = Report(f"{contract.model} {contract.version} against {before}", findings, "breaking")
    blessed, reason = not report.failing, _reason(contract, old, report)
    evidence = {
        "blessed": blessed,
        "reason": reason,
        "contract": contract.version,
        "compared_with": {"version": version, "contract": old.version} if old else None,
        **json.loads(report.render("json")),
    }
    pages.write(step.output_as_file("html"), "contract", **evidence)
    papers = {PAPER: dump_json(contract), "evidence/contract_check.json": evidence}
    blessing = bless(step, reason, papers, blessed=blessed)
    return Results({"blessing": blessing | {"contract": contract.version}})


def project_file(location: str) -> str:
    """Find a file that a pipeline names, by that name if it is in the project."""
    return location if Path(location).is_file() else resolve(location)


def _champions(step: Step) -> tuple[int, Contract | None]:
    """Give the number of the version to compare with, and its contract if it has one."""
    store = ModelStore(resolve(step.parameters["base_directory"]))
    version = champion_of(store, step.parameters.get("alias", "champion"))
    version = version or next(iter(store.versions()), None)  # a stub promises as much as a model
    if version is None:
        return 0, None
    try:
        return version.number, from_store(store, str(version.number)).value
    except NothingToCompare:
        return version.number, None


def _candidate(step: Step, contract: Contract) -> tuple[Finding, ...]:
    """Say where the model, and what it was trained on, do not keep the contract."""
    model = Path(step.inputs["model"].path) / SERVING_MODEL
    found = against_model(contract, read_signatures(str(model)))
    schema = step.inputs.get("schema")
    if schema is None:
        return found
    file = Path(schema.path) / "schema.pbtxt"
    if not file.is_file():
        raise BadData(
            given="the input schema holds no schema.pbtxt",
            allowed="the output of schema_gen or import_schema_gen",
            todo="look at the step before, or leave `schema` out",
        )
    return found + against_schema(contract, read_schema(file))


def _reason(contract: Contract, old: Contract | None, report: Report) -> str:
    if report.failing:
        return "; ".join(map(_told, report.failing))
    announced = [f for f in report.findings if f.waived and f.level == "breaking"]
    if announced:
        return f"what breaks callers is announced or waived: {_names(announced)}"
    after = f" and breaks no caller of {old.version}" if old else ""
    return f"the model keeps contract {contract.version}{after}"


def _told(finding: Finding) -> str:
    used = f" (used by {', '.join(finding.consumers)})" if finding.consumers else ""
    return f"{finding.rule} at {finding.where}: {finding.what}{used}"


def _names(findings: Sequence[Finding]) -> str:
    return ", ".join(f"{finding.rule} at {finding.where}" for finding in findings)
