"""What holds for the diff of any contracts: of one, of two there and back, of three in a row."""

from dataclasses import replace
from datetime import date
from typing import Any, Final

from hypothesis import HealthCheck, assume, given, settings, strategies as st

from lockstep.serving.contract.diff.contracts import diff
from lockstep.serving.contract.domain import Domain
from lockstep.serving.contract.file import dump, dump_json, loads
from lockstep.serving.contract.findings.finding import worst
from lockstep.serving.contract.model import (
    FORMAT,
    Consumer,
    Contract,
    Deprecation,
    Input,
    Output,
    ServiceLevel,
)

TODAY: Final = date(2027, 1, 1)

NUMBERS: Final = ("int32", "int64", "float32", "float64")
RANGES: Final = [Domain(min=0), Domain(min=0, max=1), Domain(min=0, max=3), Domain(values=(0, 1))]
WORDS: Final = [
    Domain(values=("a",)),
    Domain(values=("a", "b")),
    Domain(values=("a", "b"), open=True),
    Domain(values=("b",), open=True),
    Domain(pattern="[a-z]"),
    Domain(pattern=".*"),
]
SUNSETS: Final = [None, *(Deprecation(sunset=date(2026 + n, 6, 1)) for n in range(3))]


def either(*values: Any) -> st.SearchStrategy[Any]:
    """One of a few values, so that two draws often agree."""
    return st.sampled_from(values)


@st.composite
def tensor(draw: st.DrawFn, *, taken: bool) -> Input | Output:
    """An input (`taken`) or an output."""
    dtype = draw(either("string", *NUMBERS))
    text = dtype == "string"
    facts: dict[str, Any] = {
        "dtype": dtype,
        "shape": draw(either((), (-1,), (2,), (3,))),
        "domain": draw(either(None, *(WORDS if text else RANGES))),
        "unit": draw(either(None, "mi", "km")),
        "meaning": draw(either(None, "This.", "That.")),
        "sensitivity": draw(either(None, "public", "personal")),
        "deprecated": draw(either(*SUNSETS)),
    }
    if not taken:
        return Output(**facts, calibrated=draw(st.booleans()))
    default = draw(either(None, "a" if text else 1)) if facts["shape"] == () else None
    known = not text or not facts["domain"] or "a" in (facts["domain"].values or "a")
    return Input(**facts, default=default if known or facts["domain"].open else None)


@st.composite
def service(draw: st.DrawFn) -> ServiceLevel:
    """A service level."""
    p99_ms = draw(either(None, 10.0, 20.0))
    return ServiceLevel(
        p99_ms=p99_ms,
        concurrency=draw(either(1, 8)) if p99_ms else None,
        requests_per_second=draw(either(None, 10.0, 20.0)),
        max_instances=draw(either(None, 10, 20)),
        availability_percent=draw(either(None, 99.0, 99.9)),
    )


PARTS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "model": either("taxi", "cab"),
    "signature": either("serving_default", "other"),
    "transports": either(("rest",), ("grpc",), ("rest", "grpc")),
    "service": service(),
    "description": either(None, "One.", "Two."),
    "consumers": either((), (Consumer(application="app"),)),
    "deprecated": either(*SUNSETS),
}


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Any contract of few names and values."""
    some_inputs: st.SearchStrategy[Any] = st.dictionaries(
        either("x", "y", "z"), tensor(taken=True), min_size=1
    )
    some_outputs: st.SearchStrategy[Any] = st.dictionaries(
        either("p", "q", "r"), tensor(taken=False), min_size=1
    )
    parts = {name: draw(strategy) for name, strategy in PARTS.items()}
    return Contract(
        format=FORMAT,
        version="1.0.0",
        inputs=draw(some_inputs),
        outputs=draw(some_outputs),
        **parts,
    )


@st.composite
def changed(draw: st.DrawFn, old: Contract) -> Contract:
    """A contract with one part of it drawn again, and the next minor version."""
    major, minor, _ = old.version.split(".")
    update: dict[str, Any] = {"version": f"{major}.{int(minor) + 1}.0"}
    side = draw(either("inputs", "outputs", "inputs", "outputs", *PARTS))
    if side in PARTS:
        return old.model_copy(update=update | {side: draw(PARTS[side])})
    tensors = dict(getattr(old, side))
    name = draw(either(*({"inputs": "xyz", "outputs": "pqr"}[side])))
    fresh = draw(tensor(taken=side == "inputs"))
    if name in tensors:  # one field of it
        field = draw(either(*type(fresh).model_fields))
        value = getattr(fresh, field)
        fresh = tensors[name].model_copy(update={field: value})
        assume(valid(fresh))
    return old.model_copy(update=update | {side: {**tensors, name: fresh}})


def valid(one: Input | Output) -> bool:
    """Whether a copy with another field could have been read from a file."""
    try:
        type(one).model_validate_json(one.model_dump_json())
    except ValueError:
        return False
    return True


@settings(deadline=None, max_examples=50)
@given(contracts())
def test_a_contract_does_not_differ_from_itself(contract: Contract) -> None:
    """Nothing is found between a contract and itself."""
    assert diff(contract, contract, today=TODAY) == ()


@settings(deadline=None, max_examples=50)
@given(contracts())
def test_a_contract_survives_its_files(contract: Contract) -> None:
    """What is written, as YAML or as JSON, is read back the same."""
    assert loads(dump(contract).encode(), "yaml").value == contract
    assert loads(dump_json(contract), "json").value == contract


BACK: Final = {
    "widened": {"narrowed", "changed", "unknown"},
    "narrowed": {"widened", "changed", "unknown"},
    "unknown": {"widened", "narrowed", "unknown"},
    "grpc": {"grpc", "changed"},
    "changed": {"changed", "widened", "narrowed", "grpc"},
    "required": {"optional", "removed", "sunset"},
    "optional": {"required", "removed", "sunset"},
    "added": {"removed", "sunset"},
    "removed": {"required", "optional", "added"},
    "sunset": {"required", "optional", "added"},
    "one": {"one"},
    "renamed": {"renamed"},
    "stated": {"dropped"},
    "dropped": {"stated"},
    "raised": {"lowered"},
    "lowered": {"raised", "tightened"},
    "loosened": {"tightened", "loosened"},
    "tightened": {"loosened", "lowered"},
    "deprecated": {"later"},
    "earlier": {"later"},
    "later": {"deprecated", "earlier"},
}
"""By the last word of a rule's id: the last words of those that may judge the way back."""


@settings(deadline=None, max_examples=50)
@given(contracts(), st.data())
def test_the_way_back_is_judged_by_the_opposite_rules(old: Contract, data: st.DataObject) -> None:
    """A change and its inverse meet opposite rules at the same places, and not both harmlessly."""
    new = data.draw(changed(old)).model_copy(update={"version": old.version})
    there = [f for f in diff(old, new, today=TODAY) if not f.rule.startswith("version-")]
    back = [f for f in diff(new, old, today=TODAY) if not f.rule.startswith("version-")]
    renamed = [f for f in there if f.rule.endswith("-renamed")]
    assert bool(there) == bool(back)
    if not renamed:
        assert {f.where for f in there} == {f.where for f in back}
    for one in there:
        word = one.rule.rpartition("-")[2]
        opposite = {f.rule.rpartition("-")[2] for f in back if f.where == one.where or renamed}
        assert opposite & BACK[word], (one, back)
    if worst(there) == worst(back) == "compatible":
        harmless = {"text-changed", "consumers-changed", "sunset-later", "transport-added"}
        both_ways = {f.rule for f in there} | {f.rule for f in back}
        assert both_ways <= harmless, (there, back)


@settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(contracts(), st.data())
def test_two_compatible_changes_are_one(old: Contract, data: st.DataObject) -> None:
    """What is compatible step by step is compatible at once, with no more said of the version."""
    between = data.draw(changed(old))
    assume(worst(diff(old, between, today=TODAY)) in (None, "compatible"))
    new = data.draw(changed(between))
    assume(worst(diff(between, new, today=TODAY)) in (None, "compatible"))
    assert worst(diff(old, new, today=TODAY)) in (None, "compatible")


@settings(deadline=None, max_examples=50)
@given(contracts(), st.data())
def test_a_large_enough_version_is_accepted(old: Contract, data: st.DataObject) -> None:
    """The next major version is enough for any change, and an unchanged one only for none."""
    new = data.draw(changed(old))
    major = diff(old, new.model_copy(update={"version": "2.0.0"}), today=TODAY)
    same = diff(old, new.model_copy(update={"version": "1.0.0"}), today=TODAY)
    assert "version-too-small" not in {f.rule for f in major}
    assert bool(major) == ("version-too-small" in {f.rule for f in same})
    assert [replace(f) for f in major] == [f for f in same if f.rule != "version-too-small"]
