"""Signatures by contract: what a model module exports (see exported.py)."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lockstep.serving.contract.checks.saved_model import against_model, read_signatures
from lockstep.serving.contract.features import castable
from lockstep.serving.contract.file import load
from lockstep.serving.contract.model import Input
from lockstep.serving.contract.signature import by_name
from lockstep.serving.errors import MissingTensorFlow

if TYPE_CHECKING:
    from tests.serving.contract.conftest import Exported

HERE = Path(__file__).parent
MISFITS = {
    "no such feature": r"fair: the model has no such feature \(did you mean fare\?",
    "text for numbers": "fare: string in the contract, float32 in the model",
    "digits lost": "fare: int64 in the contract, float32 in the model",
    "another shape": r"history: shape \[3\] in the contract, \[2\] in the model",
    "a matrix for a list": r"words: shape \[-1, 2\] in the contract, a list of any length",
    "never missing": "fare: its default says NaN, no value, and the model has never been without",
    "no such output": r"q: the model has no such output \(more, p, seen\)",
    "output of another type": "seen: int32 in the contract, int64 in the model",
    "output of another shape": r"p: \(None, 2\) in the contract \(with the batch\), \(None, 1\)",
    "a name that TensorFlow changes": "_seconds: TensorFlow keeps only letters, digits and '_'",
    "not enough inputs": "the model looks for 'words', which the contract's inputs do not give",
}


@pytest.fixture(scope="module")
def trip(exported: "Exported") -> dict[str, Any]:
    """What the model by contract has answered."""
    answers: dict[str, Any] = exported.answers["trip"]
    return answers


def test_raw_features_by_name_are_what_examples_are(trip: dict[str, Any]) -> None:
    """The same rows give the same answers, missing values included, in either form."""
    assert trip["by name"]["seen"] == trip["by example"]["seen"] == [21111, 3100]
    assert trip["by name"]["p"] == [p for (p,) in trip["by example"]["p"]]


def test_callers_get_the_promised_outputs_and_no_others(trip: dict[str, Any]) -> None:
    """A further output would change the answer's form over REST; the evaluator gets them all."""
    assert trip["by name"].keys() == {"p", "seen"}
    assert trip["by example"].keys() == {"p", "seen", "more"}


def test_the_signature_is_the_contracts(exported: "Exported") -> None:
    """Nothing breaks, and each optional input has the contract's default in the SavedModel."""
    contract = load(HERE / "trip.yaml").value
    signatures = read_signatures(str(exported.directory / "trip"))
    found = against_model(contract, signatures)
    assert {finding.rule for finding in found} == {"model-optional-left-to-client"}
    optional = {name for name, one in contract.inputs.items() if not one.required}
    assert signatures["serving_default"].defaults == optional
    assert signatures["serving_examples"].takes_examples


def test_defaults_hold_for_every_instance(trip: dict[str, Any]) -> None:
    """Asked as over gRPC, without any optional input, three instances get three answers."""
    assert trip["defaults"] == {"p": [1, 2, 3], "seen": [41000, 51000, 61000]}


def test_one_value_of_an_optional_input_holds_for_all(trip: dict[str, Any]) -> None:
    """Sent once in columns, a company and a number of riders are those of both instances."""
    assert trip["one for all"]["seen"] == [27111, 7110]


def test_inputs_of_several_lengths_are_refused_by_name(trip: dict[str, Any]) -> None:
    """A required input is never repeated: the error says which is short, and by how much."""
    expected = "[trip has to have as many values of each input:] [fare] [1] [2]"
    assert expected in trip["too few"]


@pytest.mark.parametrize(
    ("asked", "value"), [("no whole number", "2.5"), ("too large", "1e+30"), ("not finite", "nan")]
)
def test_no_value_is_changed_on_the_way(trip: dict[str, Any], asked: str, value: str) -> None:
    """What a whole number is learned from is refused by name and value unless it is one."""
    assert f"[hour has to be a whole number:] [{value}]" in trip[asked]


@pytest.mark.parametrize("name", MISFITS)
def test_a_model_that_cannot_keep_its_contract_is_not_exported(
    trip: dict[str, Any], name: str
) -> None:
    """Each way in which features or outputs disagree with the contract has its clear error."""
    assert re.search(MISFITS[name], trip["misfits"][name]), trip["misfits"][name]
    assert trip["misfits"].keys() == MISFITS.keys()


def test_models_of_keras_2_and_3_export_alike(exported: "Exported") -> None:
    """Saved by `tf.saved_model.save` with these signatures, each answers as it did before."""
    for expected, answered in exported.answers["keras"].values():
        assert answered == pytest.approx([expected])


@pytest.mark.parametrize(
    ("one", "dtype", "fits"),
    [
        ({"dtype": "float64"}, "float32", True),
        ({"dtype": "float32"}, "int64", True),
        ({"dtype": "bool"}, "int64", True),
        ({"dtype": "uint64"}, "int64", False),
        ({"dtype": "int64"}, "float32", False),
        ({"dtype": "int64", "domain": {"min": 0, "max": 2**24}}, "float32", True),
        ({"dtype": "int64", "domain": {"min": 0, "max": 2**24 + 1}}, "float32", False),
        ({"dtype": "int64", "domain": {"min": 0}}, "float32", False),
        ({"dtype": "int64", "domain": {"values": (1, 2)}}, "float32", True),
        ({"dtype": "int64", "domain": {"values": (1, 2), "open": True}}, "float32", False),
        ({"dtype": "string"}, "int64", False),
        ({"dtype": "float32"}, "string", False),
    ],
)
def test_a_cast_loses_nothing(one: dict[str, Any], dtype: str, fits: bool) -> None:
    """Whether each value of an input has its counterpart in the type that was learned from."""
    assert castable(Input.model_validate(one), dtype) is fits


def test_without_tensorflow_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What writes a model names the extra, and the exit code is that of the environment."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingTensorFlow, match=r"pip install 'lockstep\[tfx\]'") as raised:
        by_name(load(HERE / "trip.yaml").value, dict)
    assert raised.value.exit_code == 7
