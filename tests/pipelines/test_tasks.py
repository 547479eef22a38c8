"""Walking a compiled pipeline's tasks and constants."""

from pathlib import Path

import pytest

from lockstep.pipelines import ir
from lockstep.pipelines.errors import DefinitionError
from lockstep.pipelines.tasks import constants, leaves, walk

GOLDEN = Path(__file__).parents[1] / "golden"


def test_every_task_is_walked_with_its_path() -> None:
    """A pipeline used twice is walked twice; each path tells where the task stands."""
    assert [task.path for task in walk(ir.load(GOLDEN / "nested.yaml"))] == [
        "root/inner",
        "root/inner/write",
        "root/inner-2",
        "root/inner-2/write",
        "root/read",
    ]


def test_a_component_within_itself_is_refused() -> None:
    """A file in which a dag contains itself ends in an error, not in an endless walk."""
    compiled = ir.load(GOLDEN / "nested.yaml")
    inner = compiled.spec["components"]["comp-inner"]["dag"]["tasks"]
    inner["again"] = {"componentRef": {"name": "comp-inner"}}
    with pytest.raises(DefinitionError, match="root/inner/again: component comp-inner"):
        walk(compiled)


def test_constants_are_listed_with_what_they_are_for() -> None:
    """Arguments, defaults, loop items, an importer's address, the pipeline root: all of them."""
    listed: set[tuple[str, str, str]] = set()
    for name in ("branches", "importing", "loops"):
        compiled = ir.load(GOLDEN / f"{name}.yaml")
        compiled.spec["defaultPipelineRoot"] = "gs://bucket"
        listed |= {(c.task, c.name, c.kind) for c in constants(compiled, walk(compiled))}
    assert {
        ("root", "pipeline root", "STRING"),
        ("root", "sides (default)", "NUMBER_INTEGER"),
        ("root/condition-branches-1/condition-2/say", "text", "STRING"),
        ("root/for-loop-5/for-loop-7", "loop items", "LIST"),
        ("root/importer", "artifact uri", "STRING"),
        ("root/importer", "metadata", "STRUCT"),
    } <= listed


def test_leaves_are_found_in_json_texts_too() -> None:
    """Scalars are found at any depth; a text that only looks like JSON is itself a scalar."""
    assert [*leaves({"a": ["x", 1, '{"b": [null, "y"]}', "{z"]})] == ["x", 1, None, "y", "{z"]
