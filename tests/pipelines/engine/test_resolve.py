"""Inputs of tasks, and what placeholders stand for."""

import json

import pytest
from hypothesis import given, strategies as st

from lockstep.pipelines.engine.resolve import (
    Placeholders,
    Unresolved,
    fill,
    fill_command,
    fill_nested,
    local_path,
)
from lockstep.pipelines.engine.result import Values

ARTIFACT = {"name": "model", "type": {}, "uri": "gs://b/model", "metadata": {"n": 2.0}}
KNOWN = Placeholders(
    path="train",
    inputs=Values({"s": 'it\'s {{$}} "x"', "n": 3.0, "d": {"a": [1.0]}}, {"model": [ARTIFACT]}),
    facts={"pipeline_job_name": "run-1", "pipeline_task_name": "train"},
    outputs={
        "parameters": {"p": {"outputFile": "/run/p.txt"}},
        "artifacts": {"ds": {"artifacts": [{"name": "ds", "uri": "/run/ds"}]}},
        "outputFile": "/run/out.json",
    },
)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("a {{$.inputs.parameters['s']}} b", 'a it\'s {{$}} "x" b'),
        ("{{$.inputs.parameters['n']}}/{{$.inputs.parameters['d']}}", '3/{"a":[1]}'),
        ("{{$.inputs.artifacts['model'].uri}}", "gs://b/model"),
        ("{{$.inputs.artifacts['model'].path}}", "/gcs/b/model"),
        ("{{$.inputs.artifacts['model'].metadata['n']}}", "2"),
        ("{{$.outputs.artifacts['ds'].path}}", "/run/ds"),
        ("{{$.outputs.parameters['p'].output_file}}", "/run/p.txt"),
        ("{{$.outputs.output_file}} {{$.outputMetadataUri}}", "/run/out.json /run/out.json"),
        ("{{$.pipeline_job_name}}-{{$.pipeline_task_name}}", "run-1-train"),
        ("$HOME; `x` {{ $ }} {}", "$HOME; `x` {{ $ }} {}"),
    ],
)
def test_a_placeholder_stands_for_its_value(template: str, value: str) -> None:
    """Values are put in as they are; what they hold is not looked at again."""
    assert fill(template, KNOWN) == value


def test_the_whole_input_is_one_argument() -> None:
    """`{{$}}` is KFP's ExecutorInput in JSON."""
    (argument,) = fill_command(["{{$}}"], KNOWN)
    content = json.loads(argument)
    assert content["inputs"]["parameterValues"] == {"s": 'it\'s {{$}} "x"', "n": 3, "d": {"a": [1]}}
    assert content["inputs"]["artifacts"]["model"] == {"artifacts": [ARTIFACT]}
    assert content["outputs"] == KNOWN.outputs


@pytest.mark.parametrize(
    "template",
    [
        "{{$.inputs.parameters['none']}}",
        "{{$.inputs.artifacts['none'].uri}}",
        "{{$.workspace_path}}",
        "{{$.json_escape[1]}}",
    ],
)
def test_a_placeholder_for_nothing_is_an_error(template: str) -> None:
    """The error names the task and the placeholder; nothing is left in place unseen."""
    with pytest.raises(Unresolved) as error:
        fill(template, KNOWN)
    assert f"task train: {template}" in str(error.value)


def test_placeholders_inside_a_constant_are_filled() -> None:
    """In dicts and lists, at any depth; other values stay."""
    constant = {
        "base": "{{$.inputs.parameters['n']}}/taxi",
        "list": ["{{$.inputs.parameters['n']}}", 1.0, None],
    }
    assert fill_nested(constant, KNOWN) == {"base": "3/taxi", "list": ["3", 1.0, None]}


def test_optional_arguments_are_there_or_not() -> None:
    """IfPresent gives its arguments only with the input, Concat one argument."""
    present = {"IfPresent": {"InputName": "n", "Then": ["--n", "{{$.inputs.parameters['n']}}"]}}
    absent = {"IfPresent": {"InputName": "none", "Then": ["--none"], "Else": "--default"}}
    nothing = {"IfPresent": {"InputName": "none", "Then": "--none"}}
    joined = {"Concat": ["a=", "{{$.inputs.parameters['n']}}", nothing, {"Concat": ["b", "c"]}]}
    command = ["run", *(json.dumps(part) for part in (present, absent, nothing, joined))]
    assert fill_command(command, KNOWN) == ["run", "--n", "3", "--default", "a=3bc"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_value_breaks_out_of_its_argument(value: str) -> None:
    """Whatever a user passes stays one argument, unread."""
    known = Placeholders("t", Values({"x": value}), {})
    assert fill_command(["--x", "<{{$.inputs.parameters['x']}}>"], known) == ["--x", f"<{value}>"]


def test_object_stores_are_read_where_they_are_mounted() -> None:
    """As on Kubeflow; other addresses are paths."""
    paths = ["gs://b/x", "minio://b/x", "s3://b/x", "/data/x", "data/x"]
    assert [local_path(path) for path in paths] == [
        "/gcs/b/x",
        "/minio/b/x",
        "/s3/b/x",
        "/data/x",
        "data/x",
    ]
