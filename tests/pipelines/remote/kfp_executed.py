"""Runs of the test server that are not pretended: `lockstep run` executes them on this machine.

    executor = Executor(project=..., root=...)
    with KfpServer(State(execute=executor.start)) as server: ...
    executor.close()

Tasks, states and logs that the server tells are then those of that run.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lockstep.pipelines.errors import UnknownRun
from lockstep.pipelines.remote.local import Local
from lockstep.pipelines.remote.service import State
from lockstep.serving.errors import Exit

from .kfp_workflow import ENDED, Workflow

Json = dict[str, Any]
LOCKSTEP = Path(sys.executable).with_name("lockstep")


@dataclass
class Executor:
    """Where runs are executed, and those that have been."""

    project: Path
    """What an image would hold: steps start there."""
    root: Path
    """Where the runs are kept; artifacts are taken from earlier ones."""
    options: tuple[str, ...] = ()
    """More options of `lockstep run`."""
    processes: list["subprocess.Popen[bytes]"] = field(
        default_factory=list["subprocess.Popen[bytes]"]
    )

    def start(self, name: str, spec: Json, platform: Json, body: Json) -> Workflow:
        """Start a run of a pipeline with the parameters that were sent."""
        self.root.mkdir(parents=True, exist_ok=True)
        compiled = self.root / f"{name}.yaml"
        compiled.write_text(yaml.safe_dump_all([one for one in (spec, platform) if one]))
        given = (body.get("runtime_config") or {}).get("parameters") or {}
        texts = {name: _text(value) for name, value in given.items()}
        words = [str(LOCKSTEP), "run", str(compiled), f"--root={self.root}", *self.options]
        words += [f"--param={key}={text}" for key, text in texts.items()]
        before = self.runs()
        quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        with (self.root / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                words, cwd=self.project, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=quiet
            )
        self.processes.append(process)
        return Executed(name, spec, {}, executor=self, process=process, before=before)

    def runs(self) -> set[str]:
        """The names of all runs."""
        return {path.name for path in (self.root / "runs").glob("*")}

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes:
            process.terminate()
            process.wait(60)


def _text(value: Any) -> str:
    """A parameter as one types it; Kubeflow's integers have come as doubles."""
    if isinstance(value, str):
        return value
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value)


@dataclass
class Executed(Workflow):
    """A workflow that goes on as its run does."""

    executor: Executor = field(kw_only=True)
    process: "subprocess.Popen[bytes]" = field(kw_only=True)
    before: set[str] = field(kw_only=True)

    def advance(self) -> None:
        """Look how far the run is."""
        self.clock = int(time.time())
        if self.phase in ENDED:
            return
        if self.terminated:
            self.process.terminate()
        code = self.process.poll()
        self.phase = "Running"
        for run in self.executor.runs() - self.before:
            self._follow(run, code is not None)
        if code is not None:
            self._end("Succeeded" if code in (Exit.OK, Exit.NOT_BLESSED) else "Failed")

    def _follow(self, run: str, over: bool) -> None:
        local = Local(self.executor.root)
        try:
            tasks = local.get(run).tasks
        except UnknownRun:
            return
        for task in tasks:
            path = task.name.replace("/", ".")
            if path in self.todo:
                self.todo.remove(path)
                if task.state is State.SKIPPED:
                    self.fate[path.rpartition(".")[2]] = "Skipped"
                self._start_task(path)
            node = self.nodes.get(f"{self.name}.root.{path}.executor")
            if node is None or node.phase in ENDED:
                continue
            if task.state is State.SUCCEEDED:
                self._finish_task(node)
            if over or task.state.ended:
                try:
                    self.logs[path] = "\n".join(local.logs(run, task.name)) + "\n"
                except UnknownRun:  # it was cached
                    self.logs[path] = ""
