"""The steps that compare data with other data."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from lockstep.serving.errors import Exit

ONE_SPLIT = {"split_config": {"splits": [{"name": "all", "hash_buckets": 1}]}}

BEFORE = [f"{i},{i % 10},{'cash' if i % 2 else 'card'},{i / 8}" for i in range(60)]
NOW = [  # 40 to 59 as before, but for the fare of 40 and the kind of 41; 60 to 69 are new
    *("40,0,card,99", "41,1,gift,5.125"),
    *(f"{i},{i % 10},{'cash' if i % 2 else 'card'},{i / 8}" for i in range(42, 70)),
]
HEADER = "id,n,kind,fare"

KIND = {
    "path": {"step": ["kind"]},
    "distribution_comparator": {"infinity_norm": {"threshold": 0.01}},
}
FARE = {
    "path": {"step": ["fare"]},
    "distribution_comparator": {"jensen_shannon_divergence": {"threshold": 0.9}},
}
IDENTIFIED = {"identifier_features": ["id"], "float_round_ndigits": 3}


def ingest(workshop: Any, name: str, rows: list[str], **parameters: Any) -> Any:
    """Ingest rows; give the examples."""
    base = workshop.write(f"{name}/trips.csv", HEADER, *rows)
    return workshop.run("csv_example_gen", input_base=base, **parameters).outputs["examples"]


def look(workshop: Any, examples: Any) -> Any:
    """Compute statistics."""
    return workshop.run("statistics_gen", {"examples": examples}).outputs["statistics"]


@pytest.fixture(scope="module")
def before(workshop: Any) -> Any:
    """The baseline's examples, in one split."""
    return ingest(workshop, "before", BEFORE, output_config=ONE_SPLIT)


@pytest.fixture(scope="module")
def now(workshop: Any) -> Any:
    """Examples that are to be compared with them."""
    return ingest(workshop, "now", NOW, output_config=ONE_SPLIT)


@pytest.fixture(scope="module")
def statistics(workshop: Any, before: Any, now: Any) -> dict[str, Any]:
    """The inputs of a distribution_validator."""
    return {"statistics": look(workshop, now), "baseline_statistics": look(workshop, before)}


def rows_of(page: Path) -> list[list[str]]:
    """Read the rows of a page's tables."""
    lines = re.split(r"<tr>|</table>", page.read_text())[1:]
    return [
        [unescape(re.sub(r"<.*?>", "", c)).strip() for c in re.split(r"<t[dh].*?>", line)[1:]]
        for line in lines
    ]


def config(*features: Any, **others: Any) -> dict[str, Any]:
    """Make a DistributionValidatorConfig."""
    return {"default_slice_config": {"feature": [*features], **others}}


def test_a_shifted_distribution_stops_the_run(workshop: Any, statistics: Any) -> None:
    """The feature, the splits, the distance and its threshold; other features are not named."""
    ran = workshop.run("distribution_validator", statistics, config=config(KIND, FARE))
    assert ran.code == Exit.DATA
    assert "kind (all against all): High Linfty distance between current and prev" in ran.error
    assert "above the threshold 0.01" in ran.error
    assert "fare" not in ran.error
    assert "fail_on_anomalies=False" in ran.error


def test_shifts_can_be_recorded(workshop: Any, statistics: Any) -> None:
    """As in TFX: the step goes on; anomalies, blessing and a page with every distance remain."""
    ran = workshop.run(
        "distribution_validator",
        statistics,
        config=config(KIND, FARE, num_examples_comparator={"min_fraction_threshold": 0.9}),
        fail_on_anomalies=False,
    )
    assert ran.code == Exit.OK
    said = ran.metadata("anomalies")
    assert said["anomalies"] == 2
    assert json.loads(said["blessed"]) == {"all_all": 0}
    assert (ran.path("anomalies") / "SplitPair-all_all" / "SchemaDiff.pb").stat().st_size
    rows = {(row[0], row[1]): row for row in rows_of(ran.path("html")) if row}
    assert rows["kind", "L-infinity"][2:4] == ["0.03333", "0.01"]
    assert float(rows["fare", "Jensen-Shannon"][2]) < 0.9
    assert "gift (1)" in rows["kind", "L-infinity"][5]
    assert "gift" not in rows["kind", "L-infinity"][6], "that is what the baseline has"
    assert (
        "(whole data set)",
        "Low num examples in current dataset versus the previous span.",
    ) in rows


def test_equal_distributions_pass(workshop: Any, statistics: Any) -> None:
    """Compared with itself a data set has no anomalies."""
    inputs = statistics | {"baseline_statistics": statistics["statistics"]}
    ran = workshop.run("distribution_validator", inputs, config=config(KIND, FARE))
    assert ran.code == Exit.OK
    assert json.loads(ran.metadata("anomalies")["blessed"]) == {"all_all": 1}
    assert "every distance is within its threshold" in ran.path("html").read_text()


def test_a_comparison_that_cannot_be_made_is_an_anomaly(workshop: Any, statistics: Any) -> None:
    """A feature that is not there, or has no such distance, does not pass unseen."""
    nothing = KIND | {"path": {"step": ["nothing"]}}
    ran = workshop.run("distribution_validator", statistics, config=config(nothing))
    assert ran.code == Exit.DATA
    assert "nothing (all against all): Comparison could not be done." in ran.error


def test_without_a_baseline_every_split_passes(workshop: Any, statistics: Any) -> None:
    """The first of all runs has nothing to compare with: an empty baseline is none."""
    (workshop.project / "empty").mkdir()
    empty = {"uri": str(workshop.project / "empty"), "metadata": {}}
    inputs = statistics | {"baseline_statistics": empty}
    ran = workshop.run("distribution_validator", inputs, config=config(KIND))
    assert ran.code == Exit.OK
    assert json.loads(ran.metadata("anomalies")["blessed"]) == {"all": 2}
    assert "There is no baseline" in ran.path("html").read_text()


@pytest.mark.parametrize("pairs", [[["all", "eval"]], ["all"], [["all", "all"], ["all", "all"]]])
def test_pairs_that_are_none_are_refused(workshop: Any, statistics: Any, pairs: Any) -> None:
    """What was given, and the pairs that there are."""
    ran = workshop.run(
        "distribution_validator", statistics, config=config(KIND), include_split_pairs=pairs
    )
    assert ran.code == Exit.USAGE
    assert "of these: [['all', 'all']]" in ran.error


def test_differences_are_those_between_the_examples(workshop: Any, now: Any, before: Any) -> None:
    """Which examples, features and values differ, and on which side each of them is."""
    paired = IDENTIFIED | {
        "skew_sample_size": 5,
        "confusion_config": [{"feature_name": "kind"}],
    }
    ran = workshop.run(
        "example_diff",
        {"examples_test": now, "examples_base": before},
        config={"paired_example_skew": paired},
    )
    assert ran.code == Exit.OK, ran.log
    assert [p.name for p in ran.path("example_diff_result").iterdir()] == ["SplitPair-all_all"]
    assert ran.metadata("example_diff_result")["differences_all_all"] == 2
    rows = rows_of(ran.path("html"))
    assert ["with an identifier", "30", "60"] in rows
    assert ["on one side only", "10", "40"] in rows
    assert ["fare", "19", "1", "0", "0"] in rows
    assert ["kind", "19", "1", "0", "0"] in rows
    assert ["n", "20", "0", "0", "0"] in rows
    assert ["kind", "gift", "cash", "1"] in rows
    assert sorted(row[1:] for row in rows if row[1:2] in (["fare"], ["kind"])) == [
        ["fare", "99", "5"],
        ["kind", "gift", "cash"],
    ]


def test_features_of_one_side_are_told_apart(workshop: Any, before: Any) -> None:
    """A feature that only the new examples have is theirs, not the baseline's."""
    base = workshop.write("more/trips.csv", f"{HEADER},extra", *(f"{row},1" for row in BEFORE))
    more = workshop.run("csv_example_gen", input_base=base, output_config=ONE_SPLIT)
    inputs = {"examples_test": more.outputs["examples"], "examples_base": before}
    ran = workshop.run("example_diff", inputs, config={"paired_example_skew": IDENTIFIED})
    assert ["extra", "0", "0", "60", "0"] in rows_of(ran.path("html"))


def test_examples_need_an_identifier(workshop: Any, now: Any, before: Any) -> None:
    """Without one it is not known which examples belong together."""
    inputs = {"examples_test": now, "examples_base": before}
    ran = workshop.run("example_diff", inputs, config={"paired_example_skew": {}})
    assert ran.code == Exit.USAGE
    assert "no identifier_features" in ran.error


def test_nothing_to_compare_with_is_named(workshop: Any, now: Any) -> None:
    """Examples are not compared with an empty directory: the input is named."""
    (workshop.project / "void").mkdir()
    void = {"uri": str(workshop.project / "void"), "metadata": {}}
    inputs = {"examples_test": now, "examples_base": void}
    ran = workshop.run("example_diff", inputs, config={"paired_example_skew": IDENTIFIED})
    assert ran.code == Exit.DATA
    assert "examples_base has no splits" in ran.error


def test_every_split_is_compared_with_every_one(workshop: Any, before: Any) -> None:
    """Unless pairs are given, as TFX does it; the same examples have no differences."""
    halves = ingest(workshop, "halves", BEFORE)
    inputs = {"examples_test": halves, "examples_base": before}
    paired = {"paired_example_skew": IDENTIFIED}
    ran = workshop.run("example_diff", inputs, config=paired)
    said = ran.metadata("example_diff_result")
    assert (said["differences_train_all"], said["differences_eval_all"]) == (0, 0)
    page = ran.path("html").read_text()
    assert page.count("No differences") == 2
    one = workshop.run("example_diff", inputs, config=paired, include_split_pairs=[["eval", "all"]])
    assert [p.name for p in one.path("example_diff_result").iterdir()] == ["SplitPair-eval_all"]
