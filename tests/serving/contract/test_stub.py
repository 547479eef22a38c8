"""The stub of a contract: a model to integrate with on day one (see exported.py)."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from typer.testing import CliRunner, Result

from lockstep.components.executors.model_store import champion_of
from lockstep.pipelines.cli.contract import app
from lockstep.serving.contract.checks.data import against_sample
from lockstep.serving.contract.checks.saved_model import against_model, read_signatures
from lockstep.serving.contract.dtypes import INTEGERS
from lockstep.serving.contract.file import load, loads
from lockstep.serving.contract.model import Contract, Output
from lockstep.serving.contract.stub.saved_model import choices, push_stub, write_stub
from lockstep.serving.errors import (
    BadContract,
    BadModel,
    Exit,
    MissingTensorFlow,
    TakenVersion,
)
from lockstep.serving.store import ModelStore

if TYPE_CHECKING:
    from tests.serving.contract.conftest import Exported

CONTRACT = Path(__file__).with_name("every_output.yaml")
ANSWERS = 20


@pytest.fixture(scope="module")
def contract() -> Contract:
    """A contract with an output of every kind."""
    return load(CONTRACT).value


@pytest.fixture(scope="module")
def stub(exported: "Exported") -> dict[str, Any]:
    """What the stub has answered."""
    answers: dict[str, Any] = exported.answers["stub"]
    return answers


def call(*arguments: str) -> Result:
    """Run the command; its errors come through as in `main`."""
    return CliRunner().invoke(app, ["stub", *arguments], catch_exceptions=False)


def test_a_stub_keeps_its_contract(exported: "Exported", contract: Contract) -> None:
    """Its signature breaks nothing, its papers hold the contract, and it needs no Python."""
    place = exported.directory / "stub/0"
    found = against_model(contract, read_signatures(str(place)))
    assert {finding.rule for finding in found} == {"model-optional-left-to-client"}
    paper = (place / "assets.extra/contract.json").read_bytes()
    assert loads(paper, "paper").value == contract
    assert b"PyFunc" not in (place / "saved_model.pb").read_bytes()


def test_answers_stay_in_their_domains(stub: dict[str, Any], contract: Contract) -> None:
    """Of twenty instances and each kind of output, nothing is outside; and not all are the same."""
    for name, one in contract.outputs.items():
        values = [answer[name][0] for answer in stub["alone"]]
        assert not [why for value in values if (why := one.unfit(value))], name
        assert len({json.dumps(value) for value in values}) > 1, name


def test_answers_depend_on_the_instance_alone(stub: dict[str, Any]) -> None:
    """Twenty instances in one request get what each of them gets alone."""
    alone = {name: [a[name][0] for a in stub["alone"]] for name in stub["together"]}
    assert stub["together"] == alone


def test_a_request_takes_as_long_as_was_asked(stub: dict[str, Any]) -> None:
    """100 ms for one, and for each of sixteen at once: nobody waits in a line of 1.6 s."""
    assert stub["seconds"] >= 0.1
    assert min(stub["seconds at once"]) >= 0.1
    assert max(stub["seconds at once"]) < 1.2


@given(st.sampled_from(sorted(INTEGERS)), st.data())
def test_whole_numbers_are_of_their_type_and_range(dtype: str, data: st.DataObject) -> None:
    """Whatever the type and the range, every choice is in both."""
    least, most = INTEGERS[dtype]
    bound = st.none() | st.integers(least, most)
    low, high = data.draw(bound), data.draw(bound)
    if low is not None and high is not None and low > high:
        low, high = high, low
    domain = None if low is high is None else {"min": low, "max": high}
    one = Output.model_validate({"dtype": dtype, "domain": domain})
    found = choices("n", one)
    assert 1 <= len(found) <= 100
    assert not [why for value in found if (why := one.unfit(value))]


def test_a_pattern_that_nothing_matches_is_refused() -> None:
    """An output that can have no value is told by its name."""
    with pytest.raises(BadContract, match=r"outputs\.n\.domain\.pattern: no string"):
        choices("n", Output.model_validate({"dtype": "string", "domain": {"pattern": "a$b"}}))


def test_a_stub_is_version_0(exported: "Exported", contract: Contract, tmp_path: Path) -> None:
    """It is pushed once, with its papers; another contract's does not replace it."""
    place, base = exported.directory / "stub/0", str(tmp_path)
    first = push_stub(contract, place, base)
    assert (first.version.number, first.created) == (0, True)
    assert not push_stub(contract, place, base).created
    store = ModelStore.open(base, contract.model)
    assert store.papers(0) == ("contract.json",)
    other = contract.model_copy(update={"version": "1.1.0"})
    with pytest.raises(TakenVersion, match="0: there is, or was, another model"):
        push_stub(other, exported.directory / "trip", base)
    assert [version.number for version in store.versions()] == [0]


def test_no_model_is_measured_against_a_stub(
    exported: "Exported", contract: Contract, tmp_path: Path
) -> None:
    """With a stub alone there is no champion; the first model comes after it and is one."""
    push_stub(contract, exported.directory / "stub/0", str(tmp_path))
    store = ModelStore.open(str(tmp_path), contract.model)
    assert champion_of(store, "champion") is None
    pushed = store.push(str(exported.directory / "trip")).version
    assert champion_of(store, "champion") == store.newest() == pushed


def test_a_sample_passes_the_stub(
    exported: "Exported", contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TensorFlow the rows are checked; what would run the stub says what it lacks."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"x": 1.5, "words": ["a", "b"]}\n')
    assert against_sample(contract, rows, None) == ()
    with pytest.raises(MissingTensorFlow):
        against_sample(contract, rows, str(exported.directory / "stub/0"))


def test_what_is_there_is_not_overwritten(contract: Contract, tmp_path: Path) -> None:
    """A directory with files in it is refused, and stays as it is."""
    (tmp_path / "0").mkdir()
    (tmp_path / "0/mine").write_text("kept")
    with pytest.raises(BadModel, match="is in use"):
        write_stub(contract, tmp_path / "0")
    assert [path.name for path in (tmp_path / "0").iterdir()] == ["mine"]


def test_the_command_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somewhere to go, a latency that is none, TensorFlow: nothing is left behind."""
    assert call(str(CONTRACT)).exit_code == Exit.USAGE
    assert call(str(CONTRACT), "-o", str(tmp_path), "--latency", "-1").exit_code == Exit.USAGE
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingTensorFlow, match="a stub is a SavedModel, and TensorFlow is not"):
        call(str(CONTRACT), "-o", str(tmp_path / "stub"), "--push", str(tmp_path / "store"))
    assert list(tmp_path.iterdir()) == []
