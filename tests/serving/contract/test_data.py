"""A sample of data, and a model's answers to it, against a contract (see exported.py)."""

import gzip
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from typer.testing import CliRunner

from lockstep.pipelines.cli.contract import app
from lockstep.serving.contract.checks.data import against_data
from lockstep.serving.contract.checks.sample import read_rows
from lockstep.serving.contract.file import load, loads
from lockstep.serving.contract.model import Contract
from lockstep.serving.contract.rules import RULES
from lockstep.serving.errors import BadSample, Exit, MissingTensorFlow

if TYPE_CHECKING:
    from tests.serving.contract.conftest import Exported

HERE = Path(__file__).parent
TRIP = load(HERE / "trip.yaml").value
ROWS: list[dict[str, Any]] = [
    {"fare": 1.0, "hour": 2, "seconds": 60.0, "company": "a", "history": [1, 2], "words": ["x"]},
    {"fare": 2.0, "hour": 0, "riders": 3, "words": ["x"]},
]
CSV = """fare,hour,seconds,company,riders,history,words,tip
1.0,2,60,a,,"[1, 2]","[""x""]",0.5
2.0,0,,,3,,"[""x""]",
"""


def written(directory: Path, name: str) -> Path:
    """The two rows as a file of one of the formats."""
    texts = {
        "rows.csv": CSV,
        "rows.json": json.dumps([*ROWS[:1], {**ROWS[1], "company": None, "tip": 1}]),
        "request.json": json.dumps({"instances": ROWS}),
        "rows.jsonl": "\n\n".join(map(json.dumps, ROWS)),
    }
    path = directory / name
    path.write_text(texts[name])
    return path


@pytest.mark.parametrize("name", ["rows.csv", "rows.json", "request.json", "rows.jsonl"])
def test_rows_are_the_same_in_every_format(name: str, tmp_path: Path) -> None:
    """Types are the contract's, what is empty or null is missing, what is no input is left out."""
    path = written(tmp_path, name)
    assert read_rows(path, TRIP) == ROWS
    assert read_rows(path, TRIP, most=1) == ROWS[:1]


def check(*options: str | Path) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of `lockstep contract check`, and what it found."""
    words = ["check", *map(str, options), "--format", "json"]
    said = CliRunner().invoke(app, words, catch_exceptions=False)
    return said.exit_code, json.loads(said.output)["findings"]


DATA_CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "right": ({}, set()),
    "left out": ({"fare": None}, {"data-input-missing"}),
    "text": ({"fare": "1"}, {"data-input-type"}),
    "half a rider": ({"riders": 1.5}, {"data-input-type"}),
    "too many riders": ({"riders": 300}, {"data-input-type"}),
    "as a float": ({"riders": 2.0}, set()),
    "a list too long": ({"history": [1, 2, 3]}, {"data-input-type"}),
    "infinite": ({"fare": float("inf")}, {"data-input-not-finite"}),
    "NaN": ({"fare": float("nan")}, {"data-input-not-finite"}),
    "NaN in a list": ({"history": [1, float("nan")]}, {"data-input-not-finite"}),
    "missing by its name": ({"seconds": float("nan")}, set()),
    "outside": ({"hour": 24}, {"data-input-domain"}),
}


@pytest.mark.parametrize("name", DATA_CASES)
def test_rows_are_held_against_the_contract(name: str, tmp_path: Path) -> None:
    """Each way in which data is not what callers may send has its rule; the row is left out."""
    changed, rules = DATA_CASES[name]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in (ROWS[1], {**ROWS[0], **changed})))
    found, sample = against_data(TRIP, read_rows(path, TRIP))
    assert {finding.rule for finding in found} == rules
    assert list(sample) == ([1] if rules else [1, 2])
    assert sample[1]["seconds"] == "NaN"


def test_what_is_often_wrong_is_told_once() -> None:
    """A finding counts the rows, and names the first of them and its value."""
    found, _ = against_data(TRIP, [{"fare": 1.0, "hour": hour} for hour in (1, 25, 2, 26)])
    (finding,) = found
    assert finding.what == "2 of 4 rows; row 2: 25 is above max 23"


@given(st.lists(st.dictionaries(st.sampled_from(["fare", "riders", "company"]), st.floats())))
def test_any_json_rows_are_judged(rows: list[dict[str, float]]) -> None:
    """Whatever numbers come, each row either keeps the contract or has a finding."""
    found, sample = against_data(TRIP, rows)
    assert len(sample) == len(rows) or found


ANSWERS = {
    1: set[str](),
    2: {"data-output-domain"},
    3: {"data-output-not-finite"},
    4: {"data-model-refuses"},
    5: {"data-output-shape"},
}


def test_a_models_answers_are_held_against_the_contract(
    exported: "Exported", tmp_path: Path
) -> None:
    """Too large, NaN, refused, one short: each has its rule; what float32 rounds is no breach."""
    for x, rules in ANSWERS.items():
        path = tmp_path / f"{x}.csv"
        path.write_text(f"x\n{x}\n")
        options = (HERE / "broken.yaml", "--model", exported.directory / "broken", "--data", path)
        code, found = check(*options)
        assert {one["rule"] for one in found} == rules, found
        assert code == (Exit.CONTRACT if rules else Exit.OK)
    shown = {
        rule
        for rules in (*ANSWERS.values(), *(r for _, r in DATA_CASES.values()))
        for rule in rules
    }
    assert shown == {rule.id for rule in RULES.values() if rule.group == "data"}


def test_examples_are_a_sample_too(exported: "Exported") -> None:
    """TFRecords of tf.Examples are the same rows, and the model by contract answers them well."""
    records = exported.directory / "rows.tfrecord.gz"
    filled = [{"riders": 1, "history": [0.0, 0.0], **row} for row in ROWS]
    assert read_rows(records, TRIP) == filled
    options = (HERE / "trip.yaml", "--model", exported.directory / "trip", "--data", records)
    code, found = check(*options)
    assert (code, [one["rule"] for one in found]) == (Exit.OK, ["model-optional-left-to-client"])


def test_a_model_without_the_signature_is_not_asked(exported: "Exported", tmp_path: Path) -> None:
    """One that takes only serialized tf.Examples is told as such, and not judged further."""
    path = written(tmp_path, "rows.csv")
    model = exported.directory / "examples"
    code, found = check(HERE / "trip.yaml", "--model", model, "--data", path)
    assert code == Exit.CONTRACT
    assert [one["rule"] for one in found] == ["model-only-examples"]


BAD = {
    "none.csv": None,
    "empty.csv": b"",
    "header.csv": b"fare\n",
    "ragged.csv": b"fare\n1,2\n",
    "quote.csv": b'fare\n"1\n',
    "bytes.csv": b"fare\n\xff\n",
    "cut.json": b'[{"fare": 1',
    "number.json": b"[1]",
    "object.json": b'{"fare": 1}',
    "deep.json": b"[" * 100_000,
    "lines.jsonl": b'{"fare": 1}\nfare\n',
    "text.tfrecord": b"no records at all, but some text",
    "cut.tfrecord.gz": gzip.compress(b"\x10" + b"\0" * 40)[:-9],
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_sample_is_told(name: str, tmp_path: Path) -> None:
    """Missing, empty, damaged and alien files are refused by name, with the exit code for data."""
    path, data = tmp_path / name, BAD[name]
    if data is not None:
        path.write_bytes(data)
    if "tfrecord" in name:
        pytest.importorskip("tensorflow", reason="TFRecords are read by TensorFlow: extra `tfx`")
    with pytest.raises(BadSample, match=name) as raised:
        read_rows(path, TRIP)
    assert raised.value.exit_code == Exit.DATA


def test_a_directory_is_its_files(tmp_path: Path) -> None:
    """In the order of their names; hidden ones and markers are no data. An empty one is told."""
    with pytest.raises(BadSample, match="has no row"):
        read_rows(tmp_path, TRIP)
    written(tmp_path, "rows.csv")
    written(tmp_path, "request.json")
    (tmp_path / "_SUCCESS").write_text("")
    assert read_rows(tmp_path, TRIP) == ROWS * 2


def test_records_without_tensorflow_say_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows in text need none of it; TFRecords do."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert read_rows(written(tmp_path, "rows.csv"), TRIP) == ROWS
    (tmp_path / "rows.tfrecord").write_bytes(b"0")
    with pytest.raises(MissingTensorFlow, match="is read as TFRecords"):
        read_rows(tmp_path / "rows.tfrecord", TRIP)


def test_whole_numbers_keep_every_digit(tmp_path: Path) -> None:
    """An int64 beyond 2^53 is not read by way of a float."""
    text = b"""
format: lockstep.contract/v1
model: m
version: 1.0.0
inputs: {id: {dtype: int64}}
outputs: {y: {dtype: float32}}
"""
    contract: Contract = loads(text, "m").value
    (tmp_path / "a.csv").write_text("id\n9007199254740993\n3.0\n")
    assert read_rows(tmp_path / "a.csv", contract) == [{"id": 9007199254740993}, {"id": 3}]
