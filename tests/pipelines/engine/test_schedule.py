"""The scheduler: what runs when, with a launcher that starts no process."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lockstep.pipelines import ir
from lockstep.pipelines.engine.engine import run
from lockstep.pipelines.engine.launch import Ended, Processes, Step
from lockstep.pipelines.engine.result import RunResult, State
from lockstep.pipelines.errors import BadParameter, CannotRunHere
from lockstep.serving.errors import Exit

Behave = Callable[[str, ir.Json], int]


@dataclass
class Pretend:
    """A launcher that calls a function in the place of each process, and watches how many run."""

    behave: Behave = lambda path, content: 0
    most: int = 0
    started: list[str] = field(default_factory=list[str])
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, module: str, arguments: tuple[str, ...]) -> None:
        """There is nothing to get ready."""

    def run(self, step: Step) -> Ended:
        """Let the function behave as the step."""
        _, path, content = step.arguments
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.started.append(path)
        try:
            return Ended(self.behave(path, json.loads(content)), 0.1, 2**20)
        finally:
            with self._lock:
                self._now -= 1

    def stop(self, grace: float) -> None:
        """There is nothing to stop."""

    def imports(self) -> dict[str, float]:
        """Nothing is warm."""
        return {}

    def close(self) -> None:
        """There is nothing to let go of."""


def pipeline(tasks: dict[str, Any], **components: Any) -> ir.CompiledPipeline:
    """Build a pipeline of tasks; those without a component of their own just run, in order."""
    step = {
        "image": "any",
        "command": ["python", "-m", "lockstep.components", "pusher"],
        "args": ["{{$.pipeline_task_uuid}}", "{{$}}"],
    }
    for task in tasks.values():
        task.setdefault("componentRef", {"name": "step"})
    return ir.CompiledPipeline(
        {
            "pipelineInfo": {"name": "p"},
            "components": {"step": {"executorLabel": "e"}, **components},
            "deploymentSpec": {"executors": {"e": {"container": step}}},
            "root": {"dag": {"tasks": tasks}},
            "schemaVersion": "2.1.0",
        }
    )


def execute(
    compiled: ir.CompiledPipeline, root: Path, behave: Behave = lambda p, c: 0, jobs: int = 8
) -> tuple[RunResult, Pretend]:
    """Run a pipeline with a pretended launcher."""
    launcher = Pretend(behave)
    return run(compiled, root=root, project=root, jobs=jobs, launcher=launcher), launcher


def states(result: RunResult) -> dict[str, str]:
    """Give each task's state by path."""
    return {task.path: task.state.value for task in result.tasks}


def after(*names: str, **more: Any) -> dict[str, Any]:
    """Build a task that comes after others."""
    return {"dependentTasks": list(names), **more}


ALWAYS = {"triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}}


def test_independent_tasks_run_at_once_but_not_more_than_allowed(tmp_path: Path) -> None:
    """As many as there are jobs, and each after those it depends on."""
    tasks: dict[str, Any] = {f"t{n}": {} for n in range(9)} | {
        "last": after(*(f"t{n}" for n in range(9)))
    }

    def behave(path: str, content: ir.Json) -> int:
        time.sleep(0.02)
        return 0

    result, launcher = execute(pipeline(tasks), tmp_path, behave, jobs=3)
    assert result.state is State.SUCCEEDED
    assert launcher.most == 3
    assert launcher.started[-1] == "last"


def test_a_failure_skips_what_depends_on_it_and_nothing_else(tmp_path: Path) -> None:
    """Whatever the timing: the rest runs, and who always runs, runs."""
    tasks = {
        "bad": {},
        "good": {},
        "child": after("bad"),
        "grandchild": after("child", "good"),
        "other": after("good"),
        "always": after("grandchild", **ALWAYS),
    }
    result, _ = execute(pipeline(tasks), tmp_path, lambda path, _: 8 if path == "bad" else 0)
    assert states(result) == {
        "bad": "FAILED",
        "good": "SUCCEEDED",
        "child": "SKIPPED",
        "grandchild": "SKIPPED",
        "other": "SUCCEEDED",
        "always": "SUCCEEDED",
    }
    assert result.state is State.FAILED


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (8, Exit.DATA),
        (7, Exit.ENVIRONMENT),
        (1, Exit.STEP_FAILED),
        (-9, Exit.STEP_FAILED),
        (5, Exit.STEP_FAILED),
    ],
)
def test_a_components_exit_code_becomes_that_of_the_run(
    tmp_path: Path, code: int, expected: Exit
) -> None:
    """If it says more than that the step failed."""
    result, _ = execute(pipeline({"a": {}}), tmp_path, lambda path, _: code)
    assert result.exit_code is expected


def test_retries_are_used_up(tmp_path: Path) -> None:
    """A task that never succeeds is tried once, and once more for each retry."""
    tasks = {"a": {"retryPolicy": {"maxRetryCount": 2}}}
    result, launcher = execute(pipeline(tasks), tmp_path, lambda path, _: 1)
    assert launcher.started == ["a", "a", "a"]
    assert result.tasks[0].tries == 3
    assert result.tasks[0].seconds == pytest.approx(0.3)


LOOP: ir.Json = {
    "componentRef": {"name": "body"},
    "parameterIterator": {"itemInput": "i", "items": {"raw": "[1, 2, 3, 4, 5, 6]"}},
}
BODY: ir.Json = {
    "inputDefinitions": {"parameters": {"i": {"parameterType": "NUMBER_INTEGER"}}},
    "dag": {
        "tasks": {
            "a": {"componentRef": {"name": "step"}},
            "b": {"componentRef": {"name": "step"}, "dependentTasks": ["a"]},
        }
    },
}


def test_a_loop_keeps_its_limit(tmp_path: Path) -> None:
    """At most so many iterations at once, though there are jobs to spare."""

    def behave(path: str, content: ir.Json) -> int:
        time.sleep(0.01)
        return 0

    limited = {**LOOP, "iteratorPolicy": {"parallelismLimit": 2}}
    result, launcher = execute(pipeline({"loop": limited}, body=BODY), tmp_path, behave)
    assert launcher.most == 2
    assert len(result.tasks) == 12
    _, launcher = execute(pipeline({"loop": dict(LOOP)}, body=BODY), tmp_path, behave)
    assert launcher.most > 2


def test_one_bad_iteration_fails_the_loop_after_the_others(tmp_path: Path) -> None:
    """The other iterations run to their end; who comes after the loop is skipped."""
    tasks = {"loop": dict(LOOP), "after": after("loop")}
    result, _ = execute(
        pipeline(tasks, body=BODY), tmp_path, lambda path, _: int(path == "loop/2/a")
    )
    ended = states(result)
    assert ended["loop/2/a"] == "FAILED"
    assert ended["loop/2/b"] == ended["after"] == "SKIPPED"
    assert list(ended.values()).count("SUCCEEDED") == 10


def test_an_item_of_the_wrong_type_fails_its_iteration(tmp_path: Path) -> None:
    """Also after other iterations have started: nothing is lost, nothing hangs."""
    loop = {**LOOP, "parameterIterator": {"itemInput": "i", "items": {"raw": '[1, "x"]'}}}
    result, _ = execute(pipeline({"loop": loop}, body=BODY), tmp_path)
    ended = states(result)
    assert ended == {"loop/0/a": "SUCCEEDED", "loop/0/b": "SUCCEEDED", "loop/1": "FAILED"}
    (message,) = (task.message for task in result.tasks if task.path == "loop/1")
    assert "'x' is no NUMBER_INTEGER" in message.replace('"', "")


def test_a_loop_over_nothing_is_done(tmp_path: Path) -> None:
    """Its outputs are empty lists."""
    loop = {**LOOP, "parameterIterator": {"itemInput": "i", "items": {"raw": "[]"}}}
    result, _ = execute(pipeline({"loop": loop, "after": after("loop")}, body=BODY), tmp_path)
    assert states(result) == {"after": "SUCCEEDED"}


MAKER: ir.Json = {
    "executorLabel": "e",
    "outputDefinitions": {
        "parameters": {"n": {"parameterType": "NUMBER_INTEGER"}},
        "artifacts": {"m": {"artifactType": {"schemaTitle": "system.Model"}}},
    },
}


def output(content: ir.Json, written: Any) -> None:
    """Write an ExecutorOutput."""
    Path(content["outputs"]["outputFile"]).write_text(json.dumps(written))


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({}, "no value for its output parameter n"),
        ({"parameterValues": {"n": "x"}}, "output parameter n"),
        (
            {
                "parameterValues": {"n": 1},
                "artifacts": {"m": {"artifacts": [{"metadata": {"a": None}}]}},
            },
            "null",
        ),
        ({"parameterValues": 3}, "wrong shape"),
        ({"parameterValues": {"n": 1}, "artifacts": {"m": []}}, "wrong shape"),
        ([], "no JSON object"),
    ],
)
def test_a_step_that_does_not_write_what_it_owes_fails(
    tmp_path: Path, written: Any, problem: str
) -> None:
    """Though its process ended well; the message says what is missing."""

    def behave(path: str, content: ir.Json) -> int:
        output(content, written)
        return 0

    tasks = {"a": {"componentRef": {"name": "maker"}}}
    result, _ = execute(pipeline(tasks, maker=MAKER), tmp_path, behave)
    assert result.tasks[0].state is State.FAILED
    assert problem in result.tasks[0].message


def test_outputs_may_come_from_files_and_may_move(tmp_path: Path) -> None:
    """A parameter's own file counts, and so does the address that a step gives an artifact."""

    def behave(path: str, content: ir.Json) -> int:
        Path(content["outputs"]["parameters"]["n"]["outputFile"]).write_text("7\n")
        output(
            content,
            {"artifacts": {"m": {"artifacts": [{"uri": "gs://b/m", "metadata": {"ok": True}}]}}},
        )
        return 0

    tasks = {"a": {"componentRef": {"name": "maker"}}}
    result, _ = execute(pipeline(tasks, maker=MAKER), tmp_path, behave)
    assert result.tasks[0].outputs.parameters == {"n": 7.0}
    (model,) = result.tasks[0].outputs.artifacts["m"]
    assert model == {
        "name": "m",
        "type": {"schemaTitle": "system.Model"},
        "uri": "gs://b/m",
        "metadata": {"ok": 1.0},
    }


def test_a_loop_over_artifacts_hands_them_out_one_by_one(tmp_path: Path) -> None:
    """As a list in, and as single artifacts to the iterations."""
    seen: list[str] = []

    def behave(path: str, content: ir.Json) -> int:
        if path == "use/0" or path == "use/1":
            (model,) = content["inputs"]["artifacts"]["one"]["artifacts"]
            seen.append(model["uri"])
        else:
            output(content, {"parameterValues": {"n": 1}})
        return 0

    makers = {
        "dag": {
            "tasks": {"make": {"componentRef": {"name": "maker"}}},
            "outputs": {
                "artifacts": {
                    "ms": {
                        "artifactSelectors": [{"producerSubtask": "make", "outputArtifactKey": "m"}]
                    }
                }
            },
        },
        "inputDefinitions": BODY["inputDefinitions"],
        "outputDefinitions": {"artifacts": {"ms": {"isArtifactList": True}}},
    }
    user: ir.Json = {"executorLabel": "e", "inputDefinitions": {"artifacts": {"one": {}}}}
    tasks = {
        "loop": {
            "componentRef": {"name": "makers"},
            "parameterIterator": {"itemInput": "i", "items": {"raw": "[1, 2]"}},
        },
        "use": {
            "componentRef": {"name": "user"},
            "inputs": {
                "artifacts": {
                    "all": {
                        "taskOutputArtifact": {"producerTask": "loop", "outputArtifactKey": "ms"}
                    }
                }
            },
            "artifactIterator": {"itemInput": "one", "items": {"inputArtifact": "all"}},
        },
    }
    result, _ = execute(pipeline(tasks, maker=MAKER, makers=makers, user=user), tmp_path, behave)
    assert result.state is State.SUCCEEDED, result.tasks
    assert sorted(seen) == [str(result.directory / f"loop/{n}/make/1/m") for n in (0, 1)]


USER: ir.Json = {
    "executorLabel": "e",
    "inputDefinitions": {"parameters": {"n": {"parameterType": "NUMBER_INTEGER"}}},
}


def taking(source: ir.Json) -> ir.Json:
    """Build a task that takes its number from somewhere."""
    return {"componentRef": {"name": "user"}, "inputs": {"parameters": {"n": source}}}


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        (taking({"componentInputParameter": "none"}), "n has no value: nothing produced one"),
        (taking({"runtimeValue": {"constant": "3"}}), "n does not fit: '3' is no NUMBER_INTEGER"),
        (
            taking(
                {
                    "runtimeValue": {"constant": {"a": 1}},
                    "parameterExpressionSelector": 'parseJson(string_value)["b"]',
                }
            ),
            "n cannot be selected: there is no 'b'",
        ),
        (taking({"runtimeValue": {"constant": "{{$.workspace_path}}"}}), "stands for nothing here"),
        (
            {**LOOP, "parameterIterator": {"itemInput": "i", "items": {"raw": "{}"}}},
            "i is no list to go through",
        ),
        (
            {"triggerPolicy": {"condition": "inputs.parameter_values['x'] == 1"}},
            "there is no 'x'",
        ),
        ({"componentRef": {"name": "imported"}}, "metadata 'a' is null"),
    ],
)
def test_a_task_whose_input_makes_no_sense_fails_alone(
    tmp_path: Path, task: ir.Json, problem: str
) -> None:
    """The message names the input; other tasks run."""
    imported = {"executorLabel": "i", "outputDefinitions": {"artifacts": {"artifact": {}}}}
    importer = {"artifactUri": {"constant": "/x"}, "typeSchema": {}, "metadata": {"a": None}}
    tasks = {"a": {**task}, "b": {}}
    compiled = pipeline(tasks, body=BODY, user=USER, imported=imported)
    compiled.spec["deploymentSpec"]["executors"]["i"] = {"importer": importer}
    result, _ = execute(compiled, tmp_path)
    messages = {ended.path: ended.message for ended in result.tasks}
    assert problem in messages["a"]
    assert states(result)["b"] == "SUCCEEDED"
    assert result.exit_code is Exit.STEP_FAILED


def test_inputs_too_long_for_a_command_line_are_told(tmp_path: Path) -> None:
    """The system's limit on an argument is a failed task with a way out, not a crash."""
    compiled = pipeline({"a": taking({"runtimeValue": {"constant": 1.0}})}, user=USER)
    inputs = compiled.spec["root"]["dag"]["tasks"]["a"]["inputs"]["parameters"]
    inputs["long"] = {"runtimeValue": {"constant": "x" * 200_000}}
    result = run(compiled, root=tmp_path, project=tmp_path, launcher=Processes())
    assert "hand large values on as artifacts" in result.tasks[0].message


def test_nothing_is_written_before_everything_is_checked(tmp_path: Path) -> None:
    """A wrong parameter, a foreign container or a missing project leave no trace."""
    foreign = pipeline({"a": {}, "b": {"componentRef": {"name": "c"}}}, c={"executorLabel": "f"})
    foreign.spec["deploymentSpec"]["executors"]["f"] = {"container": {"image": "busybox"}}
    with pytest.raises(CannotRunHere, match="busybox"):
        run(foreign, root=tmp_path / "root")
    with pytest.raises(BadParameter):
        run(pipeline({"a": {}}), {"x": 1}, root=tmp_path / "root")
    with pytest.raises(CannotRunHere, match="no directory"):
        run(pipeline({"a": {}}), root=tmp_path / "root", project=tmp_path / "none")
    assert not (tmp_path / "root").exists()


def test_an_error_of_the_engines_own_stops_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A full disk under the run directory is no failed task: it ends the run, once told."""

    def behave(path: str, content: ir.Json) -> int:
        raise OSError(28, "No space left on device")

    tasks = {"a": {}, "b": after("a"), "c": {}, "loop": dict(LOOP)}
    with pytest.raises(CannotRunHere, match=f"no space is left on the disk of {tmp_path}"):
        execute(pipeline(tasks, body=BODY), tmp_path, behave)
    assert capfd.readouterr().err == ""


def test_the_engine_adds_little_to_each_task(tmp_path: Path) -> None:
    """Less than 10 ms of processor time for a task, its records included."""
    tasks: dict[str, Any] = {f"t{n}": {} for n in range(200)}
    compiled = pipeline(tasks)
    start = time.process_time()
    execute(compiled, tmp_path)
    assert (time.process_time() - start) / len(tasks) < 0.01
