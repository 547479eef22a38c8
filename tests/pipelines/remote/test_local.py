"""This machine's own runs, asked as a service is asked."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.pipelines.engine.record import engine_of
from lockstep.pipelines.errors import UnknownRun
from lockstep.pipelines.remote.local import Local
from lockstep.pipelines.remote.service import State

LOCKSTEP = str(Path(sys.executable).with_name("lockstep"))
PIPELINE = """
from kfp import dsl

@dsl.component
def quick() -> str:
    print("quick is here")
    return "done"

@dsl.component
def slow(text: str):
    import time
    print("slow has begun", flush=True)
    time.sleep(600)

@dsl.pipeline(name="quick-and-slow")
def quick_and_slow():
    slow(text=quick().output)
"""


Running = tuple[Local, subprocess.Popen[str]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a run whose second task has begun, and its engine."""
    here = tmp_path_factory.mktemp("local")
    (here / "pipeline.py").write_text(PIPELINE)
    command = [LOCKSTEP, "run", "pipeline.py", "--root", "root"]
    with subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, text=True) as engine:
        local = Local(here / "root")
        assert engine.stdout
        for line in engine.stdout:
            if line.startswith("slow  started"):
                break
        yield local, engine
        engine.kill()


def test_a_running_run_is_listed_shown_and_cancelled(
    running: Running,
) -> None:
    """With the task that runs; its engine ends as with Ctrl-C, and the run as cancelled."""
    local, engine = running
    (listed,) = local.newest(5)
    assert (listed.name, listed.state) == ("quick-and-slow", State.RUNNING)
    found = local.get(listed.id)
    assert {t.name: t.state for t in found.tasks} == {
        "quick": State.SUCCEEDED,
        "slow": State.RUNNING,
    }
    assert engine_of(Path(found.url)) == engine.pid
    assert "quick: quick is here" in list(local.logs(found.id))
    assert local.cancel(found.id).state is State.CANCELLING
    engine.communicate(timeout=60)
    ended = local.get(found.id)
    assert ended.state is State.CANCELLED
    assert {t.name: t.state for t in ended.tasks}["slow"] is State.CANCELLED
    assert local.cancel(found.id) == ended
    assert engine_of(Path(found.url)) == 0


def test_what_is_not_there_is_told(running: Running, tmp_path: Path) -> None:
    """No runs, no such run, no such task."""
    local, _ = running
    (listed,) = local.newest(1)
    with pytest.raises(UnknownRun, match="there are no runs"):
        list(Local(tmp_path).newest(1))
    with pytest.raises(UnknownRun, match="no run 'none'"):
        local.get("none")
    with pytest.raises(UnknownRun, match="no run 'none'"):
        local.cancel("none")
    with pytest.raises(UnknownRun, match="did you mean quick"):
        list(local.logs(listed.id, "quik"))


def test_a_run_whose_engine_was_killed_says_how_to_go_on(
    running: Running,
) -> None:
    """It is not running, whatever its record says."""
    local, _ = running
    (listed,) = local.newest(1)
    command = [LOCKSTEP, "run", "--resume", listed.id, "--root", str(local.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as resumed:
        assert resumed.stdout
        for line in resumed.stdout:
            if line.startswith("slow  started"):
                break
        os.kill(resumed.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while engine_of(Path(listed.url)) and time.monotonic() < deadline:
        time.sleep(0.1)  # its steps end with it
    found = local.get(listed.id)
    assert found.state is State.CANCELLED
    assert f"lockstep run --resume {listed.id}" in found.message
