"""A SavedModel is loaded whole or not at all, and its graph tells what may be joined."""

import json
from pathlib import Path
from typing import Any

import pytest

from ...conformance.serving.warm import Warm

ROWS = Path(__file__).with_name("rows.py")


@pytest.fixture(scope="module")
def found(models: Path, forks: Warm, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What rows.py found: TensorFlow runs in a process of its own."""
    directory = tmp_path_factory.mktemp("rows")
    said = forks.run([str(ROWS), str(models), str(directory)], directory / "log")
    return json.loads(said.splitlines()[-1])


def test_rows_are_joined_only_where_the_graph_keeps_them_apart(found: Any) -> None:
    """Layers of all kinds are recognised; whatever lets one row see another is not joined."""
    assert found["rowwise"] == [name for name in found["all"] if not name.startswith("no_")]


def test_the_usual_models_are_joined(found: Any) -> None:
    """Dense features, parsed examples and TensorFlow 1 graphs; no totals, loops or fixed sizes."""
    assert {"serving_default", "multi", "ex", "strs"} <= set(found["t"])
    assert not {"scalar", "spin", "fixed"} & set(found["t"])
    assert {"serving_default", "regress_x_to_y", "classify_x_to_y"} <= set(found["half_plus_two"])


def test_a_model_that_is_not_whole_is_not_loaded(found: Any) -> None:
    """A missing or half-copied part is an error while loading, never one of every request."""
    assert found["damage"].pop("whole") == "OK"
    assert found["damage"] == {
        "no variables": "NOT_FOUND",
        "no index": "NOT_FOUND",
        "no data": "UNKNOWN",
        "half the data": "OUT_OF_RANGE",
        "no graph": "NOT_FOUND",
        "garbage": "DATA_LOSS",
        "half a graph": "DATA_LOSS",
    }
