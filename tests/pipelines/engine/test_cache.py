"""The cache: what serves a task, what does not, and how that is explained."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lockstep.pipelines import ir
from lockstep.pipelines.cli import app
from lockstep.pipelines.engine.engine import run
from lockstep.pipelines.engine.explain import explain
from lockstep.pipelines.engine.launch import Ended, Step
from lockstep.pipelines.engine.result import RunResult
from lockstep.pipelines.errors import UnknownRun
from lockstep.serving.store import digest


@dataclass
class Writes:
    """A launcher in whose steps each output file holds the text of the parameter `write`."""

    expected: list[str] = field(default_factory=list[str])
    ran: list[str] = field(default_factory=list[str])

    def expect(self, module: str, arguments: tuple[str, ...]) -> None:
        """Note that a step was announced."""
        self.expected.append(arguments[0])

    def run(self, step: Step) -> Ended:
        """Write every output."""
        content = json.loads(step.arguments[-1])
        self.ran.append(step.arguments[0])
        for slot in content["outputs"].get("artifacts", {}).values():
            place = Path(slot["artifacts"][0]["uri"])
            place.mkdir()
            value = content["inputs"]["parameterValues"].get("write", "")
            (place / "data").write_text(str(value))
        return Ended(0, 0.1, 2**20)

    def stop(self, grace: float) -> None:
        """There is nothing to stop."""

    def imports(self) -> dict[str, float]:
        """Nothing is warm."""
        return {}

    def close(self) -> None:
        """There is nothing to let go of."""


def component(name: str, *inputs: str) -> dict[str, Any]:
    """A component with a parameter, artifacts as inputs, and one artifact as output."""
    kind = {"artifactType": {"schemaTitle": "system.Artifact"}}
    return {
        "executorLabel": name,
        "inputDefinitions": {
            "parameters": {
                "write": {"parameterType": "STRING", "isOptional": True},
                "module_file": {"parameterType": "STRING", "isOptional": True},
            },
            "artifacts": dict.fromkeys(inputs, kind),
        },
        "outputDefinitions": {"artifacts": {"out": kind}},
    }


def pipeline(write: str = "a", cached: bool = True, **changes: Any) -> ir.CompiledPipeline:
    """`statistics` writes a text, `train` reads it and writes another one, `push` reads that."""

    def task(name: str, source: str, text: str, **parameters: str) -> dict[str, Any]:
        constants = {"write": text, **parameters}
        output = {"producerTask": source, "outputArtifactKey": "out"}
        return {
            "componentRef": {"name": name},
            "cachingOptions": {"enableCache": cached},
            "inputs": {
                "parameters": {k: {"runtimeValue": {"constant": v}} for k, v in constants.items()},
                "artifacts": {"in": {"taskOutputArtifact": output}} if source else {},
            },
        }

    tasks = {
        "statistics": task("statistics_gen", "", write),
        "train": task("trainer", "statistics", **{"text": "model", **changes}),
        "push": task("pusher", "train", "pushed"),
    }
    names = {"statistics_gen": (), "trainer": ("in",), "pusher": ("in",)}
    return ir.CompiledPipeline(
        {
            "pipelineInfo": {"name": "p"},
            "components": {name: component(name, *inputs) for name, inputs in names.items()},
            "deploymentSpec": {
                "executors": {
                    name: {
                        "container": {
                            "command": ["python", "-m", "lockstep.components", name],
                            "args": ["--executor_input", "{{$}}"],
                        }
                    }
                    for name in names
                }
            },
            "root": {"dag": {"tasks": tasks}},
            "schemaVersion": "2.1.0",
        }
    )


Execute = Callable[..., tuple[list[str], RunResult]]


@pytest.fixture
def execute(tmp_path: Path) -> Execute:
    """Run a pipeline under one root; give what was executed, and the result."""

    def execute(compiled: ir.CompiledPipeline, **manner: Any) -> tuple[list[str], RunResult]:
        launcher = Writes()
        result = run(
            compiled, root=tmp_path / "root", project=tmp_path, launcher=launcher, **manner
        )
        return launcher.ran, result

    return execute


def test_what_has_not_changed_is_not_executed_again(execute: Execute) -> None:
    """Its outputs are the earlier ones, where they are; what changes the world runs always."""
    ran, first = execute(pipeline())
    assert ran == ["statistics_gen", "trainer", "pusher"]
    ran, second = execute(pipeline())
    assert ran == ["pusher"]
    assert [task.cached for task in second.tasks] == [first.run, first.run, ""]
    assert [t.outputs for t in second.tasks[:2]] == [t.outputs for t in first.tasks[:2]]


def test_a_change_runs_what_depends_on_it(execute: Execute) -> None:
    """Only the task with the new parameter, and those that see a new content."""
    execute(pipeline())
    assert execute(pipeline(text="other"))[0] == ["trainer", "pusher"]
    assert execute(pipeline(write="b"))[0] == ["statistics_gen", "trainer", "pusher"]
    assert execute(pipeline(text="other"))[0] == ["pusher"]


def test_the_same_content_is_the_same_input(execute: Execute) -> None:
    """A task that is executed again, and makes what it made before, changes nothing behind it."""
    _, first = execute(pipeline())
    shutil.rmtree(first.directory / "statistics")
    assert execute(pipeline())[0] == ["statistics_gen", "pusher"]


@pytest.mark.parametrize("damage", ["gone", "changed", "more"])
def test_a_damaged_output_does_not_serve(execute: Execute, damage: str) -> None:
    """Files that are gone, changed or new make a miss, and the reason names them."""
    _, first = execute(pipeline())
    model = first.directory / "train/1/out"
    if damage == "gone":
        shutil.rmtree(model)
    else:
        (model / ("data" if damage == "changed" else "new")).write_text("?")
    ran, second = execute(pipeline())
    assert ran == ["trainer", "pusher"]
    reasons = {
        found.task: found.reason for found in explain(second.directory.parents[1], second.run)
    }
    assert reasons["train"] == f"{model} of the run {first.run} is gone or has changed"


def test_a_new_time_alone_is_no_change(execute: Execute) -> None:
    """On doubt the content is read: the same bytes serve."""
    _, first = execute(pipeline())
    file = first.directory / "train/1/out/data"
    file.write_text(file.read_text())
    assert execute(pipeline())[0] == ["pusher"]


def test_no_cache_executes_everything(execute: Execute) -> None:
    """And what it makes serves later runs."""
    execute(pipeline())
    ran, second = execute(pipeline(), cache=False)
    assert ran == ["statistics_gen", "trainer", "pusher"]
    assert {task.cached for task in execute(pipeline())[1].tasks} == {second.run, ""}


def test_the_pipeline_may_switch_the_cache_off(execute: Execute) -> None:
    """Kubeflow's caching option of each task holds here, too."""
    execute(pipeline())
    assert execute(pipeline(cached=False))[0] == ["statistics_gen", "trainer", "pusher"]


def test_the_users_module_is_part_of_the_key(execute: Execute, tmp_path: Path) -> None:
    """A change in a file that the module imports is a change, and is named."""
    (tmp_path / "model.py").write_text("import features\n")
    (tmp_path / "features.py").write_text("NAMES = 1\n")
    compiled = pipeline(module_file="model.py")
    execute(compiled)
    assert execute(compiled)[0] == ["pusher"]
    (tmp_path / "features.py").write_text("NAMES = 2\n")
    ran, result = execute(compiled)
    assert ran == ["trainer", "pusher"]
    found = {one.task: one for one in explain(result.directory.parents[1], result.run)}
    assert [change.part for change in found["train"].changes] == ["code features.py"]


def test_explanations_are_plain_words(execute: Execute) -> None:
    """Hit or miss; which part has changed, from what to what; why there is no key at all."""
    _, first = execute(pipeline())
    root = first.directory.parents[1]
    reasons = [found.reason for found in explain(root, first.run)]
    assert reasons[:2] == ["it had never succeeded here before"] * 2
    assert reasons[2].startswith("never cached")
    _, second = execute(pipeline(text="other"))
    statistics, train, _ = explain(root, second.run)
    assert str(statistics) == f"statistics: hit, the outputs of statistics in {first.run}"
    assert str(train).splitlines() == [
        f"train: miss, compared with {first.run}:",
        "  parameter write was model, is now other",
    ]


def test_warming_up_waits_until_a_step_is_known_to_run(tmp_path: Path) -> None:
    """The first time at once; later, cached steps are never announced."""
    launchers = [Writes(), Writes()]
    for launcher in launchers:
        run(pipeline(), root=tmp_path / "root", project=tmp_path, launcher=launcher)
    assert {"statistics_gen", "trainer", "pusher"} == set(launchers[0].expected)
    assert set(launchers[1].expected) == {"pusher"}


def test_the_command_explains_in_text_and_json(execute: Execute) -> None:
    """The same facts; an unknown run is told."""
    _, first = execute(pipeline())
    root = ["--root", str(first.directory.parents[1])]
    text = CliRunner().invoke(app, ["explain-cache", first.run, *root]).stdout
    assert "train: miss, it had never succeeded here before\n" in text
    found = json.loads(
        CliRunner().invoke(app, ["explain-cache", first.run, "--json", *root]).stdout
    )
    assert [one["task"] for one in found] == ["statistics", "train", "push"]
    assert found[1]["hit"] is False
    failed = CliRunner().invoke(app, ["explain-cache", "x", *root])
    assert isinstance(failed.exception, UnknownRun)


def test_a_model_that_has_become_the_champion_is_not_evaluated_again(
    tmp_path: Path,
) -> None:
    """How it has passed before stands; another champion is a new rival."""
    candidate = tmp_path / "candidate"
    (candidate / "Format-Serving").mkdir(parents=True)
    (candidate / "Format-Serving/saved_model.pb").write_bytes(b"model")
    own = digest(str(candidate / "Format-Serving"))

    def ran(champion: str) -> list[str]:
        (tmp_path / "champion").mkdir(exist_ok=True)
        (tmp_path / "champion/saved_model.pb").write_text(champion)
        launcher = Writes()
        compiled = evaluation(str(candidate), str(tmp_path / "champion"), champion)
        run(compiled, root=tmp_path / "root", project=tmp_path, launcher=launcher)
        return launcher.ran

    assert ran("") == ["evaluator"]
    assert ran(own) == []
    assert ran("another") == ["evaluator"]
    assert ran("another") == []


def evaluation(candidate: str, champion: str, digest: str) -> ir.CompiledPipeline:
    """A pipeline that evaluates one imported model against another."""
    compiled = pipeline()
    tasks: dict[str, Any] = {
        name: {"componentRef": {"name": name}, "cachingOptions": {"enableCache": True}}
        for name in ("candidate", "champion", "evaluator")
    }
    tasks["evaluator"]["inputs"] = {
        "artifacts": {
            key: {"taskOutputArtifact": {"producerTask": task, "outputArtifactKey": "artifact"}}
            for key, task in (("model", "candidate"), ("baseline_model", "champion"))
        }
    }
    spec = compiled.spec
    spec["root"]["dag"]["tasks"] = tasks
    command = ["python", "-m", "lockstep.components", "evaluator"]
    spec["components"] = {"evaluator": component("evaluator", "model", "baseline_model")}
    executors: dict[str, Any] = {
        "evaluator": {"container": {"command": command, "args": ["--executor_input", "{{$}}"]}}
    }
    for name, uri, metadata in (
        ("candidate", candidate, {}),
        ("champion", champion, {"digest": digest}),
    ):
        kind = {"schemaTitle": "system.Model"}
        spec["components"][name] = {
            "executorLabel": name,
            "outputDefinitions": {"artifacts": {"artifact": {"artifactType": kind}}},
        }
        address = {"artifactUri": {"constant": uri}, "typeSchema": kind, "metadata": metadata}
        executors[name] = {"importer": address}
    spec["deploymentSpec"] = {"executors": executors}
    return compiled
