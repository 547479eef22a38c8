"""Real kfp pipelines, compiled and executed in real processes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockstep.pipelines import ir
from lockstep.pipelines.compile import compile_pipeline
from lockstep.pipelines.engine.engine import run
from lockstep.pipelines.engine.forks import Forks
from lockstep.pipelines.engine.history import read_run
from lockstep.pipelines.engine.launch import Launcher, Processes
from lockstep.pipelines.engine.result import RunResult, State, TaskResult
from lockstep.serving.errors import Exit

Compile = Callable[[str], ir.CompiledPipeline]


@pytest.fixture(scope="module")
def everything(compiled: Compile, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """The pipeline with every construct, run once."""
    root = tmp_path_factory.mktemp("everything")
    (root / "data.txt").write_text("imported")
    values = {"source": str(root / "data.txt")}
    return run(compiled("everything"), values, root=root, project=root)


def parameters(result: RunResult) -> dict[str, Any]:
    """Give the output parameters of every task that succeeded."""
    return {
        task.path: task.outputs.parameters
        for task in result.tasks
        if task.state is State.SUCCEEDED and task.outputs.parameters
    }


def test_a_pipeline_runs_to_its_end(everything: RunResult) -> None:
    """All of it succeeds, and its output is there."""
    failed = [task for task in everything.tasks if task.state is State.FAILED]
    assert failed == []
    assert (everything.state, everything.exit_code) == (State.SUCCEEDED, Exit.OK)
    assert everything.outputs.parameters == {"Output": 13.0}


def test_the_branch_whose_condition_holds_is_taken(everything: RunResult) -> None:
    """If, Elif and Else: one runs, the others are skipped with what is inside them."""
    (branches,) = {path.split("/")[0] for path in parameters(everything) if "branches" in path}
    states = {task.path: task.state for task in everything.tasks if branches in task.path}
    assert sorted(state.value for state in states.values()) == ["SKIPPED"] * 3 + ["SUCCEEDED"]
    (taken,) = [path for path, state in states.items() if state is State.SUCCEEDED]
    assert parameters(everything)[taken] == {"Output": 12.0}


def test_formatted_strings_and_nested_values_reach_the_task(everything: RunResult) -> None:
    """OneOf, optional inputs, an importer's artifact and a nested constant, all in one step."""
    shown = parameters(everything)["show"]
    assert shown["text"] == "it's 0.5 12 None imported"
    assert shown["nested"] == {"list": ["3", {"name": "<it's>"}], "whole": 10.0}
    assert shown["flag"] is True


def test_each_iteration_has_its_own_place(everything: RunResult) -> None:
    """Loops, also inside loops, over parameters and constants."""
    sums = {p: o["Output"] for p, o in parameters(everything).items() if p.count("for-loop") == 2}
    assert sorted(sums.values()) == [11.0, 12.0, 21.0, 22.0]
    assert all(part.isdigit() for path in sums for part in path.split("/")[2::2])


def test_collected_hands_on_what_the_iterations_made(everything: RunResult) -> None:
    """Artifacts as one list, parameters as lists nested like the loops; metadata as on Kubeflow."""
    (gathered,) = [o["Output"] for p, o in parameters(everything).items() if p.endswith("gather")]
    assert gathered["texts"] == "1,2"
    assert gathered["halves"] == "[0.5, 1]"
    assert gathered["sums"] == "[[11, 21], [12, 22]]"
    assert (
        gathered["metadata"] == "[{'number': 1, 'odd': 1, 'digits': {'list': [1]}, 'name': 'n1'}]"
    )


def test_an_exit_task_hears_of_success(everything: RunResult) -> None:
    """It gets the final status of its exit handler."""
    finish = parameters(everything)["finish"]["Output"]
    assert finish.startswith("SUCCEEDED exit-handler-")


def test_a_dict_item_of_a_loop_is_taken_apart(everything: RunResult) -> None:
    """`item.a` is selected from the item, and a number given to a string is text."""
    (loop,) = [o["text"] for p, o in parameters(everything).items() if p.endswith("show-2")]
    assert loop == "loop 5 None None"


def test_the_run_directory_tells_everything(everything: RunResult) -> None:
    """The executed file, the run, and for each task its state, inputs, outputs and log."""
    directory = everything.directory
    assert ir.load(directory / "pipeline.yaml").name == "every-construct"
    recorded = read_run(directory.parents[1], everything.run)
    assert recorded["state"] == "SUCCEEDED"
    assert recorded["tasks"]["flip"]["outputs"]["parameters"] == {"Output": "heads"}
    assert recorded["tasks"]["flip"]["directory"] == f"runs/{everything.run}/flip/1"
    assert (directory / "flip/log.txt").exists()
    assert {task.path for task in everything.tasks} == recorded["tasks"].keys()
    measured = [task for task in everything.tasks if task.tries]
    assert all(task.seconds > 0 and task.peak_memory > 2**20 for task in measured)


@pytest.fixture(scope="module", params=[Forks, Processes])
def failures(
    request: pytest.FixtureRequest, compiled: Compile, tmp_path_factory: pytest.TempPathFactory
) -> RunResult:
    """The pipeline in which things go wrong, run once in forks and once in fresh processes."""
    root = tmp_path_factory.mktemp("failures")
    values = {"notes": str(root / "notes")}
    launcher = request.param()
    return run(compiled("failures"), values, root=root, project=root, launcher=launcher)


def named(result: RunResult, name: str) -> TaskResult:
    """Give the one task of this name."""
    (found,) = [task for task in result.tasks if task.path.split("/")[-1] == name]
    return found


def test_a_failed_step_shows_the_end_of_its_log(failures: RunResult) -> None:
    """Its exit code and the last lines; all of it is in the log."""
    failed = named(failures, "fail")
    assert (failed.state, failed.code) == (State.FAILED, 1)
    assert failed.message.startswith("exit code 1\n")
    assert "ValueError: no good" in failed.message
    assert failed.log is not None
    assert "looking at the data" in failed.log.read_text()
    assert (failures.state, failures.exit_code) == (State.FAILED, Exit.STEP_FAILED)


def test_what_depends_on_a_failure_is_skipped_and_the_rest_runs(failures: RunResult) -> None:
    """The task that wants the failed one's output has no turn; the independent one has."""
    skipped = named(failures, "add")
    assert (skipped.state, skipped.message) == (State.SKIPPED, "not without fail")
    assert named(failures, "succeed-at").state is State.SUCCEEDED


def test_an_exit_task_runs_after_a_failure_and_hears_of_it(failures: RunResult) -> None:
    """State, task and message."""
    finish = named(failures, "finish")
    assert finish.state is State.SUCCEEDED
    heard = finish.outputs.parameters["Output"]
    assert heard.startswith("FAILED exit-handler-1 2 exit-handler-1/fail: exit code 1")


def test_a_retry_starts_in_an_empty_directory(failures: RunResult) -> None:
    """The second try succeeds, and finds nothing of the first."""
    retried = named(failures, "succeed-at")
    assert (retried.tries, retried.message) == (2, "")
    assert retried.outputs.parameters == {"Output": 2.0}
    (mark,) = retried.outputs.artifacts["mark"]
    assert mark["uri"] == str(failures.directory / "succeed-at/2/mark")


def test_a_step_that_is_killed_fails_alone(failures: RunResult) -> None:
    """The signal is named, and what it had printed is there."""
    killed = named(failures, "kill-itself")
    assert killed.message.startswith("killed by SIGKILL, as when memory runs out: it held ")
    assert killed.message.endswith("allocating")
    recorded = read_run(failures.directory.parents[1], failures.run)
    assert recorded["tasks"]["kill-itself"]["state"] == "FAILED"


def test_a_step_leaves_no_temporary_files(failures: RunResult) -> None:
    """They go with it, however it ends."""
    temporary = Path(named(failures, "kill-itself").message.splitlines()[-2])
    assert temporary.parent.name.startswith("lockstep-")
    assert not temporary.exists()
    assert not temporary.parent.exists()


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().split()[2] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("launcher", [Forks, Processes])
def test_a_step_that_takes_too_long_is_ended_with_its_children(
    compiled: Compile, tmp_path: Path, launcher: Callable[[], Launcher]
) -> None:
    """A timeout on Kubernetes is a timeout here."""
    slow = compiled("waiting")
    settings = {"exec-wait": {"activeDeadlineSeconds": "2"}}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": settings}}}}
    marker = tmp_path / "marker"
    compiled_with_timeout = ir.CompiledPipeline(slow.spec, platform)
    values = {"marker": str(marker)}
    result = run(
        compiled_with_timeout, values, root=tmp_path, project=tmp_path, launcher=launcher()
    )
    assert named(result, "wait").message.startswith("stopped by its timeout after 2 s")
    assert named(result, "add").state is State.SKIPPED
    assert gone(int(marker.read_text()))


def test_no_try_begins_when_the_retries_have_lasted_too_long(
    compiled: Compile, tmp_path: Path
) -> None:
    """The longest duration is that of all tries, as Argo has it; the result says why it ends."""
    pipeline = compiled("failures")
    task = pipeline.spec["root"]["dag"]["tasks"]["succeed-at"]
    task["retryPolicy"] |= {"backoffDuration": "30s", "backoffMaxDuration": "20s"}
    result = run(pipeline, {"notes": str(tmp_path / "notes")}, root=tmp_path, project=tmp_path)
    recovered = named(result, "succeed-at")
    assert (recovered.state, recovered.tries) == (State.FAILED, 1)
    assert recovered.message.endswith("\nnot tried again: its retries may take 20 s")


BORROWING = """
from kfp import dsl, kubernetes

@dsl.component(base_image="python:3.11")
def read() -> str:
    import os
    return os.environ["LOCKSTEP_TEST_TOKEN"][::-1]

@dsl.pipeline(name="borrowing")
def borrowing() -> str:
    task = read()
    kubernetes.use_secret_as_env(task, "tokens", {"key": "LOCKSTEP_TEST_TOKEN"})
    return task.output
"""


def test_a_borrowed_secret_reaches_its_step_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step finds the caller's variable in its secret's place; its log says so, not what it is."""
    monkeypatch.setenv("LOCKSTEP_TEST_TOKEN", "t0ps3cret")
    (tmp_path / "borrowing.py").write_text(BORROWING)
    pipeline = compile_pipeline(str(tmp_path / "borrowing.py"), project_root=tmp_path)
    result = run(pipeline, {}, root=tmp_path, project=tmp_path)
    assert result.outputs.parameters == {"Output": "terc3sp0t"}
    note = "LOCKSTEP_TEST_TOKEN is the caller's own variable, not that of the secret tokens"
    assert named(result, "read").notes == (note,)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if b"t0ps3cret" in path.read_bytes()]
    assert (result.directory / "read/log.txt").read_text().startswith(f"lockstep: {note}\n")


@pytest.mark.parametrize("number", ["INT", "TERM"])
def test_an_interrupt_ends_the_run_and_all_its_processes(
    compiled: Compile, tmp_path: Path, number: str
) -> None:
    """Ctrl-C or SIGTERM: exit code 130, nothing is left running, the run says so; no kfp needed."""
    path = tmp_path / "waiting.yaml"
    path.write_text(ir.dump(compiled("waiting")))
    marker = tmp_path / "marker"
    script = (
        "import sys\n"
        "from lockstep.pipelines.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    assert not {'kfp', 'tensorflow', 'tfx'} & set(sys.modules)\n"
    )
    arguments = ["run", str(path), "--param", f"marker={marker}", "--root", str(tmp_path)]
    command = [sys.executable, "-c", script, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        while not (marker.exists() and marker.read_text()):
            assert process.poll() is None
        subprocess.run(["kill", f"-{number}", str(process.pid)], check=True)
        output = process.stdout.read()
    assert process.returncode == Exit.INTERRUPTED
    assert gone(int(marker.read_text()))
    assert "wait  cancelled: the run was stopped" in output
    (directory,) = tmp_path.glob("runs/*")
    recorded = read_run(tmp_path, directory.name)
    assert (recorded["state"], recorded["tasks"]["wait"]["state"]) == ("CANCELLED", "CANCELLED")
