"""The parameters of a run."""

import pytest

from lockstep.pipelines.engine.parameters import bind, from_text
from lockstep.pipelines.errors import BadParameter, CannotRunHere
from lockstep.serving.errors import Exit

INPUTS = {
    "parameters": {
        "steps": {"parameterType": "NUMBER_INTEGER"},
        "rate": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.5, "isOptional": True},
        "name": {"parameterType": "STRING", "isOptional": True},
        "splits": {"parameterType": "LIST", "defaultValue": [1, 2], "isOptional": True},
    }
}


def test_parameters_take_their_value_or_their_default() -> None:
    """What is given counts, then the default; an optional one may be absent."""
    values = bind(INPUTS, from_text(INPUTS, {"steps": "3", "splits": "[3]"}))
    assert values == {"steps": 3.0, "rate": 0.5, "splits": [3.0]}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"step": "3"}, ["'step'", "steps (NUMBER_INTEGER)", "did you mean 'steps'?"]),
        ({"zzz": "3"}, ["'zzz'", "rate", "choose one"]),
        ({"steps": "3.5"}, ["'steps'", "'3.5' is no NUMBER_INTEGER", "a whole number"]),
        ({"steps": "3", "splits": "3"}, ["'splits'", "a JSON list"]),
        ({}, ["no value for the parameter 'steps'", "--param steps=VALUE"]),
    ],
)
def test_a_wrong_parameter_is_told_before_anything_starts(
    given: dict[str, str], words: list[str]
) -> None:
    """Unknown, of the wrong type, or missing: each error says what is allowed."""
    with pytest.raises(BadParameter) as error:
        bind(INPUTS, from_text(INPUTS, given))
    assert all(word in str(error.value) for word in words), str(error.value)
    assert error.value.exit_code is Exit.USAGE


def test_values_from_python_are_checked_like_text() -> None:
    """A string is no number, and a number no string."""
    for values in ({"steps": "3"}, {"steps": 1, "name": 3}, {"steps": True}):
        with pytest.raises(BadParameter):
            bind(INPUTS, values)


def test_a_pipeline_that_wants_an_artifact_cannot_run_here() -> None:
    """Only parameters can be given to a run."""
    with pytest.raises(CannotRunHere, match="'data'"):
        bind({"artifacts": {"data": {}}}, {})
    assert bind({"artifacts": {"data": {"isOptional": True}}}, {}) == {}
