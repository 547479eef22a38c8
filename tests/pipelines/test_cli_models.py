"""What `lockstep models` promises."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lockstep.pipelines.cli.models import app
from lockstep.serving.errors import AliasConflict, Exit, UnknownAlias, UnknownModel
from lockstep.serving.store import ModelStore, Pushed


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    """A store with one model of two versions, where `lockstep` looks by default."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOCKSTEP_STORE", raising=False)
    store = ModelStore(".lockstep/models/taxi", clock=lambda: 1700000000.0)
    push(store, b"one")
    store.set_alias("champion", 1700000000, reason="first", by="ci")
    push(store, b"two")
    return store


def push(store: ModelStore, graph: bytes) -> Pushed:
    """Push a small model with a paper."""
    source = Path("model")
    source.mkdir(exist_ok=True)
    (source / "saved_model.pb").write_bytes(graph)
    return store.push(str(source), {"contract.json": {}})


def call(*arguments: str, **env: str) -> Result:
    """Run the command; its errors come through as in `main`."""
    return CliRunner().invoke(app, arguments, env=env, catch_exceptions=False)


def call_json(*arguments: str) -> Any:
    """Run the command with --json."""
    return json.loads(call(*arguments, "--json").stdout)


def test_list_shows_each_model(store: ModelStore) -> None:
    """A line for each model: its newest version and its aliases."""
    assert call("list").stdout == "taxi  newest=1700000001  champion=1700000000\n"
    assert [model["model"] for model in call_json("list")] == ["taxi"]


def test_list_of_nothing_says_where_it_looked(tmp_path: Path) -> None:
    """An empty store is no error; the text says which one it was, JSON is an empty list."""
    assert call("list", "--store", str(tmp_path)).stdout == f"no models in {tmp_path}\n"
    assert call_json("list", "--store", str(tmp_path)) == []


def test_store_is_option_then_environment_then_here(store: ModelStore, tmp_path: Path) -> None:
    """--store wins over LOCKSTEP_STORE, which wins over .lockstep/models."""
    assert "no models in /nowhere" in call("list", LOCKSTEP_STORE="/nowhere").stdout
    base = str(tmp_path / ".lockstep" / "models")
    assert "taxi" in call("list", "--store", base, LOCKSTEP_STORE="/nowhere").stdout


def test_show_tells_versions_and_history(store: ModelStore) -> None:
    """Of a model: every version with its aliases, and who moved them when and why."""
    text = call("show", "taxi").stdout
    assert "1700000000  pushed " in text
    assert "@champion" in text
    assert "nowhere -> 1700000000  by ci  first" in text
    facts = call_json("show", "taxi")
    assert [version["version"] for version in facts["versions"]] == [1700000000, 1700000001]
    assert facts["history"]["champion"][0]["previous"] is None


@pytest.mark.parametrize("reference", ["champion", "1700000000"])
def test_show_tells_one_version_by_alias_or_number(store: ModelStore, reference: str) -> None:
    """Of a version: its digest, path and papers."""
    facts = call_json("show", f"taxi@{reference}")
    assert facts["digest"] == store.version(1700000000).digest
    assert facts["papers"] == ["contract.json"]
    assert "papers: contract.json" in call("show", f"taxi@{reference}").stdout


def test_alias_moves_with_its_reason(store: ModelStore) -> None:
    """The move is made, told, and kept with its reason."""
    said = call("alias", "taxi", "champion", "1700000001", "--reason", "better").stdout
    assert said == "champion of taxi: 1700000000 -> 1700000001\n"
    assert store.history()["champion"][-1].reason == "better"
    assert call_json("alias", "taxi", "challenger", "1700000000", "--expect", "none") == {
        "model": "taxi",
        "alias": "challenger",
        "previous": None,
        "version": 1700000000,
    }


def test_mistakes_come_through(store: ModelStore) -> None:
    """Unknown names and a lost race are the store's own errors; a wrong option is a usage error."""
    with pytest.raises(AliasConflict):
        call("alias", "taxi", "champion", "1700000001", "--expect", "1700000001")
    with pytest.raises(UnknownModel, match="did you mean taxi"):
        call("show", "taxy")
    with pytest.raises(UnknownAlias):
        call("show", "taxi@nobody")
    assert call("alias", "taxi", "champion", "1700000001", "--expect", "x").exit_code == Exit.USAGE
    assert call("alias", "taxi", "champion", "two").exit_code == Exit.USAGE


def test_importing_the_store_is_light() -> None:
    """Neither the command nor the store brings in TensorFlow, kfp or a cloud SDK."""
    code = (
        "import sys, lockstep.pipelines.cli.models; light = set(sys.modules);"
        "import lockstep.serving.store;"
        "assert not {'pydantic', 'fsspec'} & light;"
        "heavy = {'tensorflow', 'tfx', 'kfp', 'fsspec', 'gcsfs', 'botocore'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
