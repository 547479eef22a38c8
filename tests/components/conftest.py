"""One step, run as a launcher runs it: an ExecutorInput in, an ExecutorOutput out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from lockstep import components
from lockstep.components.catalogue import ENTRYPOINT
from lockstep.pipelines.engine.forks import Template
from lockstep.pipelines.engine.launch import Processes, Step

Handed = Mapping[str, Any]
"""An artifact as it goes from one step to the next: `uri` and `metadata`."""


@dataclass(frozen=True)
class Ran:
    """A step that has ended."""

    code: int
    log: str
    outputs: Mapping[str, Handed]
    parameters: Mapping[str, Any]
    is_written: bool
    """Whether there is an ExecutorOutput."""

    def path(self, output: str) -> Path:
        """Where the step put an output artifact."""
        return Path(self.outputs[output]["uri"])

    def metadata(self, output: str) -> dict[str, Any]:
        """What the step said about an output artifact."""
        return dict(self.outputs[output]["metadata"])

    @property
    def error(self) -> str:
        """What the step says went wrong: three parts; nothing but the output may be missing."""
        assert self.code, "the step ended well"
        assert not self.is_written, "a step that failed has written its ExecutorOutput"
        start = self.log.rfind("\n", 0, self.log.rindex("\n  allowed: ")) + 1
        assert "\n  to do:   " in self.log[start:]
        return self.log


class RunStep(Protocol):
    """Runs one component in a project, its outputs in a directory of their own."""

    def __call__(
        self, component: str, inputs: Mapping[str, Handed] | None = None, /, **parameters: Any
    ) -> Ran:
        """Run it to its end; integers go in as Kubeflow passes them, as doubles."""
        ...


def steps(
    launcher: Processes | Template,
    project: Path,
    runs: Path,
    environment: Mapping[str, str] | None = None,
) -> RunStep:
    """Give what runs the steps of a project."""
    runs.mkdir()

    def run(
        component: str, inputs: Mapping[str, Handed] | None = None, /, **parameters: Any
    ) -> Ran:
        root = runs / f"{len(list(runs.iterdir()))}-{component}"
        root.mkdir()
        outputs = getattr(components, component).component_spec.outputs
        artifacts = {
            key: {"uri": str(root / key), "metadata": {}}
            for key, spec in outputs.items()
            if "." in spec.type
        }
        message = {
            "inputs": {
                "parameterValues": as_doubles(parameters),
                "artifacts": {k: {"artifacts": [a]} for k, a in (inputs or {}).items()},
            },
            "outputs": {
                "artifacts": {k: {"artifacts": [a]} for k, a in artifacts.items()},
                "parameters": {
                    key: {"outputFile": str(root / key)}
                    for key in outputs.keys() - artifacts.keys()
                },
                "outputFile": str(root / "executor_output.json"),
            },
        }
        arguments = (component, "--executor_input", json.dumps(message))
        step = Step(
            ENTRYPOINT[-1], arguments, environment or {}, project, root / "log.txt", timeout=300
        )
        code = launcher.run(step).code
        return read(code, step.log.read_text(), root / "executor_output.json", artifacts)

    return run


def read(code: int, log: str, output: Path, artifacts: Mapping[str, Handed]) -> Ran:
    """Read what a step has written, its metadata as Kubeflow hands them on: without integers."""
    if not output.exists():
        return Ran(code, log, artifacts, {}, is_written=False)
    message = json.loads(output.read_text())
    said = {
        key: {"uri": a["uri"], "metadata": as_doubles(a["metadata"])}
        for key, value in message["artifacts"].items()
        for a in value["artifacts"]
    }
    return Ran(code, log, said, message["parameterValues"], is_written=True)


def as_doubles(value: Any) -> Any:
    """Turn integers into doubles, as every number becomes one on its way through Kubeflow."""
    if isinstance(value, dict):
        return {k: as_doubles(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_doubles(v) for v in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make an empty project."""
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def run_light(project: Path, tmp_path: Path) -> RunStep:
    """Run a step in a process of its own: for those that need no TensorFlow."""
    return steps(Processes(), project, tmp_path / "runs")


@dataclass(frozen=True)
class Workshop:
    """A project in which heavy steps run, in forks of a process that has imported TFX."""

    project: Path
    run: RunStep
    warm: Template

    def within(self, **environment: str) -> RunStep:
        """Give what runs steps in an environment."""
        runs = self.project.parent / f"runs-{len(list(self.project.parent.iterdir()))}"
        return steps(self.warm, self.project, runs, environment)

    def write(self, file: str, *lines: str) -> str:
        """Write a text file of the project; return its directory."""
        path = self.project / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path.parent.relative_to(self.project))

    def examples(self, ran: Ran, key: str = "examples") -> dict[str, list[dict[str, list[Any]]]]:
        """Read what a step wrote: split -> examples, each feature -> values, sorted."""
        written, log = self.project / "examples.json", self.project / "log.txt"
        arguments = (str(ran.path(key)), str(written))
        ended = self.warm.run(Step("read_examples", arguments, {}, Path(__file__).parent, log))
        assert ended.code == 0, log.read_text()
        splits: dict[str, list[dict[str, list[Any]]]] = json.loads(written.read_text())
        return splits


@pytest.fixture(scope="module")
def workshop(warm: Template, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Make a project that the tests of one file share."""
    root = tmp_path_factory.mktemp("workshop")
    (root / "project").mkdir()
    return Workshop(root / "project", steps(warm, root / "project", root / "runs"), warm)
