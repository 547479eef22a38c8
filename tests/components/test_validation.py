"""The steps that look at data: statistics, schema, and validation against it."""

import re
from typing import Any

import pytest

from lockstep.serving.errors import Exit

GOOD = [f"{i},{i / 4},{'cash' if i % 3 else 'card'}" for i in range(40)]
BAD = [f"{'many' if i % 5 == 0 else i},{'barter' if i % 4 == 0 else 'card'},1" for i in range(40)]
FEATURE = re.compile(r'^feature \{\n  name: "(\w+)"', re.MULTILINE)


@pytest.fixture(scope="module")
def good(workshop: Any) -> Any:
    """Ingest data with the features n (whole numbers), f (numbers) and s (two texts)."""
    base = workshop.write("good/trips.csv", "n,f,s", *GOOD)
    return workshop.run("csv_example_gen", input_base=base).outputs["examples"]


@pytest.fixture(scope="module")
def statistics(workshop: Any, good: Any) -> Any:
    """Statistics of the good data."""
    return workshop.run("statistics_gen", {"examples": good}).outputs["statistics"]


@pytest.fixture(scope="module")
def schema(workshop: Any, statistics: Any) -> Any:
    """The good data's schema."""
    return workshop.run("schema_gen", {"statistics": statistics}).outputs["schema"]


@pytest.fixture(scope="module")
def bad(workshop: Any) -> Any:
    """Ingest data in which n has texts, s a new value, f is gone and `extra` has come."""
    base = workshop.write("bad/trips.csv", "n,s,extra", *BAD)
    return workshop.run("csv_example_gen", input_base=base)


@pytest.fixture(scope="module")
def bad_statistics(workshop: Any, bad: Any) -> Any:
    """Statistics of the bad data."""
    examples = bad.outputs["examples"]
    return workshop.run("statistics_gen", {"examples": examples}).outputs["statistics"]


def test_statistics_are_a_page_too(workshop: Any, good: Any) -> None:
    """Every split that is not left out has its statistics, and a page shows every feature."""
    options = {"num_top_values": 1}
    ran = workshop.run(
        "statistics_gen", {"examples": good}, exclude_splits=["eval"], stats_options=options
    )
    assert [p.name for p in ran.path("statistics").iterdir()] == ["Split-train"]
    assert (ran.path("statistics") / "Split-train" / "FeatureStats.pb").stat().st_size
    assert ran.metadata("statistics")["split_names"] == '["train"]'
    page = ran.path("html").read_text()
    assert "cash" in page
    assert "card" not in page, "only the most frequent value was asked for"


def test_unknown_statistics_options_are_refused(workshop: Any, good: Any) -> None:
    """An option that TFDV does not have is named, beside those that it has."""
    ran = workshop.run("statistics_gen", {"examples": good}, stats_options={"num_top": 1})
    assert ran.code == Exit.USAGE
    assert "stats_options: num_top" in ran.error
    assert "num_top_values" in ran.error


def test_a_schema_is_inferred_and_kept(workshop: Any, schema: Any, statistics: Any) -> None:
    """A schema names every feature; the one that people keep comes back as it is."""
    text = (workshop.project / schema["uri"] / "schema.pbtxt").read_text()
    assert FEATURE.findall(text) == ["f", "n", "s"]
    assert "shape {" in text
    free = workshop.run(
        "schema_gen",
        {"statistics": statistics},
        infer_feature_shape=False,
        exclude_splits=["eval"],
    )
    assert "shape {" not in (free.path("schema") / "schema.pbtxt").read_text()
    workshop.write("schema/schema.pbtxt", text)
    kept = workshop.run("import_schema_gen", schema_file="schema/schema.pbtxt")
    assert (kept.path("schema") / "schema.pbtxt").read_text().strip() == text.strip()
    inputs = {"statistics": statistics, "schema": kept.outputs["schema"]}
    assert workshop.run("example_validator", inputs).metadata("anomalies")["anomalies"] == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "there is no file"), ("feature { nme: 'x' }", "nme")],
)
def test_no_schema_is_refused(workshop: Any, content: str | None, says: str) -> None:
    """A schema file that is missing or malformed is named."""
    if content:
        workshop.write("broken/schema.pbtxt", content)
    name = "broken/schema.pbtxt" if content else "schema/missing.pbtxt"
    ran = workshop.run("import_schema_gen", schema_file=name)
    assert ran.code == Exit.DATA
    assert says in ran.error
    assert name in ran.error


def test_anomalies_stop_the_run(workshop: Any, bad_statistics: Any, schema: Any) -> None:
    """Data that does not fit its schema: each feature, its split, and what is wrong with it."""
    inputs = {"statistics": bad_statistics, "schema": schema}
    ran = workshop.run("example_validator", inputs)
    assert ran.code == Exit.DATA
    for split in ("train", "eval"):
        assert f"extra (split {split}): New column" in ran.error
        assert f"f (split {split}): Column dropped" in ran.error
        assert f"n (split {split}): Unexpected data type: Expected" in ran.error
        assert "type: INT but got STRING" in ran.error
        assert f"s (split {split}): Unexpected string values: " in ran.error
    assert "barter" in ran.error
    assert "fail_on_anomalies=False" in ran.error


def test_anomalies_can_be_recorded(workshop: Any, bad_statistics: Any, schema: Any) -> None:
    """As in TFX: the step goes on, the anomalies and a page of them are its outputs."""
    inputs = {"statistics": bad_statistics, "schema": schema}
    ran = workshop.run(
        "example_validator", inputs, fail_on_anomalies=False, exclude_splits=["eval"]
    )
    assert ran.code == Exit.OK
    assert ran.metadata("anomalies")["anomalies"] == 4
    assert [p.name for p in ran.path("anomalies").iterdir()] == ["Split-train"]
    page = ran.path("html").read_text()
    assert all(text in page for text in ("extra", "barter", "Column dropped"))


def test_custom_validations_are_checked(workshop: Any, statistics: Any, schema: Any) -> None:
    """`custom_validation_config` reaches TFDV: a rule of the user's own stops the run too."""
    rule = {
        "sql_expression": "feature.num_stats.max < 2",
        "severity": "ERROR",
        "description": "too dear",
    }
    config = {"feature_validations": [{"feature_path": {"step": ["f"]}, "validations": [rule]}]}
    inputs = {"statistics": statistics, "schema": schema}
    ran = workshop.run("example_validator", inputs, custom_validation_config=config)
    assert ran.code == Exit.DATA
    assert "too dear" in ran.error


def test_a_column_of_another_type_is_named_by_transform(
    workshop: Any, bad: Any, schema: Any
) -> None:
    """Where no validation stood before it, the step that stumbles over the column names it."""
    workshop.write(
        "module.py",
        "def preprocessing_fn(inputs):",
        "    import tensorflow_transform as tft",
        "    return {'scaled': tft.scale_to_z_score(inputs['n'])}",
    )
    inputs = {"examples": bad.outputs["examples"], "schema": schema}
    ran = workshop.run("transform", inputs, module_file="module.py")
    assert ran.code == Exit.STEP_FAILED
    assert 'feature "n"' in ran.error
