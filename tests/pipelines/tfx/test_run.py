"""TFX pipelines that are run on this machine, as their users would."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).parent
LOCKSTEP: Final = str(Path(sys.executable).with_name("lockstep"))
EXAMPLES: Final = HERE.parents[2] / "scripts/tfx_examples.py"


def logs(project: Path) -> str:
    """Every step's log, one after the other."""
    return "".join(log.read_text() for log in sorted(project.rglob("log.txt")))


@pytest.mark.slow
def test_nodes_of_the_user_s_own_run(tmp_path: Path) -> None:
    """Functions, values handed on, conditions that hold, a component class, the exit handler."""
    (tmp_path / "custom.py").write_text((HERE / "pipelines/custom.py").read_text())
    command = [LOCKSTEP, "run", "custom.py", "--param", "words_to_count=x y z"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = logs(tmp_path)
    assert "REPORT x y z 3 float 0.5!" in said
    assert "REPORT some more 3 in" in said
    assert re.search(r'GOODBYE bye \{"state": "SUCCEEDED"', said)
    [stamp] = tmp_path.rglob("stamp.txt")
    assert stamp.read_text() == "3 None"


@pytest.mark.slow
def test_a_condition_that_does_not_hold_skips_its_nodes(tmp_path: Path) -> None:
    """Nothing under it runs, and the run succeeds."""
    (tmp_path / "custom.py").write_text((HERE / "pipelines/custom.py").read_text())
    command = [LOCKSTEP, "run", "custom.py", "--param", "words_to_count=two words"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "REPORT two words 2 float 0.5!" in logs(tmp_path)
    assert "some more" not in logs(tmp_path)


@pytest.mark.slow
def test_tfx_s_penguin_template_runs_to_a_pushed_model(tmp_path: Path) -> None:
    """Unchanged but for its uncommented steps, out of the wheel: `lockstep run local_runner.py`."""
    code = (
        "import runpy, sys, pathlib\n"
        f"made = runpy.run_path({str(EXAMPLES)!r})\n"
        "example = made['EXAMPLES']['template penguin']\n"
        "print(made['prepare'](example, pathlib.Path(sys.argv[1])))\n"
    )
    laid_out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    file = Path(laid_out.stdout.split()[-1])
    ran = subprocess.run(
        [LOCKSTEP, "run", file.name],
        cwd=file.parent,
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    pushed = re.search(r"pushed the model to (\S+)", ran.stdout)
    assert pushed, ran.stdout
    assert (file.parent / pushed[1] / "saved_model.pb").is_file()
