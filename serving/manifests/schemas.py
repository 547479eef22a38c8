"""What Kubernetes' own schemas, and promtool, say of rendered objects."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from ..errors import MissingLibrary
from .rule import Finding, Json, Rendered, called

VERSIONS: Final = tuple(f"1.{minor}" for minor in range(29, 38))
"""The releases of Kubernetes that the manifests are for."""

NO_PROMTOOL: Final = "no promtool on the PATH: install Debian's prometheus to check alert rules"


def schema_findings(
    objects: Iterable[Json], versions: Sequence[str] = VERSIONS
) -> tuple[list[Finding], list[str]]:
    """What Kubernetes' schemas refuse, unknown fields included; and the kinds without a schema.

    Raises:
        MissingLibrary: the extra `ci` is not installed.
    """
    try:
        import kubernetes_validate as checker
    except ImportError as error:
        raise MissingLibrary(
            given="Kubernetes' schemas are not installed here",
            allowed="kubernetes-validate, of the extra ci",
            todo="pip install 'lockstep[ci]'",
        ) from error
    refused: dict[tuple[str, str], list[str]] = {}
    foreign: dict[str, set[str]] = {}
    for item in objects:
        for version in versions:
            try:
                checker.validate(item, version, strict=True)
            except checker.SchemaNotFoundError:
                foreign.setdefault(str(item.get("kind")), set()).add(version)
            except checker.ValidationError as error:
                path = ".".join(str(part) for part in error.path)
                refused.setdefault((called(item), f"{path}: {error.message}"[:300]), []).append(
                    version
                )
    todo = "Correct the field; `kubectl explain` knows it."
    found = [
        Finding("schema", where, f"{what} (Kubernetes {_span(of)})", todo)
        for (where, what), of in refused.items()
    ]
    missing = [kind for kind, of in foreign.items() if of >= set(versions)]
    gaps = [kind for kind, of in foreign.items() if of < set(versions)]
    found += [
        Finding("schema", kind, f"Kubernetes {_span(sorted(foreign[kind]))} has no such kind", todo)
        for kind in gaps
    ]
    return found, sorted(missing)


def _span(versions: Sequence[str]) -> str:
    return versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}"


def alert_findings(objects: Sequence[Json]) -> tuple[list[Finding], list[str]]:
    """What promtool refuses of PrometheusRules; or, without one, a sentence that says so."""
    rules = Rendered(objects).of("PrometheusRule")
    if rules and not shutil.which("promtool"):
        return [], [NO_PROMTOOL]
    return [found for rule in rules for found in _alerts(rule)], []


def _alerts(rule: dict[str, Any]) -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.yaml"
        path.write_text(yaml.safe_dump(rule.get("spec") or {}), encoding="utf-8")
        command = ["promtool", "check", "rules", "--lint-fatal", str(path)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if not ran.returncode:
            return []
        told = " ".join((ran.stderr or ran.stdout).replace(str(path), "").split())
    return [Finding("alert-rule", called(rule), told, "Correct the expression or the group.")]
