"""The lint: one pipeline per rule that breaks it, and what each rule lets pass."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from lockstep.pipelines import ir
from lockstep.pipelines.compile import compile_pipeline
from lockstep.pipelines.lint import RULES, LintError, check, lint

GOLDEN = Path(__file__).parents[1] / "golden"

HEAD = """
from kfp import dsl
from kfp.dsl import Artifact
from typing import Any, Dict
from lockstep.components import csv_example_gen, trainer

@dsl.component(base_image="python:3.11")
def use(value: Dict[str, Any]):
    pass

@dsl.container_component
def shell(text: str):
    return dsl.ContainerSpec(image="busybox", args=[text])

@dsl.container_component
def lost(text: str):
    return dsl.ContainerSpec(
        image="busybox", command=["echo"], args=["{{$.inputs.parameters['txet']}}"]
    )

@dsl.pipeline(name="broken")
def broken(data: str = "data"):
"""

SOURCES = {
    "container-command": ("root/shell", 'shell(text="x")'),
    "absolute-path": (
        "root/for-loop-2/use",
        'with dsl.ParallelFor([1]):\n        use(value={"deep": [{"path": "/home/me/x.csv"}]})',
    ),
    "module-path": (
        "root/trainer",
        'trainer(examples=csv_example_gen(input_base=data).output, module_file="sub/../../m.py")',
    ),
    "null-constant": (
        "root/importer",
        'dsl.importer("gs://x", artifact_class=Artifact, metadata={"a": [None]})',
    ),
    "large-integer": ("root/use", 'use(value={"count": 2**53 + 1})'),
    "unresolved-channel": ("root/use", 'use(value={f"{data}": 1})'),
    "unknown-input": ("root/lost", 'lost(text="x")'),
}
"""By rule: the task at fault, and the body of a pipeline that kfp compiles."""


def edit(*keys: str, **values: object) -> Callable[[ir.Json], None]:
    """Make an edit of a spec: at `keys`, set `values`; None removes."""

    def apply(spec: ir.Json) -> None:
        place = spec
        for key in keys:
            place = place[key]
        for key, value in values.items():
            place.pop(key, None)
            if value is not None:
                place[key] = value

    return apply


EXECUTORS = ("deploymentSpec", "executors")
INNER = ("components", "comp-ingest", "dag", "tasks")

DOCTORED = {
    "pipeline-name": ("root", edit("pipelineInfo", name=None)),
    "dangling-reference": ("root/champion", edit("components", **{"comp-champion": None})),
    "executor-kind": (
        "root/champion",
        edit(*EXECUTORS, **{"exec-champion": {"resolver": "latest"}}),
    ),
    "container-lifecycle": (
        "root/ingest/csv-example-gen",
        edit(*EXECUTORS, "exec-csv-example-gen", "container", lifecycle={"preCacheCheck": {}}),
    ),
    "artifact-type": (
        "root/champion",
        edit(
            *("components", "comp-champion", "outputDefinitions", "artifacts", "model"),
            artifactType={"schemaTitle": "tfx.Model"},
        ),
    ),
    "cached-effect": (
        "root/ingest/span-resolver",
        edit(*INNER, "span-resolver", cachingOptions={"enableCache": True}),
    ),
    "cached-ingest": (
        "root/ingest/csv-example-gen",
        edit(*INNER, "csv-example-gen", "inputs", "parameters", fingerprint=None),
    ),
}
"""By rule: the task at fault, and the edit that breaks a good pipeline: kfp never would."""


def broken_pipeline(rule: str, folder: Path) -> list[tuple[str, str]]:
    """Lint the pipeline that breaks `rule`: the rules and tasks of its findings."""
    if rule in DOCTORED:
        good = ir.load(GOLDEN / "ingest_and_push.yaml")
        spec = copy.deepcopy(good.spec)
        DOCTORED[rule][1](spec)
        return [(found.rule, found.task) for found in lint(ir.CompiledPipeline(spec))]
    source = folder / "broken.py"
    source.write_text(f"{HEAD}    {SOURCES[rule][1]}\n")
    with pytest.raises(LintError) as caught:
        compile_pipeline(str(source), project_root=folder)
    return [(found.rule, found.task) for found in caught.value.findings]


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_is_found_where_it_is_broken(rule: str, tmp_path: Path) -> None:
    """Every rule finds the pipeline that breaks it, names its task, and no other rule does."""
    at_fault = {**SOURCES, **DOCTORED}[rule][0]
    assert set(broken_pipeline(rule, tmp_path)) == {(rule, at_fault)}


def test_every_rule_is_broken_once() -> None:
    """The table of rules and the table of pipelines that break them cover each other."""
    assert sorted([*SOURCES, *DOCTORED]) == sorted(RULES)


def test_golden_pipelines_are_clean() -> None:
    """What the compiler writes for good pipelines breaks no rule."""
    for path in GOLDEN.glob("*.yaml"):
        assert lint(ir.load(path)) == [], path.name


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
    assert [found.rule for found in lint(golden_with_constant(path))] == ["absolute-path"]


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
    assert lint(golden_with_constant(text)) == []


def test_a_large_double_passes() -> None:
    """A parameter that is a double may be as large as doubles are."""
    compiled = ir.load(GOLDEN / "optional_inputs.yaml")
    compiled.spec["root"]["inputDefinitions"]["parameters"]["rate"]["defaultValue"] = 1e300
    assert lint(compiled) == []


def test_the_platform_document_is_looked_at() -> None:
    """A channel that the compiler forgot in the platform document is found."""
    compiled = ir.load(GOLDEN / "on_kubernetes.yaml")
    compiled.platform["platforms"]["kubernetes"]["x"] = "{{channel:task=;name=a;type=String;}}"
    assert [found.rule for found in lint(compiled)] == ["unresolved-channel"]


def test_all_findings_are_told_at_once() -> None:
    """The error lists every finding with its task and its rule."""
    compiled = golden_with_constant([None, "/data"])
    with pytest.raises(LintError) as caught:
        check(compiled)
    assert "2 rule(s)" in caught.value.given
    assert "root/shell: text holds None [null-constant]; leave the key out" in caught.value.given
    assert "root/shell: text holds the absolute path '/data' [absolute-path]" in caught.value.given
