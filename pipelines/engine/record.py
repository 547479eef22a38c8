"""The run directory: what is written where, and when it counts.

    ROOT/runs/RUN/pipeline.yaml       what is executed
    ROOT/runs/RUN/run.json            the run: its state, parameters, outputs
    ROOT/runs/RUN/TASK/task.json      a task: its state, inputs, outputs
    ROOT/runs/RUN/TASK/log.txt        what it printed, in all its tries
    ROOT/runs/RUN/TASK/N/...          the outputs of its Nth try

A try writes only into its own, new directory, and the addresses of its artifacts never change.
They count once `task.json` says that the task has succeeded, and that file appears whole or not at
all: nothing half-written is ever taken for an artifact.
"""

import json
import os
import re
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .result import State, TaskResult, Values
from .values import Json


@dataclass(frozen=True)
class Record:
    """One run's directory."""

    directory: Path
    run: str

    @classmethod
    def create(cls, root: Path, pipeline: str, text: str) -> "Record":
        """Make the directory of a new run of a compiled file; its name sorts by time."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", pipeline)
        run = f"{name}-{stamp}-{secrets.token_hex(3)}"
        directory = root.absolute() / "runs" / run
        directory.mkdir(parents=True)
        (directory / "pipeline.yaml").write_text(text, encoding="utf-8")
        return cls(directory, run)

    def task(self, path: str) -> Path:
        """The directory of a task."""
        directory = self.directory / path
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def new_try(self, path: str, number: int) -> Path:
        """The new, empty directory of one try of a task."""
        directory = self.task(path) / str(number)
        directory.mkdir()
        return directory

    def write_run(self, facts: Json) -> None:
        """Replace what is known about the run."""
        _replace(self.directory / "run.json", {"run": self.run, **facts})

    def write_task(self, result: TaskResult, inputs: Values) -> None:
        """Record how a task ended: from here on its outputs count."""
        facts = {
            "task": result.path,
            "state": result.state.value,
            "message": result.message,
            "seconds": round(result.seconds, 3),
            "peak_memory": result.peak_memory,
            "tries": result.tries,
            "code": result.code,
            "inputs": asdict(inputs),
            "outputs": asdict(result.outputs),
        }
        _replace(self.task(result.path) / "task.json", facts)


def succeeded(directory: Path) -> bool:
    """Whether a task's directory holds finished outputs."""
    try:
        facts: Json = json.loads((directory / "task.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    return bool(facts["state"] == State.SUCCEEDED.value)


def _replace(path: Path, facts: Json) -> None:
    """Write a file whole or not at all."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        aside.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(aside, path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
