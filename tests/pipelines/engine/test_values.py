"""What Kubeflow does to values on their way between tasks."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lockstep.pipelines.engine.values import convert, read, struct, text, through_store, wire

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)


@given(VALUES)
def test_a_struct_stays_what_it_is(value: Any) -> None:
    """Going through Struct twice is going through it once, and nothing changes in worth."""
    once = struct(value)
    assert struct(once) == once == value
    assert repr(struct(once)) == repr(once)


@given(VALUES)
def test_the_wire_changes_no_value(value: Any) -> None:
    """What a task reads from its ExecutorInput is what was put in."""
    assert struct(json.loads(json.dumps(wire(struct(value))))) == struct(value)


def test_whole_numbers_travel_without_a_fraction() -> None:
    """Kubeflow's launcher writes the double 10.0 as 10: a Python step sees an int."""
    sent = json.dumps(wire(struct({"a": 10, "b": [1.5, 2.0], "c": True})))
    assert sent == '{"a": 10, "b": [1.5, 2], "c": true}'


@given(st.one_of(st.integers(-(2**53), 2**53), st.floats(-1e300, 1e300)))
def test_a_number_survives_as_text(number: float) -> None:
    """A number formatted into a command line reads back as itself, without an exponent."""
    written = text(struct(number))
    assert float(written) == number
    assert "e" not in written


def test_a_dict_as_text_is_written_as_go_does() -> None:
    """Its keys stand in order, and what HTML would take for a tag is escaped."""
    assert text(struct({"b": "<x> & y", "a": 1})) == r'{"a":1,"b":"\u003cx\u003e \u0026 y"}'


@pytest.mark.parametrize(
    ("given", "kind", "value"),
    [
        ("7", "NUMBER_INTEGER", 7.0),
        (" 7\n", "NUMBER_INTEGER", 7.0),
        ("0.5", "NUMBER_DOUBLE", 0.5),
        ("true", "BOOLEAN", True),
        ("False", "BOOLEAN", False),
        ("[1, 2]", "LIST", [1.0, 2.0]),
        ('{"a": 10}', "STRUCT", {"a": 10.0}),
        ("[1", "STRING", "[1"),
    ],
)
def test_text_is_read_by_its_type(given: str, kind: str, value: Any) -> None:
    """Parameters from the command line and from files follow the declared type."""
    assert repr(read(given, kind)) == repr(value)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("7.5", "NUMBER_INTEGER"),
        ("x", "NUMBER_DOUBLE"),
        ("nan", "NUMBER_DOUBLE"),
        ("1", "BOOLEAN"),
        ("{}", "LIST"),
        ("[1", "LIST"),
        ("[]", "STRUCT"),
        ("[" * 100_000, "LIST"),
    ],
)
def test_text_of_another_type_is_refused(given: str, kind: str) -> None:
    """The error says which type it should have been."""
    with pytest.raises(ValueError, match=kind):
        read(given, kind)


def test_only_strings_take_other_types() -> None:
    """A number given to a string input becomes text; a string never becomes a number."""
    assert convert(10.0, "STRING") == "10"
    assert convert({"a": [True]}, "STRING") == '{"a":[true]}'
    for value, kind in [
        ("1", "NUMBER_INTEGER"),
        (True, "NUMBER_DOUBLE"),
        (1.5, "NUMBER_INTEGER"),
        (1, "BOOLEAN"),
    ]:
        with pytest.raises(ValueError, match=kind):
            convert(value, kind)


def test_metadata_loses_what_it_loses_on_kubeflow() -> None:
    """Booleans become numbers, lists and dicts are wrapped, null is refused."""
    kept = through_store({"n": 1, "b": True, "s": "x", "l": [1], "d": {"a": None}})
    assert kept == {
        "n": 1.0,
        "b": 1.0,
        "s": "x",
        "l": {"list": [1.0]},
        "d": {"struct": {"a": None}},
    }
    assert type(kept["b"]) is float
    with pytest.raises(ValueError, match="'x' is null"):
        through_store({"x": None})
