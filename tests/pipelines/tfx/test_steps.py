"""The steps that run a TFX pipeline's own nodes and placeholders."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from lockstep.pipelines.engine.forks import Template
from lockstep.pipelines.engine.launch import Step

USERS: Final = """
from tfx.dsl.component.experimental import annotations, decorators
from tfx.types import standard_artifacts as types


@decorators.component
def Halve(
    model: annotations.OutputArtifact[types.Model],
    number: annotations.Parameter[int],
    rate: annotations.Parameter[float],
    sure: annotations.Parameter[bool],
    before: int = 0,
) -> annotations.OutputDict(half=float, kinds=str):
    assert __name__ != "__main__"
    with open(model.uri + "/saved_model.pb", "w") as file:
        file.write("a model")
    model.set_int_custom_property("layers", 3)
    kinds = " ".join(type(value).__name__ for value in (number, rate, sure, before))
    return {"half": (number + before) / 2, "kinds": kinds}
"""
TYPES: Final = "tfx.types.standard_artifacts:"
EXPRESSION: Final = {
    "operator": {
        "compare_op": {
            "lhs": {
                "operator": {
                    "artifact_property_op": {
                        "key": "layers",
                        "is_custom_property": True,
                        "expression": {
                            "operator": {
                                "index_op": {"expression": {"placeholder": {"key": "input_0"}}}
                            }
                        },
                    }
                }
            },
            "op": "EQUAL",
            "rhs": {"value": {"int_value": "3"}},
        }
    }
}
"""What `model.future()[0].custom_property("layers") == 3` becomes."""


@dataclass(frozen=True)
class Ran:
    """A step that has ended: its exit code, its log, what it has written."""

    code: int
    log: str
    output: dict[str, Any]


class Runner:
    """Runs steps in a project, in forks of a warm process."""

    def __init__(self, warm: Template, project: Path) -> None:
        """Remember where."""
        self.warm, self.project = warm, project

    def __call__(self, name: str, parameters: Any, outputs: dict[str, Path], **inputs: Any) -> Ran:
        """Run one; outputs that are `value` are parameters, others artifacts."""
        root = self.project / "out"
        root.mkdir(exist_ok=True)
        files = {k: {"outputFile": str(p)} for k, p in outputs.items() if k == "value"}
        made = {
            key: {"artifacts": [{"uri": str(path), "metadata": {}}]}
            for key, path in outputs.items()
            if key != "value"
        }
        given = {key: {"artifacts": [artifact]} for key, artifact in inputs.items()}
        message = {
            "inputs": {"parameterValues": parameters, "artifacts": given},
            "outputs": {
                "artifacts": made,
                "parameters": files,
                "outputFile": str(root / "output.json"),
            },
        }
        arguments = (name, "--executor_input", json.dumps(message), "--node", "some_node")
        log = root / "log.txt"
        step = Step("lockstep.components", arguments, {}, self.project, log, timeout=300)
        code = self.warm.run(step).code
        written = root / "output.json"
        output = json.loads(written.read_text()) if written.exists() else {}
        return Ran(code, log.read_text(), output)


@pytest.fixture
def run(warm: Template, tmp_path: Path) -> Runner:
    """Run steps in a project with one file of the user's."""
    (tmp_path / "nodes.py").write_text(USERS)
    return Runner(warm, tmp_path)


def called(**changes: Any) -> dict[str, Any]:
    """The parameters of a step that calls the user's function."""
    kinds = {"number": "int", "rate": "float", "sure": "bool"}
    outputs = {"model": f"{TYPES}Model", "half": f"{TYPES}Float", "kinds": f"{TYPES}String"}
    inputs = {"before": f"{TYPES}Integer"}
    return {
        "module_file": "nodes.py",
        "executor": "Halve_Executor",
        "exec_properties": {"number": 7.0, "rate": 2.0, "sure": "true"},
        "types": {"outputs": outputs, "inputs": inputs, "properties": kinds},
    } | changes


def test_a_function_of_the_project_is_called(run: Runner, tmp_path: Path) -> None:
    """Properties have the kinds that it declares, whatever JSON made of them; it gives values."""
    outputs = {key: tmp_path / "out" / key for key in ("model", "half", "kinds")}
    ran = run("tfx_node", called(), outputs)
    assert ran.code == 0, ran.log
    assert outputs["half"].read_text() == "3.5"
    assert outputs["kinds"].read_text() == "int float bool int"
    assert (outputs["model"] / "saved_model.pb").read_text() == "a model"
    [model] = ran.output["artifacts"]["model"]["artifacts"]
    assert model["metadata"] == {"tfx_type": "Model", "layers": 3}


def test_a_value_of_another_node_is_read(run: Runner, tmp_path: Path) -> None:
    """An input that is a value arrives as that value."""
    (tmp_path / "before").write_text("5")
    outputs = {key: tmp_path / "out" / key for key in ("model", "half", "kinds")}
    before = {"uri": str(tmp_path / "before"), "metadata": {"__is_null__": 0.0}}
    ran = run("tfx_node", called(), outputs, before=before)
    assert ran.code == 0, ran.log
    assert outputs["half"].read_text() == "6.0"


def test_an_executor_that_is_not_there_is_named(run: Runner, tmp_path: Path) -> None:
    """The error says which file lacks which class."""
    ran = run("tfx_node", called(executor="Double_Executor"), {"model": tmp_path / "model"})
    assert ran.code != 0
    assert "nodes.py does not give Double_Executor" in ran.log


@pytest.mark.parametrize(("layers", "holds"), [(3.0, "true"), (4.0, "false")])
def test_a_predicate_looks_into_an_artifact(
    run: Runner, tmp_path: Path, layers: float, holds: str
) -> None:
    """TFX's own resolver evaluates it when the pipeline runs; the answer is a parameter."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/saved_model.pb").touch()
    artifact = {"uri": str(tmp_path / "model"), "metadata": {"layers": layers}}
    asked = {"expression": EXPRESSION, "types": {"inputs": {"input_0": f"{TYPES}Model"}}}
    value = tmp_path / "out" / "value"
    ran = run("tfx_value", asked, {"value": value}, input_0=artifact)
    assert ran.code == 0, ran.log
    assert value.read_text() == holds


def test_a_placeholder_of_nothing_is_an_error(run: Runner, tmp_path: Path) -> None:
    """As in TFX; nothing is made up."""
    asked = {"expression": EXPRESSION, "types": {"inputs": {"input_0": f"{TYPES}Model"}}}
    ran = run("tfx_value", asked, {"value": tmp_path / "out" / "value"})
    assert ran.code != 0
    assert "input_0" in ran.log
