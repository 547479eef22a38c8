"""A run writes what TFX's own local runner writes, of the same data with the same module."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Project, Run

HERE = Path(__file__).parent
OUTPUTS = {
    "examples": "csv-example-gen",
    "statistics": "statistics-gen",
    "schema": "schema-gen",
    "transformed_examples": "transform",
}


def last_line(program: str, *arguments: str) -> dict[str, Any]:
    """Run a program that answers with a line of JSON."""
    command = [sys.executable, str(HERE / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.slow
def test_artifacts_are_those_of_tfx(project: "Project", taxi: "Run", tmp_path: Path) -> None:
    """The same examples in the same splits, statistics, schema, and transformed examples."""
    module = project.root / "pipelines/taxi/model.py"
    theirs = last_line("tfx_local.py", str(module), str(tmp_path))
    ours = {output: str(taxi.path(task, output)) for output, task in OUTPUTS.items()}
    found = last_line("compare.py", json.dumps(ours), json.dumps(theirs))
    assert len(found) == 7
    assert all(result["of"] > 0 for result in found.values())
    assert {name: result["different"] for name, result in found.items()} == dict.fromkeys(found, 0)
