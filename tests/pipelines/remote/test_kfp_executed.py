"""Runs of the test server that are executed tell what has happened, and nothing else."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.serving.errors import Exit
from lockstep.serving.store import ModelStore

from .kfp_executed import Executor
from .kfp_server import KfpServer
from .kfp_state import State

pytestmark = pytest.mark.slow

DELIVER = Path(__file__).parents[2] / "e2e/pipelines/deliver.py"
LOCKSTEP = Path(sys.executable).with_name("lockstep")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KfpServer]:
    """A server that executes runs."""
    executor = Executor(tmp_path, tmp_path / "runs")
    with KfpServer(State(execute=executor.start)) as server:
        yield server
    executor.close()


def submit(server: KfpServer, folder: Path, data: str) -> "subprocess.CompletedProcess[str]":
    """Submit a pipeline that pushes a model, and wait for it."""
    words = [str(LOCKSTEP), "submit", str(DELIVER), f"--host={server.url}", "--wait", "--every=0.2"]
    words += [f"--param=model_store={folder}/store", f"--param=data={data}"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_a_run_does_what_its_pipeline_says(server: KfpServer, tmp_path: Path) -> None:
    """A model that is there is pushed; one that is not fails the task, and its log says why."""
    (tmp_path / "model/Format-Serving").mkdir(parents=True)
    (tmp_path / "model/Format-Serving/saved_model.pb").write_text("model")
    done = submit(server, tmp_path, str(tmp_path / "model"))
    assert done.returncode == Exit.OK, done.stdout + done.stderr
    assert ModelStore.open(str(tmp_path / "store"), "taxi").newest().number > 0
    (run,) = server.state.runs
    details = server.state.run(run)["run_details"]["task_details"]
    states = {one["display_name"]: one.get("state") for one in details}
    assert states["pusher"] == states["importer"] == "SUCCEEDED"

    done = submit(server, tmp_path, str(tmp_path))
    assert done.returncode == Exit.STEP_FAILED
    assert "pusher: failed" in done.stderr
    run = [*server.state.runs][-1]
    words = [str(LOCKSTEP), "runs", "logs", run, "pusher", f"--host={server.url}"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    assert "holds no file" in said
