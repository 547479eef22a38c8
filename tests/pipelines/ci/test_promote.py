"""A version goes from store to store with its bytes, its papers and its history."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lockstep.pipelines.ci.promote import CANDIDATE, candidate, plan, promote, reject
from lockstep.pipelines.cli import app
from lockstep.serving.errors import (
    AliasConflict,
    BadModel,
    Exit,
    LockstepError,
    TakenVersion,
    UnknownModel,
)
from lockstep.serving.store import ModelStore


def push(store: ModelStore, content: str, folder: Path) -> int:
    """Push a model whose graph is a letter; its number is the letter's."""
    source = folder / f"model-{content}"
    (source / "variables").mkdir(parents=True, exist_ok=True)
    (source / "saved_model.pb").write_text(content)
    (source / "variables/variables.index").write_text("index")
    papers = {"contract.json": {"of": content}}
    return store.push(str(source), papers, number=ord(content)).version.number


@pytest.fixture
def dev(tmp_path: Path) -> ModelStore:
    """Where models are pushed to."""
    return ModelStore.open(str(tmp_path / "dev"), "taxi")


@pytest.fixture
def after(tmp_path: Path) -> ModelStore:
    """Where they go next."""
    return ModelStore.open(str(tmp_path / "test"), "taxi")


def test_the_same_bytes_arrive(dev: ModelStore, after: ModelStore, tmp_path: Path) -> None:
    """Number, digest, papers (also later ones) and alias arrive, and where they come from."""
    number = push(dev, "a", tmp_path)
    dev.add_paper(number, "experiment.json", {"verdict": "better"})
    promote(dev, plan(dev, str(number), after, "champion"), "build 7")
    arrived = after.resolve("champion")
    assert (arrived.number, arrived.digest) == (number, dev.version(number).digest)
    assert after.papers(number) == dev.papers(number) == ("contract.json", "experiment.json")
    assert Path(arrived.path, "variables/variables.index").read_text() == "index"
    (move,) = after.history()["champion"]
    assert move.reason == f"{dev.directory} {number} sha256:{arrived.digest[:12]}; build 7"


def test_twice_is_as_once(dev: ModelStore, after: ModelStore, tmp_path: Path) -> None:
    """A build that is tried again copies nothing and records nothing anew."""
    push(dev, "a", tmp_path)
    for _ in range(2):
        promote(dev, plan(dev, str(dev.newest().number), after, "champion"), "build 7")
    assert len(after.versions()) == len(after.history()["champion"]) == 1


def test_a_model_that_is_there_under_another_number(
    dev: ModelStore, after: ModelStore, tmp_path: Path
) -> None:
    """The alias goes to the number that the same bytes have there."""
    there = push(after, "a", tmp_path)
    push(dev, "z", tmp_path)
    number = dev.push(str(tmp_path / "model-a"), number=there + 100).version.number
    step = plan(dev, str(number), after, "champion")
    assert (promote(dev, step, ""), after.alias("champion")) == (there, there)


def test_a_number_that_is_taken_is_refused(
    dev: ModelStore, after: ModelStore, tmp_path: Path
) -> None:
    """Another model under the same number is never replaced, and no alias moves."""
    number = push(dev, "a", tmp_path)
    (tmp_path / "model-a/saved_model.pb").write_text("another")
    after.push(str(tmp_path / "model-a"), number=number)
    with pytest.raises(TakenVersion):
        promote(dev, plan(dev, str(number), after, "champion"), "")
    assert after.alias("champion") is None


def test_damaged_files_go_nowhere(dev: ModelStore, after: ModelStore, tmp_path: Path) -> None:
    """A version whose files are no longer those that were pushed is not promoted."""
    number = push(dev, "a", tmp_path)
    Path(dev.version(number).path, "saved_model.pb").write_text("b")
    with pytest.raises(BadModel, match="digest"):
        promote(dev, plan(dev, str(number), after, "champion"), "")
    assert after.versions() == ()


def test_who_was_faster_wins(dev: ModelStore, after: ModelStore, tmp_path: Path) -> None:
    """An alias that somebody moved after the plan stays where it is."""
    number = push(dev, "a", tmp_path)
    step = plan(dev, str(number), after, "champion")
    after.set_alias("champion", push(after, "b", tmp_path))
    with pytest.raises(AliasConflict):
        promote(dev, step, "")


def test_the_newest_is_the_candidate_until_it_is_rejected(dev: ModelStore, tmp_path: Path) -> None:
    """New versions are tried once; what was rolled back never comes again by itself."""
    with pytest.raises(UnknownModel):
        candidate(dev)
    first = push(dev, "a", tmp_path)
    assert candidate(dev).number == first
    dev.set_alias("champion", first)
    second = push(dev, "b", tmp_path)
    assert candidate(dev).number == second
    assert reject(dev, second, "slow")
    assert candidate(dev).number == first
    third = push(dev, "c", tmp_path)
    assert candidate(dev).number == third
    dev.set_alias("champion", third)
    dev.set_alias("champion", first, reason="by hand: too many complaints")
    assert candidate(dev).number == first
    assert not reject(dev, first, "manifests are wrong")
    assert candidate(dev).number == first


def test_a_stub_is_no_candidate(dev: ModelStore, tmp_path: Path) -> None:
    """What answers before there is a model is not taken for one."""
    push(dev, "a", tmp_path / "elsewhere")
    stubs = ModelStore.open(str(tmp_path / "stubs"), "taxi")
    stubs.push(str(tmp_path / "elsewhere/model-a"), number=0)
    with pytest.raises(UnknownModel):
        candidate(stubs)


def test_promote_says_what_it_would_do(dev: ModelStore, tmp_path: Path) -> None:
    """The dry run names every store, and changes none; the run does just that."""
    number = push(dev, "a", tmp_path)
    base, there = str(tmp_path / "dev"), str(tmp_path / "test")
    words = ["ci", "candidate", "taxi", f"--store={base}"]
    assert CliRunner().invoke(app, [*words, "--dry-run"]).exit_code == Exit.OK
    assert dev.alias(CANDIDATE) is None
    assert CliRunner().invoke(app, words).exit_code == Exit.OK
    words = ["ci", "promote", "taxi@candidate", f"--store={base}", f"--to={base}", f"--to={there}"]
    said = CliRunner().invoke(app, [*words, "--to=", "--dry-run"]).output
    assert said.splitlines() == [
        f"{base}/taxi: has {number}; champion: None -> {number}",
        f"{there}/taxi: copy {number}; champion: None -> {number}",
    ]
    assert not Path(there).exists()
    assert CliRunner().invoke(app, words).output == said
    assert ModelStore.open(there, "taxi").alias("champion") == number


def test_a_store_that_has_no_such_version(
    dev: ModelStore, after: ModelStore, tmp_path: Path
) -> None:
    """It is refused with the store's exit code before anything is copied."""
    push(dev, "a", tmp_path)
    with pytest.raises(LockstepError) as caught:
        plan(dev, "elsewhere", after, "champion")
    assert caught.value.exit_code == Exit.STORE
