"""Old and new contracts side by side, and the verdict of every rule that applies."""

import json
from copy import deepcopy
from datetime import date
from typing import Any, Final, NamedTuple

import pytest

from lockstep.serving.contract.diff.contracts import diff
from lockstep.serving.contract.file import loads
from lockstep.serving.contract.model import Contract
from lockstep.serving.contract.rules import RULES

TODAY: Final = date(2027, 1, 1)
GONE: Final = object()

BASE: Final[dict[str, Any]] = {
    "format": "lockstep.contract/v1",
    "model": "taxi",
    "version": "1.0.0",
    "description": "Will there be a tip?",
    "inputs": {
        "miles": {
            "dtype": "float32",
            "domain": {"min": 0, "max": 100},
            "unit": "mi",
            "meaning": "Length of the trip.",
            "sensitivity": "internal",
        },
        "hour": {"dtype": "int32", "default": 12, "domain": {"min": 0, "max": 23}},
        "payment": {"dtype": "string", "domain": {"values": ["cash", "card"]}},
        "company": {"dtype": "string", "domain": {"values": ["a", "b"], "open": True}},
        "zone": {"dtype": "string", "domain": {"pattern": "[A-Z]{2}"}},
        "history": {"dtype": "float32", "shape": [3]},
        "old": {"dtype": "int64", "deprecated": {"sunset": "2027-06-30", "instead": "hour"}},
    },
    "outputs": {
        "probability": {"dtype": "float32", "domain": {"min": 0, "max": 1}, "meaning": "Of a tip."},
        "label": {"dtype": "string", "domain": {"values": ["yes", "no"]}},
        "scores": {"dtype": "float32", "shape": [-1]},
        "rank": {"dtype": "int32", "deprecated": {"sunset": "2026-12-31"}},
    },
    "service": {
        "p99_ms": 50,
        "concurrency": 8,
        "requests_per_second": 100,
        "max_instances": 64,
        "availability_percent": 99.5,
    },
    "consumers": [{"application": "app", "inputs": ["miles"], "outputs": ["probability"]}],
}


class Pair(NamedTuple):
    """What is changed in the new contract, what in the old one, and what the diff then says."""

    new: dict[str, Any]
    rules: set[str]
    old: dict[str, Any] = {}  # noqa: RUF012 - it is never changed


REST: Final = {"transports": ["rest"]}
ONE: Final = {f"outputs.{name}": GONE for name in ("label", "scores", "rank")}
NEW: Final = {"dtype": "int64"}
TWIN: Final = {"dtype": "string", "domain": {"pattern": "[A-Z]{2}"}}
LABELS: Final = {"dtype": "string", "domain": {"values": ["yes", "no"]}}

PAIRS: Final[dict[str, Pair]] = {
    "nothing": Pair({}, set()),
    "another name": Pair({"model": "cab"}, {"model-renamed"}),
    "another signature": Pair({"signature": "v2"}, {"signature-changed"}),
    "grpc is gone": Pair(REST, {"transport-removed"}),
    "grpc has come": Pair({"transports": ["rest", "grpc"]}, {"transport-added"}, REST),
    "required input": Pair({"inputs.new": NEW}, {"input-added-required"}),
    "optional input": Pair({"inputs.new": {**NEW, "default": 0}}, {"input-added-optional"}),
    "input gone": Pair({"inputs.history": GONE}, {"input-removed"}),
    "input gone before its sunset": Pair({"inputs.old": GONE}, {"input-removed"}),
    "input gone after its sunset": Pair(
        {"inputs.old": GONE},
        {"input-removed-after-sunset"},
        {"inputs.old.deprecated.sunset": "2027-01-01"},
    ),
    "input renamed": Pair({"inputs.zone": GONE, "inputs.area": TWIN}, {"input-renamed"}),
    "input replaced": Pair(
        {"inputs.zone": GONE, "inputs.area": NEW}, {"input-removed", "input-added-required"}
    ),
    "two twins of one that is gone": Pair(
        {"inputs.zone": GONE, "inputs.area": TWIN, "inputs.region": TWIN},
        {"input-removed", "input-added-required"},
    ),
    "input made required": Pair({"inputs.hour.default": GONE}, {"input-made-required"}),
    "input made optional": Pair({"inputs.miles.default": 1.5}, {"input-made-optional"}),
    "another default": Pair({"inputs.hour.default": 13}, {"input-default-changed"}),
    "another missing value": Pair(
        {"inputs.miles.default": 0}, {"input-default-changed"}, {"inputs.miles.default": "NaN"}
    ),
    "input widened over rest": Pair(
        {**REST, "inputs.hour.dtype": "int64"}, {"input-dtype-widened"}, REST
    ),
    "input widened over both": Pair({"inputs.hour.dtype": "int64"}, {"input-dtype-widened-grpc"}),
    "integer to exact float": Pair(
        {**REST, "inputs.hour.dtype": "float64"}, {"input-dtype-widened"}, REST
    ),
    "integer to rough float": Pair(
        {**REST, "inputs.hour.dtype": "float32"}, {"input-dtype-changed"}, REST
    ),
    "input narrowed": Pair({**REST, "inputs.hour.dtype": "int8"}, {"input-dtype-changed"}, REST),
    "input of another kind": Pair({"inputs.old.dtype": "string"}, {"input-dtype-changed"}),
    "input of any size": Pair({"inputs.history.shape": [-1]}, {"input-shape-widened"}),
    "input of another size": Pair({"inputs.history.shape": [4]}, {"input-shape-changed"}),
    "input of another rank": Pair({"inputs.miles.shape": [1]}, {"input-shape-changed"}),
    "wider range": Pair({"inputs.miles.domain.max": 200}, {"input-domain-widened"}),
    "no range": Pair({"inputs.miles.domain": GONE}, {"input-domain-widened"}),
    "narrower range": Pair({"inputs.miles.domain.max": 50}, {"input-domain-narrowed"}),
    "shifted range": Pair(
        {"inputs.miles.domain": {"min": 1, "max": 200}}, {"input-domain-narrowed"}
    ),
    "first range": Pair({"inputs.history.domain": {"min": 0}}, {"input-domain-narrowed"}),
    "more values": Pair(
        {"inputs.payment.domain.values": ["cash", "card", "app"]}, {"input-vocabulary-widened"}
    ),
    "the same values in another order": Pair(
        {"inputs.payment.domain.values": ["card", "cash"]}, set()
    ),
    "fewer values": Pair({"inputs.payment.domain.values": ["card"]}, {"input-vocabulary-narrowed"}),
    "vocabulary opened": Pair({"inputs.payment.domain.open": True}, {"input-vocabulary-widened"}),
    "vocabulary closed": Pair({"inputs.company.domain.open": GONE}, {"input-vocabulary-narrowed"}),
    "known value forgotten": Pair(
        {"inputs.company.domain.values": ["a"]}, {"input-values-unknown"}
    ),
    "vocabulary stated": Pair(
        {"inputs.company.domain": BASE["inputs"]["company"]["domain"]},
        {"input-values-unknown"},
        {"inputs.company.domain": GONE},
    ),
    "range to all its values": Pair({"inputs.hour.domain": {"values": list(range(24))}}, set()),
    "range to more than its values": Pair(
        {"inputs.hour.domain": {"values": list(range(25))}}, {"input-domain-widened"}
    ),
    "values to a pattern they match": Pair(
        {"inputs.payment.domain": {"pattern": "ca.*"}}, {"input-domain-widened"}
    ),
    "another pattern": Pair({"inputs.zone.domain.pattern": "[A-Z]+"}, {"input-domain-narrowed"}),
    "another unit": Pair({"inputs.miles.unit": "km"}, {"unit-changed"}),
    "first unit": Pair({"inputs.history.unit": "mi"}, {"unit-stated"}),
    "no unit": Pair({"inputs.miles.unit": GONE}, {"unit-dropped"}),
    "another meaning": Pair({"inputs.miles.meaning": "Way to the passenger."}, {"meaning-changed"}),
    "first meaning": Pair({"outputs.label.meaning": "The verdict."}, {"meaning-stated"}),
    "no meaning": Pair({"outputs.probability.meaning": GONE}, {"meaning-dropped"}),
    "more sensitive": Pair({"inputs.miles.sensitivity": "personal"}, {"sensitivity-raised"}),
    "first sensitivity": Pair({"inputs.zone.sensitivity": "public"}, {"sensitivity-raised"}),
    "less sensitive": Pair({"inputs.miles.sensitivity": "public"}, {"sensitivity-lowered"}),
    "output added": Pair({"outputs.new": NEW}, {"output-added"}),
    "second output": Pair({"outputs.new": NEW}, {"output-added", "output-added-to-one"}, ONE),
    "second output without rest": Pair(
        {"transports": ["grpc"], "outputs.new": NEW},
        {"output-added"},
        {"transports": ["grpc"], **ONE},
    ),
    "output gone": Pair({"outputs.label": GONE}, {"output-removed"}),
    "output gone after its sunset": Pair({"outputs.rank": GONE}, {"output-removed-after-sunset"}),
    "one output left": Pair(
        ONE, {"output-removed", "output-removed-after-sunset", "output-removed-to-one"}
    ),
    "output renamed": Pair({"outputs.label": GONE, "outputs.tip": LABELS}, {"output-renamed"}),
    "output narrowed over rest": Pair(
        {**REST, "outputs.rank.dtype": "int8"}, {"output-dtype-narrowed"}, REST
    ),
    "output narrowed over both": Pair(
        {"outputs.rank.dtype": "int8"}, {"output-dtype-narrowed-grpc"}
    ),
    "output widened": Pair(
        {**REST, "outputs.probability.dtype": "float64"}, {"output-dtype-changed"}, REST
    ),
    "output of one size": Pair({"outputs.scores.shape": [5]}, {"output-shape-narrowed"}),
    "output of another rank": Pair({"outputs.probability.shape": [1]}, {"output-shape-changed"}),
    "fewer answers": Pair({"outputs.probability.domain.max": 0.9}, {"output-domain-narrowed"}),
    "first range of answers": Pair(
        {"outputs.scores.domain": {"min": 0}}, {"output-domain-narrowed"}
    ),
    "more answers": Pair({"outputs.probability.domain.max": 2}, {"output-domain-widened"}),
    "no range of answers": Pair({"outputs.probability.domain": GONE}, {"output-domain-widened"}),
    "fewer labels": Pair({"outputs.label.domain.values": ["no"]}, {"output-vocabulary-narrowed"}),
    "more labels": Pair(
        {"outputs.label.domain.values": ["yes", "no", "?"]}, {"output-vocabulary-widened"}
    ),
    "open labels more": Pair(
        {"outputs.label.domain": {"values": ["yes", "no", "?"], "open": True}},
        {"output-vocabulary-widened"},
        {"outputs.label.domain": {"values": ["yes", "no"], "open": True}},
    ),
    "open labels no longer said": Pair(
        {"outputs.label.domain": {"pattern": ".*"}},
        {"output-vocabulary-widened"},
        {"outputs.label.domain": {"values": ["yes", "no"], "open": True}},
    ),
    "calibrated": Pair({"outputs.probability.calibrated": True}, {"calibration-changed"}),
    "slower": Pair({"service.p99_ms": 80}, {"latency-loosened"}),
    "at less load": Pair({"service.concurrency": 4}, {"latency-loosened"}),
    "faster": Pair({"service.p99_ms": 20}, {"service-tightened"}),
    "no latency": Pair({"service.p99_ms": GONE, "service.concurrency": GONE}, {"latency-loosened"}),
    "first median": Pair({"service.p50_ms": 9}, {"service-tightened"}),
    "less throughput": Pair({"service.requests_per_second": 50}, {"throughput-lowered"}),
    "more throughput": Pair({"service.requests_per_second": 200}, {"service-tightened"}),
    "less availability": Pair({"service.availability_percent": 99}, {"availability-lowered"}),
    "smaller requests": Pair({"service.max_instances": 32}, {"payload-lowered"}),
    "first limit": Pair({"service.max_request_bytes": 10_000}, {"payload-lowered"}),
    "no limit": Pair({"service.max_instances": GONE}, {"service-tightened"}),
    "announced": Pair({"inputs.hour.deprecated": {"sunset": "2028-01-01"}}, {"deprecated"}),
    "the model will go": Pair({"deprecated": {"sunset": "2028-01-01"}}, {"deprecated"}),
    "earlier": Pair({"inputs.old.deprecated.sunset": "2027-02-01"}, {"sunset-earlier"}),
    "later": Pair({"inputs.old.deprecated.sunset": "2027-12-31"}, {"sunset-later"}),
    "withdrawn": Pair({"inputs.old.deprecated": GONE}, {"sunset-later"}),
    "another replacement": Pair({"inputs.old.deprecated.instead": "zone"}, {"text-changed"}),
    "a consumer more": Pair(
        {"consumers": [*BASE["consumers"], {"application": "web"}]}, {"consumers-changed"}
    ),
    "a consumer's change": Pair({"consumers": [{"application": "app"}]}, {"consumers-changed"}),
    "other owners": Pair({"owners": [{"team": "ml"}]}, {"text-changed"}),
    "another description": Pair({"description": "A tip?"}, {"text-changed"}),
    "break as a minor version": Pair(
        {"model": "cab", "version": "1.9.0"}, {"model-renamed", "version-too-small"}
    ),
    "risk as a patch": Pair(
        {"inputs.hour.default": 13, "version": "1.0.1"},
        {"input-default-changed", "version-too-small"},
    ),
    "addition as a patch": Pair(
        {"outputs.new": NEW, "version": "1.0.1"}, {"output-added", "version-too-small"}
    ),
    "widening as a patch": Pair(
        {"inputs.miles.domain.max": 200, "version": "1.0.1"}, {"input-domain-widened"}
    ),
    "change without a version": Pair(
        {"description": "A tip?", "version": "1.0.0"}, {"text-changed", "version-too-small"}
    ),
    "break before 1.0.0": Pair(
        {"model": "cab", "version": "0.2.0"}, {"model-renamed"}, {"version": "0.1.0"}
    ),
    "break as a patch before 1.0.0": Pair(
        {"model": "cab", "version": "0.1.1"},
        {"model-renamed", "version-too-small"},
        {"version": "0.1.0"},
    ),
    "an older version": Pair({"version": "0.9.0"}, {"version-lowered"}),
}


def contract(*edits: dict[str, Any]) -> Contract:
    """The base contract with some places changed, each named by its dotted path."""
    data = deepcopy(BASE)
    for path, value in [item for edit in edits for item in edit.items()]:
        *outer, last = path.split(".")
        part = data
        for step in outer:
            part = part[step]
        if value is GONE:
            del part[last]
        else:
            part[last] = value
    return loads(json.dumps(data).encode(), "contract").value


@pytest.mark.parametrize("name", PAIRS)
def test_each_change_meets_its_rules(name: str) -> None:
    """A changed contract is judged by exactly the rules that say so."""
    pair = PAIRS[name]
    bumped = {} if "version" in pair.new or not pair.rules else {"version": "2.0.0"}
    new = contract({k: v for k, v in pair.old.items() if k not in pair.new}, bumped, pair.new)
    found = diff(contract(pair.old), new, today=TODAY)
    assert {finding.rule for finding in found} == pair.rules


def test_the_table_has_every_rule() -> None:
    """Each rule of the diff is shown by a pair at least."""
    shown = {rule for pair in PAIRS.values() for rule in pair.rules}
    assert shown == {rule.id for rule in RULES.values() if rule.group == "diff"}
    assert len(PAIRS) >= 40


def test_a_finding_names_who_is_hit() -> None:
    """A break names the applications that use the part, and a harmless change nobody."""
    (hit,) = diff(
        contract(), contract({"inputs.miles.unit": "km", "version": "2.0.0"}), today=TODAY
    )
    (missed,) = diff(contract(), contract({"inputs.zone": GONE, "version": "2.0.0"}), today=TODAY)
    assert (hit.consumers, missed.consumers) == (("app",), ())
    assert hit.where == "inputs.miles.unit"
