"""The part of CEL in which kfp writes conditions and selectors."""

import operator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lockstep.pipelines.engine.expression import ExpressionError, parse

ORDERS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
PARAMETERS = {"i": 3.0, "d": 0.5, "s": "it's", "b": True}


@dataclass(frozen=True)
class Written:
    """An expression as kfp would write it, and what Python says it is."""

    source: str
    value: Any


def quoted(text: str) -> str:
    """Write a text as a CEL literal."""
    return "'" + "".join(f"\\U{ord(c):08x}" if c in "'\\\n\r" else c for c in text) + "'"


integers = st.integers(-(2**31), 2**31).map(lambda n: Written(str(n), n))
numbers = (
    integers
    | st.floats(-1e9, 1e9).map(lambda x: Written(repr(x), x))
    | st.just(Written("int(inputs.parameter_values['i'])", 3))
    | st.just(Written("double(int(inputs.parameter_values['i']))", 3.0))
    | st.just(Written("inputs.parameter_values['d']", 0.5))
)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5).map(
    lambda t: Written(quoted(t), t)
) | st.just(Written("inputs.parameter_values['s']", "it's"))


@st.composite
def comparisons(draw: st.DrawFn) -> Written:
    """Compare two numbers, or two texts."""
    side = draw(st.sampled_from([numbers, texts]))
    left, right, sign = draw(side), draw(side), draw(st.sampled_from(sorted(ORDERS)))
    return Written(f"{left.source} {sign} {right.source}", ORDERS[sign](left.value, right.value))


def _extend(inner: st.SearchStrategy[Written]) -> st.SearchStrategy[Written]:
    pairs = st.tuples(inner, inner)
    return (
        inner.map(lambda w: Written(f"!({w.source})", not w.value))
        | pairs.map(
            lambda p: Written(f"({p[0].source}) && ({p[1].source})", p[0].value and p[1].value)
        )
        | pairs.map(
            lambda p: Written(f"({p[0].source}) || ({p[1].source})", p[0].value or p[1].value)
        )
    )


truths = st.sampled_from(
    [Written("true", True), Written("false", False), Written("inputs.parameter_values['b']", True)]
)
conditions = st.recursive(comparisons() | truths, _extend, max_leaves=6)


@given(conditions)
def test_a_condition_means_what_python_says(condition: Written) -> None:
    """Comparisons, casts, negations and their combinations give Python's own answer."""
    assert parse(condition.source).holds(PARAMETERS) is condition.value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("!(1 == 1) && 1 < 2", False),
        ("!(1 == 2) && !(2 == 3)", True),
        ("1 == 1 || 1 == 2 && 1 == 3", True),
        ("1e3 == 1000.0", True),
        ("-1 < 0", True),
        ("int('7') == 7", True),
        ("int(2.9) == 2", True),
        ("'a' == \"a\"", True),
        (r"'\x41\102\n' == 'AB\n'", True),
        ("inputs.parameter_values['b'] == true", True),
        ("inputs.parameter_values['s'] == 1", False),
        ("inputs.parameter_values['b'] != 1", True),
    ],
)
def test_what_kfp_writes_is_understood(source: str, value: bool) -> None:
    """Precedence, casts, escapes; different types are never equal."""
    assert parse(source).holds(PARAMETERS) is value


def test_a_false_side_decides_whatever_the_other_is() -> None:
    """As in CEL, an error beside a deciding part does not count."""
    missing = "inputs.parameter_values['none'] == 'x'"
    assert parse(f"{missing} && 1 == 2").holds({}) is False
    assert parse(f"1 == 1 || {missing}").holds({}) is True
    with pytest.raises(ExpressionError, match="none"):
        parse(f"{missing} && 1 == 1").holds({})


@pytest.mark.parametrize(
    "source",
    ["'it's' == 'x'", "1 ==", "1 = 1", "(1 == 1", "1 == 1)", "f(1)", "'\\q' == 'q'", "a.1", ""],
)
def test_nonsense_is_refused_at_once(source: str) -> None:
    """What does not parse says so before anything runs."""
    with pytest.raises(ExpressionError):
        parse(source)


@pytest.mark.parametrize("source", ["1 < 'a'", "!1 == 2", "int('x') == 1", "1", "-'a' == 1"])
def test_a_comparison_that_makes_no_sense_is_an_error(source: str) -> None:
    """Types that cannot be compared are told, not guessed."""
    with pytest.raises(ExpressionError):
        parse(source).holds({})


def test_nothing_but_the_given_names_is_in_reach() -> None:
    """An expression is no Python: there is nothing to call and nothing to import."""
    with pytest.raises(ExpressionError):
        parse("__import__('os')")
    with pytest.raises(ExpressionError):
        parse("inputs.__class__ == 1").holds({})


def test_a_selector_takes_a_part_of_a_value() -> None:
    """Loop items and dict parameters are taken apart, at any depth."""
    value = {"a": {"b": [1.0, "x"]}}
    assert parse('parseJson(string_value)["a"]').select(value) == {"b": [1.0, "x"]}
    assert parse('parseJson(string_value)["a"]["b"][1]').select(value) == "x"
    assert parse("struct_value['a']").select(value) == {"b": [1.0, "x"]}
    assert parse("list_value[0]").select([5.0]) == 5.0
    with pytest.raises(ExpressionError, match="'c'"):
        parse('parseJson(string_value)["c"]').select(value)
