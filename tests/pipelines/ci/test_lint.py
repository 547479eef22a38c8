"""Each rule about Cloud Build files finds its own deliberate mistake, and no other rule does."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from lockstep.pipelines.ci.lint import RULES, check
from lockstep.pipelines.cli import app
from lockstep.serving.errors import Exit

ROOT = Path(__file__).parents[3]
Json = dict[str, Any]

BUILD = """
steps:
  - {id: test, name: "$_BUILDER", args: [make, test], waitFor: ["-"], timeout: 600s,
     volumes: [{name: cache, path: /cache}]}
  - {id: push, name: "docker:27", script: "push $COMMIT_SHA $$TOKEN", waitFor: [test],
     timeout: 300s, secretEnv: [TOKEN], volumes: [{name: cache, path: /cache}]}
substitutions: {_BUILDER: "docker.io/library/python:3.11"}
availableSecrets:
  secretManager: [{versionName: projects/p/secrets/token/versions/1, env: TOKEN}]
serviceAccount: projects/p/serviceAccounts/builder@p.iam.gserviceaccount.com
timeout: 1200s
options: {logging: CLOUD_LOGGING_ONLY}
"""


def _step(number: int, **values: Any) -> Callable[[Json], Any]:
    return lambda build: build["steps"][number].update(values)


def _without(number: int, key: str) -> Callable[[Json], Any]:
    return lambda build: build["steps"][number].pop(key)


def _same_ids(build: Json) -> None:
    build["steps"][1] |= {"id": "test", "waitFor": ["test"]}


MISTAKES: dict[str, Callable[[Json], Any]] = {
    "build-proto": _step(0, tiemout="5s"),
    "build-wait-for": _step(1, waitFor=["tests"]),
    "build-id-missing": _without(1, "id"),
    "build-id-twice": _same_ids,
    "build-substitution-undeclared": _step(0, args=["make", "$_TARGET"]),
    "build-substitution-unused": lambda b: b["substitutions"].update(_TARGET="test"),
    "build-substitution-name": lambda b: b["substitutions"].update(TARGET="test"),
    "build-image": lambda b: b["substitutions"].update(_BUILDER="python:latest"),
    "build-timeout": lambda b: b.pop("timeout"),
    "build-step-timeout": _without(0, "timeout"),
    "build-step-longer": _step(0, timeout="3600s"),
    "build-secret-unknown": _step(0, secretEnv=["PASSWORD"]),
    "build-secret-unused": _without(1, "secretEnv"),
    "build-volume-alone": _without(1, "volumes"),
    "build-volume-path": lambda b: [
        step.update(volumes=[{"name": "cache", "path": "/workspace"}]) for step in b["steps"]
    ],
    "build-script": _step(1, args=["x"]),
    "build-account": lambda b: b.pop("serviceAccount"),
    "build-logs": lambda b: b.pop("options"),
}


def test_every_rule_has_its_mistake() -> None:
    """No rule is untested, and no test is of a rule that is gone."""
    assert set(MISTAKES) == set(RULES)


def test_a_right_build_is_clean() -> None:
    """What is right breaks no rule, the project's own files included."""
    assert check(yaml.safe_load(BUILD)) == []
    for path in sorted(ROOT.glob("cloudbuild*.yaml")):
        assert check(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize("rule", MISTAKES)
def test_only_its_rule_finds_a_mistake(rule: str) -> None:
    """A mistake is found by its rule; with that rule left out, nothing finds it."""
    build = yaml.safe_load(BUILD)
    MISTAKES[rule](build)
    assert {found.rule for found in check(copy.deepcopy(build))} == {rule}
    assert check(build, {name: one for name, one in RULES.items() if name != rule}) == []


def test_the_command_tells_findings_and_ends_with_3(tmp_path: Path) -> None:
    """The schema of editors is asked, too; the exit code is the documented one."""
    path = tmp_path / "cloudbuild.yaml"
    path.write_text(BUILD)
    right = CliRunner().invoke(app, ["ci", "validate", str(path)])
    assert (right.exit_code, "ok" in right.output) == (Exit.OK, True)
    path.write_text(BUILD.replace("timeout: 600s", "timeout: 600"))
    wrong = CliRunner().invoke(app, ["ci", "validate", str(path)])
    assert wrong.exit_code == Exit.DEFINITION
    assert "[build-schema]" in wrong.output


def test_a_workflow_is_held_to_its_schema(tmp_path: Path) -> None:
    """A job that runs nowhere is found."""
    path = tmp_path / "main.yml"
    path.write_text("on: push\njobs: {test: {steps: [{run: make test}]}}\n")
    told = CliRunner().invoke(app, ["ci", "validate", str(path)])
    assert (told.exit_code, "[workflow-schema]" in told.output) == (Exit.DEFINITION, True)
