"""`lockstep run`: what the command prints, and the code it exits with."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lockstep.pipelines.cli import app
from lockstep.pipelines.cli.progress import conclude, progress
from lockstep.pipelines.engine.result import RunResult, State, TaskResult, Values
from lockstep.pipelines.errors import BadParameter, DefinitionError
from lockstep.serving.errors import Exit

CONSTRUCTS = Path(__file__).with_name("constructs.py")


def lockstep(*arguments: object) -> Result:
    """Call the command line."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_python_file_is_compiled_and_run(tmp_path: Path) -> None:
    """One line for each event, a summary, the output, and where the run is."""
    arguments = ["--param", "number=5", "--root", tmp_path / "root", "--project", tmp_path]
    result = lockstep("run", f"{CONSTRUCTS}:inner", *arguments)
    assert result.exit_code == Exit.OK, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "add  started"
    assert lines[1].startswith("add  done ")
    assert lines[2].split() == ["task", "state", "waited", "seconds", "cpu", "peak", "memory"]
    assert lines[3].split()[:2] == ["add", "succeeded"]
    assert lines[5].startswith("CPU seconds: engine ")
    assert lines[6] == "output Output: 15"
    (directory,) = (tmp_path / "root/runs").iterdir()
    assert lines[-1] == f"{directory.name} succeeded: {directory}"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (["nmber=5"], "did you mean 'number'?"),
        (["number=five"], "'five' is no NUMBER_INTEGER"),
        (["number"], "--param NAME=VALUE"),
        (["number=1", "number=2"], "a second time"),
        ([], "no value for the parameter 'number'"),
    ],
)
def test_a_wrong_parameter_is_an_error_of_usage(
    tmp_path: Path, params: list[str], words: str
) -> None:
    """Nothing is started, nothing is written."""
    options = [option for param in params for option in ("--param", param)]
    result = lockstep("run", f"{CONSTRUCTS}:inner", *options, "--root", tmp_path / "root")
    assert isinstance(result.exception, BadParameter)
    assert words in str(result.exception)
    assert result.exception.exit_code == Exit.USAGE
    assert not (tmp_path / "root").exists()


def test_a_file_that_is_no_pipeline_is_an_error_of_definition(tmp_path: Path) -> None:
    """Whether it is not there or holds something else."""
    other = tmp_path / "other.yaml"
    other.write_text("a: 1")
    for path in (tmp_path / "none.yaml", other):
        assert isinstance(lockstep("run", path).exception, DefinitionError)


def ended(state: State, code: Exit, *tasks: TaskResult) -> RunResult:
    """Build the result of a run."""
    return RunResult("run-1", state, Path("/runs/run-1"), tasks, Values(), code)


def with_artifact(title: str, metadata: dict[str, Any]) -> TaskResult:
    """Build a task that has made one artifact."""
    artifact = {"name": "x", "type": {"schemaTitle": title}, "uri": "/x", "metadata": metadata}
    outputs = Values(artifacts={"x": [artifact]})
    return TaskResult(
        "step", State.SUCCEEDED, seconds=1.25, peak_memory=3 * 2**20, tries=1, outputs=outputs
    )


def test_metrics_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Every number in a system.Metrics, and nothing else."""
    task = with_artifact("system.Metrics", {"auc": 0.9412, "tfx_type": "ModelEvaluation"})
    assert conclude(ended(State.SUCCEEDED, Exit.OK, task)) == Exit.OK
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["step", "succeeded", "0.0", "1.2", "0.0", "3", "MiB"] in lines
    assert ["step", "auc", "0.9412"] in lines
    assert not any("ModelEvaluation" in line for line in lines)


def test_a_pushed_model_is_told_with_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    """The version's directory, and a command to type."""
    metadata = {"tfx_type": "PushedModel", "pushed": 1.0, "pushed_destination": "/my store/taxi/1"}
    task = with_artifact("system.Model", metadata)
    assert conclude(ended(State.SUCCEEDED, Exit.OK, task)) == Exit.OK
    out = capsys.readouterr().out
    assert "step pushed the model to /my store/taxi/1\n" in out
    assert "next: lockstep models show taxi@1 --store '/my store'\n" in out


def test_a_model_that_is_not_blessed_has_its_own_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The run succeeded, but nothing was pushed, and the reason is told."""
    metadata = {"tfx_type": "PushedModel", "pushed": 0.0, "reason": "auc 0.5 [below] 0.9"}
    task = with_artifact("system.Model", metadata)
    assert conclude(ended(State.SUCCEEDED, Exit.OK, task)) == Exit.NOT_BLESSED
    assert "step pushed nothing, not blessed: auc 0.5 [below] 0.9\n" in capsys.readouterr().out
    failed = ended(State.FAILED, Exit.DATA, task)
    assert conclude(failed) == Exit.DATA


def test_a_failed_task_is_told_on_stderr_with_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Path, message with the end of the log, and where all of the log is."""
    task = TaskResult("a/b", State.FAILED, "exit code 8\nline", tries=1, log=Path("/runs/log.txt"))
    assert conclude(ended(State.FAILED, Exit.DATA, task)) == Exit.DATA
    err = capsys.readouterr().err
    assert err == "\nerror: a/b: exit code 8\nline\n  log: /runs/log.txt\n"


def test_a_terminal_shows_a_live_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What runs and what has ended last; older ones are counted."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress() as listen:
        for number in range(20):
            listen(TaskResult(f"task-{number}", State.SUCCEEDED, seconds=1))
        listen(TaskResult("slow", State.RUNNING, tries=2))
    out = capsys.readouterr().out
    assert "8 more have ended" in out
    assert "task-19" in out
    assert "task-3" not in out
    assert "running (try 2)" in out
