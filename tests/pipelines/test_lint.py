"""The lint: its targets, what its rules let pass, and how it tells what it has found."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from lockstep.pipelines import ir
from lockstep.pipelines.errors import DefinitionError, UnknownTarget
from lockstep.pipelines.lint import LintError, check, lint
from lockstep.serving.errors import Exit

GOLDEN = Path(__file__).parents[1] / "golden"


def golden_with_constant(value: object) -> ir.CompiledPipeline:
    """Build a good pipeline in which one constant is `value`."""
    compiled = ir.load(GOLDEN / "policies.yaml")
    shell = compiled.spec["root"]["dag"]["tasks"]["shell"]["inputs"]["parameters"]
    shell["text"] = {"runtimeValue": {"constant": value}}
    return compiled


@pytest.mark.parametrize(
    "path",
    [
        "/data",
        "/home/me/data.csv",
        "/data/span-{SPAN}/*",
        "~/data",
        "~me/data",
        "file:///data",
        "C:\\data",
        "c:/data",
        "\\\\host\\share",
        "/gcs/bucket/data",
        "--temp_location=/tmp/beam",
        '{"filesystem": {"base_directory": "/models"}}',
    ],
)
def test_an_absolute_path_is_known_by_its_look(path: str) -> None:
    """Whatever names a place on one machine only is found, in JSON texts too."""
    assert [found.rule for found in lint(golden_with_constant(path), "portable")] == [
        "absolute-path"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "//",
        "a/b",
        "gs://bucket/data",
        "s3://bucket",
        "package:tfx/data",
        "/v1/models",
        "/v1",
        r"/^[a-z]+$/",
        "~",
        "~1",
        "a: /b",
        "/ or not",
        "{broken",
        "--runner=DirectRunner",
        "",
    ],
)
def test_what_only_looks_like_a_path_passes(text: str) -> None:
    """URLs, routes, regular expressions and separators are no absolute paths."""
    assert lint(golden_with_constant(text), "portable") == []


def test_a_large_double_passes() -> None:
    """A parameter that is a double may be as large as doubles are."""
    compiled = ir.load(GOLDEN / "optional_inputs.yaml")
    compiled.spec["root"]["inputDefinitions"]["parameters"]["rate"]["defaultValue"] = 1e300
    assert lint(compiled, "portable") == []


def test_the_platform_document_is_looked_at() -> None:
    """A channel that the compiler forgot in the platform document is found."""
    compiled = ir.load(GOLDEN / "on_kubernetes.yaml")
    executors = compiled.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    executors["exec-step"]["imagePullPolicy"] = "{{channel:task=;name=a;type=String;}}"
    assert [found.rule for found in lint(compiled, "portable")] == ["unresolved-channel"]


def test_all_findings_are_told_at_once() -> None:
    """The error lists every finding with its task and its rule."""
    compiled = golden_with_constant([None, "/data"])
    with pytest.raises(LintError) as caught:
        check(compiled)
    assert "2 rule(s)" in caught.value.given
    assert "root/shell: text holds None [null-constant]; leave the key out" in caught.value.given
    assert "root/shell: text holds the absolute path '/data' [absolute-path]" in caught.value.given


def test_a_release_is_a_target() -> None:
    """`kfp` is the newest release; an older one refuses what it had not learnt."""
    compiled = ir.load(GOLDEN / "exit_handler.yaml")
    assert lint(compiled, "kfp") == lint(compiled, "kfp-2.14") == []
    assert [found.rule for found in lint(compiled, "kfp-2.5")] == ["final-status"]


@pytest.mark.parametrize(
    "target", ["", "kfp-", "kfp-2.9", "KFP", "vertex-2.5", "argo", "kfp-2.5-x"]
)
def test_an_unknown_target_is_told_with_those_that_are_known(target: str) -> None:
    """It is a mistake in the call, and says what may be called."""
    with pytest.raises(UnknownTarget) as caught:
        lint(ir.load(GOLDEN / "loops.yaml"), target)
    assert caught.value.exit_code == Exit.USAGE
    assert "vertex, kfp (that is kfp-2.17), kfp-2.5" in caught.value.allowed


def test_a_job_is_looked_into() -> None:
    """The JSON that TFX writes and Vertex AI takes is linted like the spec within it."""
    spec = ir.load(GOLDEN / "loops.yaml").spec
    job = json.loads(json.dumps({"pipelineSpec": spec, "runtimeConfig": {}, "labels": {"a": "b"}}))
    assert lint(job, "vertex") == lint(spec, "vertex") == lint(spec, "kfp") == []
    assert [found.rule for found in lint(job, "kfp")] == ["pipeline-job"]


@pytest.mark.parametrize(
    "given",
    [{"root": 1}, {"components": []}, {"root": {"dag": {"tasks": []}}}, {"deploymentSpec": 3}],
)
def test_what_is_no_pipeline_is_said(given: ir.Json) -> None:
    """A document of another shape is a mistake, not a traceback."""
    with pytest.raises(DefinitionError, match="cannot be read"):
        lint(given, "kfp")


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """List the path of every value within a JSON value."""
    inner: Any = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else inner:
        yield (*path, key)
        yield from places(item, (*path, key))


@settings(deadline=None)
@given(st.data())
def test_no_file_makes_the_lint_stumble(data: st.DataObject) -> None:
    """Whatever stands anywhere in a pipeline file, there are findings or one clear mistake."""
    golden = data.draw(st.sampled_from(sorted(GOLDEN.glob("*.yaml"))))
    compiled = ir.load(golden)
    document = {"spec": compiled.spec, "platform": compiled.platform}
    path = data.draw(st.sampled_from([path for path in places(document) if len(path) > 1]))
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = data.draw(
        st.sampled_from([None, 1, "x", "{", [], {}, ["a"], {"a": {"b": []}}, True, 1e400])
    )
    changed = ir.CompiledPipeline(document["spec"], document["platform"])
    with contextlib.suppress(DefinitionError):
        lint(changed, data.draw(st.sampled_from(["portable", "kfp", "vertex"])))
