"""`lockstep gc` and resuming: what goes, what stays, and who may touch a run."""

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lockstep.pipelines import ir
from lockstep.pipelines.cli import app
from lockstep.pipelines.engine.database import VERSION, connect
from lockstep.pipelines.engine.engine import resume, run
from lockstep.pipelines.engine.history import read_run
from lockstep.pipelines.engine.launch import Ended, Step
from lockstep.pipelines.engine.result import RunResult, State
from lockstep.pipelines.engine.sweep import sweep
from lockstep.pipelines.errors import CannotRunHere, RunIsAlive, UnknownRun

MAKER: ir.Json = {
    "executorLabel": "e",
    "inputDefinitions": {"artifacts": {"in": {"isOptional": True}}},
    "outputDefinitions": {"artifacts": {"out": {}}},
}
CONTAINER = {
    "command": ["python", "-m", "lockstep.components", "statistics_gen"],
    "args": ["{{$.pipeline_task_name}}", "{{$}}"],
}


def compiled(*tasks: str, cached: bool = True) -> ir.CompiledPipeline:
    """Make a pipeline of tasks that each write a file; each takes that of the one before it."""
    specs: dict[str, Any] = {}
    for before, name in zip([None, *tasks], tasks, strict=False):
        source = {"taskOutputArtifact": {"producerTask": before, "outputArtifactKey": "out"}}
        specs[name] = {
            "componentRef": {"name": "maker"},
            "cachingOptions": {"enableCache": cached},
            "inputs": {"artifacts": {"in": source} if before else {}},
            "retryPolicy": {"maxRetryCount": 1},
        }
    return ir.CompiledPipeline(
        {
            "pipelineInfo": {"name": "p"},
            "components": {"maker": MAKER},
            "deploymentSpec": {"executors": {"e": {"container": CONTAINER}}},
            "root": {"dag": {"tasks": specs}},
            "schemaVersion": "2.1.0",
        }
    )


class Makes:
    """A launcher whose steps write a file, but for those that fail."""

    def __init__(self, *fail: str) -> None:
        """Let the named tasks fail."""
        self.fail, self.ran = fail, list[str]()

    def expect(self, module: str, arguments: tuple[str, ...]) -> None:
        """There is nothing to get ready."""

    def run(self, step: Step) -> Ended:
        """Write the output, then fail or not."""
        name, content = step.arguments[1], json.loads(step.arguments[2])
        self.ran.append(name)
        Path(content["outputs"]["artifacts"]["out"]["artifacts"][0]["uri"]).write_text(name)
        return Ended(int(name in self.fail), 0.1, 2**20)

    def stop(self, grace: float) -> None:
        """There is nothing to stop."""

    def imports(self) -> dict[str, float]:
        """Nothing is warm."""
        return {}

    def close(self) -> None:
        """There is nothing to let go of."""


@pytest.fixture
def execute(tmp_path: Path) -> Callable[..., RunResult]:
    """Run a pipeline under one root."""
    return lambda pipeline, *fail: run(
        pipeline, root=tmp_path, project=tmp_path, launcher=Makes(*fail)
    )


Execute = Callable[..., RunResult]


def gone(root: Path, **how: Any) -> list[str]:
    """Sweep; give what went, relative to the runs."""
    return [str(one.path.relative_to(root / "runs")) for one in sweep(root, **how)]


def test_a_clean_root_has_no_litter(execute: Execute, tmp_path: Path) -> None:
    """What a run has made is its own."""
    result = execute(compiled("a", "b"))
    assert gone(tmp_path) == []
    assert (result.directory / "b/1/out").read_text() == "b"


def test_tries_that_do_not_count_go(execute: Execute, tmp_path: Path) -> None:
    """A failed try that was repeated, and whatever else stands beside the one that counts."""
    result = execute(compiled("a", "b"), "b")
    (result.directory / "a/7").mkdir()
    (tmp_path / "runs/nobody").mkdir()
    expected = [f"{result.run}/a/7", f"{result.run}/b/1", "nobody"]
    assert sorted(gone(tmp_path, dry_run=True)) == sorted(expected)
    assert sorted(gone(tmp_path)) == sorted(expected)
    assert gone(tmp_path) == []
    assert not (tmp_path / "runs/nobody").exists()
    assert not list(tmp_path.glob("trash-*"))
    assert (result.directory / "b/2/out").exists()


def test_old_runs_go_but_not_what_newer_ones_refer_to(execute: Execute, tmp_path: Path) -> None:
    """An artifact that a kept run has from the cache stays, and serves on."""
    first = execute(compiled("a", "b"))
    second = execute(compiled("a", "c"))
    assert second.tasks[0].cached == first.run
    assert gone(tmp_path, keep=1) == [f"{first.run}/b/1"]
    assert (first.directory / "a/1/out").exists()
    third = execute(compiled("a", "b"))
    assert [task.cached for task in third.tasks] == [first.run, ""]
    assert set(gone(tmp_path, keep=0)) == {first.run, second.run, third.run}
    assert list((tmp_path / "runs").iterdir()) == []
    assert connect(tmp_path).execute("SELECT count(*) FROM artifacts").fetchone()[0] == 0


def test_a_run_that_is_alive_is_left_alone(execute: Execute, tmp_path: Path) -> None:
    """By the sweep, and by whoever wants to resume it."""
    result = execute(compiled("a"))
    lock = os.open(result.directory / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert gone(tmp_path, keep=0) == []
    with pytest.raises(RunIsAlive, match=f"the run {result.run} is being executed"):
        resume(result.run, root=tmp_path, launcher=Makes())
    os.close(lock)
    assert gone(tmp_path, keep=0) == [result.run]


def test_a_resumed_run_executes_the_rest(execute: Execute, tmp_path: Path) -> None:
    """What has succeeded stays as it is; failed tries are removed; the name is the same."""
    failed = execute(compiled("a", "b", "c", cached=False), "b")
    assert failed.state is State.FAILED
    launcher = Makes()
    resumed = resume(failed.run, root=tmp_path, launcher=launcher)
    assert launcher.ran == ["b", "c"]
    assert (resumed.run, resumed.state) == (failed.run, State.SUCCEEDED)
    recorded = read_run(tmp_path, failed.run)
    assert recorded["state"] == "SUCCEEDED"
    assert {name: task["state"] for name, task in recorded["tasks"].items()} == dict.fromkeys(
        "abc", "SUCCEEDED"
    )
    assert [path.name for path in (failed.directory / "b").iterdir() if path.is_dir()] == ["3"]
    assert gone(tmp_path) == []
    again = Makes()
    assert resume(failed.run, root=tmp_path, launcher=again).state is State.SUCCEEDED
    assert again.ran == []


def test_what_a_resumed_run_has_lost_is_made_again(execute: Execute, tmp_path: Path) -> None:
    """A committed output whose file is gone does not count."""
    first = execute(compiled("a", "b", cached=False), "b")
    (first.directory / "a/1/out").unlink()
    launcher = Makes()
    assert resume(first.run, root=tmp_path, launcher=launcher).state is State.SUCCEEDED
    assert launcher.ran == ["a", "b"]


def test_unknown_runs_are_told(execute: Execute, tmp_path: Path) -> None:
    """With the names of those that there are; a root without runs is told, too."""
    with pytest.raises(UnknownRun, match="there are no runs under"):
        resume("x", root=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    result = execute(compiled("a"))
    with pytest.raises(UnknownRun, match=f"the newest are: {result.run}"):
        resume("x", root=tmp_path)


def test_tables_of_a_newer_lockstep_are_left_alone(tmp_path: Path) -> None:
    """The engine refuses to write what it does not understand."""
    connect(tmp_path).execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(CannotRunHere, match="upgrade lockstep"):
        connect(tmp_path)


def test_the_command_says_what_goes(execute: Execute, tmp_path: Path) -> None:
    """In a line each and a sum; as JSON; and only says so with --dry-run."""
    result = execute(compiled("a"))
    litter = result.directory / "a/2"
    litter.mkdir()

    def gc(*options: str) -> str:
        done = CliRunner().invoke(app, ["gc", "--root", str(tmp_path), *options])
        assert done.exit_code == 0
        return done.output

    assert f"{litter}  it does not count\n1 directories, 0.0 MiB would be removed" in gc(
        "--dry-run"
    )
    assert json.loads(gc("--json", "--dry-run"))[0]["path"] == str(litter)
    assert "1 directories, 0.0 MiB removed" in gc()
    assert not litter.exists()


@pytest.mark.parametrize(
    "arguments", [[], ["x.yaml", "--resume", "r"], ["--resume", "r", "--param", "a=1"]]
)
def test_a_run_is_new_or_resumed(arguments: list[str]) -> None:
    """A pipeline or --resume, not both, not neither; a resumed run has its parameters."""
    assert CliRunner().invoke(app, ["run", *arguments]).exit_code == 2
