"""Vertex AI's own SDK reads what we compile, and sends what we send.

It is asked by `vertex_facts.py`, in a process of its own.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lockstep.pipelines.ir import load
from lockstep.pipelines.lint import lint
from lockstep.pipelines.remote.service import Submission
from lockstep.pipelines.remote.vertex import Vertex

HERE = Path(__file__).parent
GOLDEN = sorted((HERE.parent / "golden").glob("*.yaml"))
PARAMETERS: dict[str, dict[str, Any]] = {"taxi": {"model_store": "gs://acme/m", "train_steps": 9}}


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Ask PipelineJob about every golden file: what it sends and what we send, or what it says."""
    if find_spec("vertexai") is None:
        pytest.skip("google-cloud-aiplatform is not installed; it comes with lockstep[tfx]")
    vertex = Vertex("acme", "europe-west4", "acme-runs")
    bodies: dict[str, Any] = {}
    for path in GOLDEN:
        given = PARAMETERS.get(path.stem, {})
        submission = Submission(load(path), path.stem, given, {"why": "commit"})
        bodies[str(path)] = vertex.pipeline_job(submission)
    file = tmp_path_factory.mktemp("vertex") / "bodies.json"
    file.write_text(json.dumps(bodies))
    subprocess.run(
        [sys.executable, "-W", "ignore", HERE / "vertex_facts.py", file], check=True, timeout=300
    )
    answers: dict[str, list[Any]] = json.loads(file.read_text())
    return {Path(path).stem: answer for path, answer in answers.items()}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_pipeline_job_loads_our_files(facts: dict[str, list[Any]], path: Path) -> None:
    """What the lint lets through to Vertex AI, its SDK loads, sends and schedules as we do."""
    answer = facts[path.stem]
    if len(answer) == 1:
        assert lint(load(path), "vertex"), answer
    else:
        theirs, ours, scheduled = answer
        assert theirs == ours
        job = {key: value for key, value in ours.items() if key != "displayName"}  # ours is named
        assert scheduled == {"parent": "projects/acme/locations/europe-west4", "pipelineJob": job}


def test_the_sdk_loads_all_but_what_is_for_kubernetes(facts: dict[str, list[Any]]) -> None:
    """Only the file with a second document, for Kubernetes, is one that the SDK cannot read."""
    assert [name for name, answer in facts.items() if len(answer) == 1] == ["on_kubernetes"]
