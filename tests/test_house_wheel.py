"""What ships is whole: the wheel works in an environment that holds nothing else."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIPELINE = """
from kfp import dsl
from lockstep.components import csv_example_gen


@dsl.pipeline(name="tiny")
def tiny(data: str):
    csv_example_gen(input_base=data)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command to its end; what it printed is the reason if it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def uv() -> str:
    """The uv that `make` uses, or the one on the PATH."""
    found = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv/bin/uv")
    assert Path(found).exists(), "no uv: run the tests with `make test`"
    return found


@pytest.fixture(scope="module")
def wheel(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution, which is built from the tree."""
    folder = tmp_path_factory.mktemp("dist")
    run(uv, "build", "--quiet", "--out-dir", folder, cwd=ROOT)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_library_and_nothing_else(wheel: Path) -> None:
    """Every file of the three floors ships; tests, examples and the project's own tools do not."""
    folders = ("components", "manifests", "pipelines", "serving")
    tree = {
        f"lockstep/{file.relative_to(ROOT)}"
        for folder in folders
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and "taxi" not in file.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert shipped == tree | {"lockstep/__init__.py", "lockstep/py.typed"}


def test_the_wheel_works_alone(uv: str, wheel: Path, tmp_path: Path) -> None:
    """In an empty environment, core only, pip installs it, and it imports and compiles."""
    run(uv, "venv", "--quiet", "--seed", "--python", "3.11", "empty", cwd=tmp_path)
    bin_ = tmp_path / "empty/bin"
    run(bin_ / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    (tmp_path / "tiny.py").write_text(PIPELINE)
    imports = "import lockstep.pipelines, lockstep.serving.store, lockstep.components"
    run(bin_ / "python", "-c", imports, cwd=tmp_path)
    assert "compile" in run(bin_ / "lockstep", "--help", cwd=tmp_path)
    assert "sha256:" in run(bin_ / "lockstep", "compile", "tiny.py", "-o", "t.yaml", cwd=tmp_path)
