"""A project of its own, and one run of the taxi pipeline in it, for every test to look at."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lockstep.pipelines.engine.history import read_run

ROOT = Path(__file__).parents[2]
LOCKSTEP = Path(sys.executable).with_name("lockstep")


@dataclass(frozen=True)
class Run:
    """A run that has ended: its exit code, what it printed, and its directory."""

    code: int
    out: str
    err: str
    directory: Path

    def task(self, name: str) -> dict[str, Any]:
        """What is recorded of a task."""
        facts: dict[str, Any] = self.recorded()["tasks"][name]
        return facts

    def recorded(self) -> dict[str, Any]:
        """What is recorded of the run."""
        return read_run(self.directory.parents[1], self.directory.name)

    def states(self) -> dict[str, str]:
        """Every task's state."""
        return {name: task["state"] for name, task in self.recorded()["tasks"].items()}

    def metadata(self, task: str, output: str) -> dict[str, Any]:
        """What a step said about an output."""
        found: dict[str, Any] = self.task(task)["outputs"]["artifacts"][output][0]["metadata"]
        return found

    def path(self, task: str, output: str) -> Path:
        """Where a step's output is."""
        return Path(self.task(task)["outputs"]["artifacts"][output][0]["uri"])


@dataclass(frozen=True)
class Project:
    """A user's project: what commands are run in."""

    root: Path

    def lockstep(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Type a command."""
        command = self.command(*arguments)
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)

    def command(self, *arguments: str) -> list[str]:
        """The words of a command."""
        return [str(LOCKSTEP), *arguments]

    def run(self, source: str, **parameters: str | Path | int) -> Run:
        """Run a pipeline; runs are kept in `kept`."""
        options = [f"--param={name}={value}" for name, value in parameters.items()]
        before = self.runs()
        said = self.lockstep("run", source, "--root", "kept", *options)
        (directory,) = self.runs() - before
        return Run(said.returncode, said.stdout, said.stderr, directory)

    def runs(self) -> set[Path]:
        """The directories of all runs."""
        return set((self.root / "kept/runs").glob("*"))

    def versions(self, model: str) -> list[str]:
        """What the model store has of a model, beside its record: nothing half-pushed, either."""
        names = {path.name for path in (self.root / "models" / model).glob("*")}
        return sorted(names - {"lockstep.json", ".lockstep.lock"})


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the taxi pipeline, compiled and without its source, and the tests' own."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "tests/e2e/pipelines", root / "pipelines")
    shutil.copytree(ROOT / "pipelines/taxi", root / "pipelines/taxi")
    project = Project(root)
    compiled = project.lockstep("compile", "pipelines/taxi/pipeline.py", "-o", "taxi.yaml")
    assert compiled.returncode == 0, compiled.stderr
    (root / "pipelines/taxi/pipeline.py").unlink()
    return project


@pytest.fixture(scope="session")
def taxi(project: Project) -> Run:
    """The taxi pipeline, run from the compiled file into an empty model store."""
    run = project.run("taxi.yaml", model_store="models")
    assert run.code == 0, run.out + run.err
    return run
