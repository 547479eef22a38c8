"""What a TFX user's file looks like: each form of it is understood."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from lockstep.pipelines.engine.forks import Template
from lockstep.pipelines.engine.launch import Step

HERE: Final = Path(__file__).parent
LIGHT: Final = """
import sys
import lockstep.pipelines.tfx
heavy = {"kfp", "tfx", "tensorflow", "apache_beam"} & set(sys.modules)
assert not heavy, heavy
"""
RUNNER: Final = """
import os
from pathlib import Path

os.environ["UNSUPPORTED_DO_NOT_PACKAGE_USER_MODULES"] = "1"
from tfx.components.example_gen.csv_example_gen.component import CsvExampleGen
from tfx.orchestration.pipeline import Pipeline

from lockstep.pipelines.tfx import LockstepDagRunner, LockstepDagRunnerConfig
from lockstep.serving.errors import LockstepError

gen = CsvExampleGen(input_base="data")
pipeline = Pipeline("By_the_runner", "/tmp/r", components=[gen])
LockstepDagRunner(output_dir="out", output_filename="made.yaml").run(pipeline)
local = LockstepDagRunner(LockstepDagRunnerConfig(local=True, root=Path("runs")))
try:
    local.run(pipeline)
except LockstepError as error:
    print("LOCAL", error)
"""


def test_importing_the_runner_imports_nothing_heavy() -> None:
    """A file that only names it pays for nothing."""
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("standard", "every-component"),  # an attribute of the module
        ("containers", "containers"),  # a function without required arguments
        ("custom", "custom"),  # a call of TFX's runner under the guard
        ("parameters", "parameters"),  # a call of lockstep's runner under the guard
        ("absent_runner", "kubeflow-v1"),  # a call of a runner that TFX has no more
    ],
)
def test_the_pipeline_is_found(outcomes: Any, file: str, name: str) -> None:
    """As an attribute, as a function, and where a runner is called; its name becomes KFP's."""
    assert outcomes[file]["spec"]["pipelineInfo"]["name"] == name


def test_the_runner_s_call_is_taken_not_obeyed(outcomes: Any) -> None:
    """Nothing is written where the file's own runner would have written."""
    assert "error" not in outcomes["parameters"]
    assert not list(HERE.rglob("never_written.yaml"))
    assert not list(HERE.rglob("pipeline.json"))


def test_the_exit_handler_is_taken_from_the_runner(outcomes: Any) -> None:
    """`set_exit_handler` comes with the pipeline; KFP hands it how the run has ended."""
    task = outcomes["custom"]["spec"]["root"]["dag"]["tasks"]["goodbye"]
    status = task["inputs"]["parameters"]["pipeline_task_final_status"]
    assert status == {"taskFinalStatus": {"producerTask": "exit-handler-1"}}
    assert task["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


def test_the_runner_stands_in_for_tfx_s(warm: Template, tmp_path: Path) -> None:
    """`python FILE.py` with it writes the compiled file, or runs the pipeline here."""
    (tmp_path / "mine.py").write_text(RUNNER)
    (tmp_path / "data").mkdir()
    log = tmp_path / "log.txt"
    step = Step("mine", (), {"PYTHONPATH": str(tmp_path)}, tmp_path, log, timeout=300)
    assert warm.run(step).code == 0, log.read_text()
    assert 'Pipeline "by-the-runner"' in (tmp_path / "out/made.yaml").read_text()
    assert "LOCAL the run by-the-runner" in log.read_text()
