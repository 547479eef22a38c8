"""What a step reads from KFP's ExecutorInput, and what it writes back."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lockstep.components.errors import BadArgument
from lockstep.components.step import Artifact, Results, Step, parse, write

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1)
TEXTS = st.text().filter(lambda text: "{{$" not in text)
VALUES = st.recursive(
    st.booleans() | TEXTS | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, width=32),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def message(parameters: dict[str, Any], /, **outputs: Any) -> str:
    """Write an ExecutorInput."""
    return json.dumps(
        {
            "inputs": {"parameterValues": parameters},
            "outputs": {"outputFile": "executor_output.json", **outputs},
        }
    )


def numbers(value: Any) -> list[int | float]:
    """Every number inside a value."""
    if isinstance(value, dict):
        return [n for inner in value.values() for n in numbers(inner)]
    if isinstance(value, list):
        return [n for inner in value for n in numbers(inner)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_parameters_arrive_with_whole_numbers_whole(parameters: dict[str, Any]) -> None:
    """What a pipeline passes arrives, at any depth; a number that is whole is an `int` again."""
    arrived = parse("trainer", message(parameters))
    assert arrived.parameters == parameters
    whole = [n for n in numbers(dict(arrived.parameters)) if math.isfinite(n) and n == int(n)]
    assert all(isinstance(n, int) for n in whole)


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("{{$.inputs.parameters['store']}}/taxi", "models/taxi"),
        ({"a": ["{{$.inputs.parameters['pipelinechannel--steps']}} steps"]}, {"a": ["10 steps"]}),
        ("{{$.inputs.parameters['flag']}}", True),
        ("is {{$.inputs.parameters['flag']}}", "is true"),
        ("{{$.inputs.parameters['unheard_of']}}", "{{$.inputs.parameters['unheard_of']}}"),
    ],
)
def test_placeholders_left_inside_a_value_are_filled(value: Any, filled: Any) -> None:
    """A launcher fills only values that are one placeholder; the step fills those inside."""
    parameters = {"x": value, "store": "models", "pipelinechannel--steps": 10.0, "flag": True}
    assert parse("pusher", message(parameters)).parameters["x"] == filled


def test_channels_are_not_arguments() -> None:
    """The parameters that kfp adds to carry values into placeholders are not the component's."""
    assert (
        "pipelinechannel--a" not in parse("pusher", message({"pipelinechannel--a": 1})).parameters
    )


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("gs://bucket/a/b", "/gcs/bucket/a/b"),
        ("minio://bucket/a", "/minio/bucket/a"),
        ("s3://bucket/a", "/s3/bucket/a"),
        ("/runs/1/a", "/runs/1/a"),
    ],
)
def test_artifacts_are_read_where_the_launcher_puts_them(uri: str, path: str) -> None:
    """An artifact in a bucket is at the launcher's mount of the bucket, any other at its uri."""
    assert Artifact("a", uri).path == path


def test_an_artifact_without_files_is_not_there(tmp_path: Path) -> None:
    """A missing or empty path means that an optional artifact was not made."""
    assert not Artifact("a", str(tmp_path / "missing")).is_there
    assert not Artifact("a", str(tmp_path)).is_there
    (tmp_path / "file").touch()
    assert Artifact("a", str(tmp_path)).is_there
    assert Artifact("a", str(tmp_path / "file")).is_there


@given(st.text() | st.builds(json.dumps, VALUES))
def test_anything_but_an_executor_input_is_refused(text: str) -> None:
    """Malformed input is the caller's mistake, told in three parts, never a crash."""
    with pytest.raises(BadArgument):
        parse("trainer", text)


@pytest.mark.parametrize(
    "broken",
    [
        {"inputs": {}},
        {"outputs": {}},
        {"inputs": [], "outputs": {"outputFile": "x"}},
        {"inputs": {"artifacts": {"a": {"artifacts": [{}]}}}, "outputs": {"outputFile": "x"}},
        {"outputs": {"outputFile": "x", "parameters": {"a": {}}}},
    ],
)
def test_a_broken_part_is_refused(broken: dict[str, Any]) -> None:
    """An ExecutorInput that lacks what the step needs is refused as a whole."""
    with pytest.raises(BadArgument, match="no ExecutorInput"):
        parse("trainer", json.dumps(broken))


def step_in(directory: Path) -> Step:
    """A step with one output artifact and two output parameters."""
    return parse(
        "champion",
        message(
            {},
            outputFile=str(directory / "deep" / "executor_output.json"),
            artifacts={"model": {"artifacts": [{"name": "n", "uri": str(directory / "model")}]}},
            parameters={
                "found": {"outputFile": str(directory / "out" / "found")},
                "digest": {"outputFile": str(directory / "out" / "digest")},
            },
        ),
    )


def test_an_executor_output_says_what_the_executor_found(tmp_path: Path) -> None:
    """Metadata and parameters are in the message, each parameter also in its own file."""
    results = Results({"model": {"tfx_type": "Model"}}, {"found": True, "digest": "abc"})
    write(step_in(tmp_path), results)
    written = json.loads((tmp_path / "deep" / "executor_output.json").read_text())
    artifact = {"name": "n", "uri": str(tmp_path / "model"), "metadata": {"tfx_type": "Model"}}
    assert written == {
        "artifacts": {"model": {"artifacts": [artifact]}},
        "parameterValues": {"found": True, "digest": "abc"},
    }
    assert (tmp_path / "out" / "found").read_text() == "true"
    assert (tmp_path / "out" / "digest").read_text() == "abc"
    assert not [p for p in tmp_path.rglob(".*")]


def test_numbers_that_json_cannot_hold_are_left_out(tmp_path: Path) -> None:
    """A metric that is no number (the AUC of a slice with one class) does not break the message."""
    write(step_in(tmp_path), Results({"model": {"auc": math.nan, "loss": math.inf, "n": 1}}))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = (tmp_path / "deep" / "executor_output.json").read_text()
    [artifact] = json.loads(text, parse_constant=refuse)["artifacts"]["model"]["artifacts"]
    assert artifact["metadata"] == {"n": 1}


def test_a_message_that_cannot_be_written_leaves_none(tmp_path: Path) -> None:
    """The ExecutorOutput is there whole, or not at all."""
    with pytest.raises(TypeError):
        write(step_in(tmp_path), Results({"model": {"bad": object()}}))
    assert not (tmp_path / "deep").exists()
