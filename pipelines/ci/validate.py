"""Everything that can be said of overlays, Cloud Build files and workflows without the services."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from ...serving.errors import MissingLibrary
from ...serving.kustomize import render
from ...serving.manifests import check as check_objects
from ...serving.manifests.rule import Finding
from ...serving.manifests.schemas import VERSIONS, alert_findings, schema_findings
from ..errors import DefinitionError
from . import lint

__all__ = ["Checked", "defaults", "validate"]

DEFAULTS: Final = (
    *("manifests/overlays/*/", "manifests/access/*/", "manifests/jobs/*/", "manifests/gateway/"),
    *("cloudbuild*.yaml", ".github/workflows/*.y*ml"),
)


class NothingToValidate(DefinitionError):
    """A path is neither an overlay, nor a Cloud Build file, nor a workflow."""


@dataclass(frozen=True)
class Checked:
    """What was found in one path."""

    path: str
    what: str
    findings: list[Finding]
    notes: tuple[str, ...] = ()


def defaults(root: Path) -> list[Path]:
    """Every overlay, Cloud Build file and workflow of a project."""
    return [path for pattern in DEFAULTS for path in sorted(root.glob(pattern))]


def validate(path: Path, versions: Sequence[str] = VERSIONS) -> Checked:
    """Check an overlay, a Cloud Build file or a workflow.

    Raises:
        NothingToValidate: the path is none of these.
        LockstepError: it cannot be read or rendered, or a checker is not installed.
    """
    if path.is_dir():
        return _overlay(path, versions)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _nothing(path, f"cannot be read: {error}") from error
    if isinstance(document, dict) and "steps" in document:
        own = lint.check(document) + _schema(path, "vendor.cloudbuild", "build-schema")
        return Checked(str(path), f"Cloud Build, {len(document['steps'] or [])} steps", own)
    if isinstance(document, dict) and "jobs" in document:
        found = _schema(path, "vendor.github-workflows", "workflow-schema")
        return Checked(str(path), f"GitHub workflow, {len(document['jobs'] or [])} jobs", found)
    raise _nothing(path, "has neither steps nor jobs")


def _nothing(path: Path, why: str) -> NothingToValidate:
    return NothingToValidate(
        given=f"{path} {why}",
        allowed="a directory with a kustomization.yaml, a Cloud Build file, a GitHub workflow",
        todo="name another path, or none for all of the project's",
    )


def _overlay(path: Path, versions: Sequence[str]) -> Checked:
    objects = render(path)
    refused, foreign = schema_findings(objects, versions)
    alerts, notes = alert_findings(objects)
    if foreign:
        names = ", ".join(foreign)
        notes = [f"no schema here for custom resources, only our rules: {names}", *notes]
    what = f"{len(objects)} objects, Kubernetes {versions[0]} to {versions[-1]}"
    return Checked(str(path), what, check_objects(objects) + refused + alerts, tuple(notes))


def _schema(path: Path, schema: str, rule: str) -> list[Finding]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    command += ["--output-format", "json", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        told: dict[str, Any] = json.loads(ran.stdout)
    except ValueError as error:
        raise MissingLibrary(
            given=f"check-jsonschema gave no answer: {ran.stderr.strip()[-300:]}",
            allowed="check-jsonschema, of the extra ci",
            todo="pip install 'lockstep[ci]'",
        ) from error
    return [
        Finding(rule, one.get("path", "$"), one.get("message", ""), "Correct the field.")
        for one in [*told.get("errors", []), *told.get("parse_errors", [])]
        if isinstance(one, dict)
    ]
