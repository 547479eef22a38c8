"""A change is told to those who review it: what main will do, the contract, the objects."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lockstep.pipelines.ci.changes import decide
from lockstep.pipelines.ci.diff import contract_diff, overlays_diff, to_markdown
from lockstep.pipelines.cli import app
from lockstep.serving.errors import LockstepError, MissingKustomize
from lockstep.serving.kustomize import render

from .test_changes import KINDS, Repository

CONFIG = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
GENERATED = "configMapGenerator: [{name: config, literals: [a=1]}]\n"
CONTRACT = """format: lockstep.contract/v1
model: m
version: 1.0.0
description: Doubles.
owners: [{team: a, contact: a@example.com}]
inputs:
  x: {dtype: float32, meaning: Anything.}
outputs:
  y: {dtype: float32, meaning: Twice of it.}
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with a contract and two overlays."""
    made = Repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("dev", "prod"):
        overlay = tmp_path / f"manifests/overlays/{name}/kustomization.yaml"
        overlay.parent.mkdir(parents=True)
        overlay.write_text(CONFIG + GENERATED)
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "first")
    made.git("branch", "before")
    return made


@pytest.fixture
def kustomize(repository: Repository) -> None:
    """Skip where overlays cannot be rendered."""
    try:
        render(repository.root / "manifests/overlays/dev")
    except MissingKustomize as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("kustomize")
def test_a_change_is_told_on_one_page(repository: Repository) -> None:
    """The page says what main will do, what callers notice, and what differs in which overlay."""
    dev = repository.root / "manifests/overlays/dev/kustomization.yaml"
    dev.write_text(CONFIG + GENERATED.replace("a=1", "a=2"))
    contract = repository.root / "contract.yaml"
    contract.write_text(CONTRACT.replace("  y:", "  z:"))
    repository.git("commit", "--quiet", "--all", "--message", "second")
    done = CliRunner().invoke(app, ["ci", "diff", "--since=before", "--contract=contract.yaml"])
    assert done.exit_code == 0, done.output
    page = (repository.root / ".lockstep/ci/diff.md").read_text()
    assert page.startswith("# On main: retrain\n\nBecause of pipeline: contract.yaml.\n")
    assert "2 breaking" in page
    head, tail = page.split("### prod")
    assert "-  a: '1'\n+  a: '2'\n" in head
    assert head.count("--- main ") == 1  # one object, though its name changes with its content
    assert "No difference." in tail
    assert page in done.output


@pytest.mark.usefixtures("kustomize")
def test_a_new_overlay_and_one_that_is_gone(repository: Repository) -> None:
    """Each is told as a whole; today's need not have been there before."""
    repository.git("mv", "manifests/overlays/dev", "manifests/overlays/test")
    repository.git("commit", "--quiet", "--message", "move")
    found = {
        one.overlay: one.text
        for one in overlays_diff(repository.root, "manifests/overlays", "before")
    }
    assert [*found] == ["dev", "prod", "test"]
    assert found["prod"] == ""
    assert "-kind: ConfigMap" in found["dev"]
    assert "+kind: ConfigMap" in found["test"]


def test_a_contract_that_is_new(repository: Repository) -> None:
    """There is nothing to compare it with, and that is said."""
    path = repository.root / "another.yaml"
    path.write_text(CONTRACT)
    assert contract_diff(path, "before") == f"`{path}` is new."


def test_a_page_without_differences() -> None:
    """Nothing is told as nothing."""
    page = to_markdown(decide([], KINDS, since="a", to="b"), "None is named.", ())
    assert page.startswith("# On main: nothing\n\nBecause of no file differs.")


def test_an_unknown_branch_is_told(repository: Repository) -> None:
    """A branch that cannot be fetched ends with three lines, not a traceback."""
    done = CliRunner().invoke(app, ["ci", "diff", "--since=origin/elsewhere"])
    assert isinstance(done.exception, LockstepError)
    assert "origin" in str(done.exception)
