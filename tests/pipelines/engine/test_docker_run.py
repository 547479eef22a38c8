"""Runs in containers, whole, with a stand-in for the `docker` command."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lockstep.components.catalogue import DEFAULT_IMAGE
from lockstep.pipelines import ir
from lockstep.pipelines.cli import app
from lockstep.pipelines.compile import compile_pipeline
from lockstep.pipelines.engine.docker import Docker
from lockstep.pipelines.engine.engine import resume, run
from lockstep.pipelines.engine.explain import explain
from lockstep.pipelines.engine.result import RunResult, State
from lockstep.pipelines.engine.sweep import sweep
from lockstep.pipelines.errors import BadParameter, CannotRunHere
from lockstep.serving.errors import Exit

HERE = Path(__file__).parent
SLEEP = "echo $$ > pid.new && mv pid.new pid && exec sleep 60"


@dataclass(frozen=True)
class Engine:
    """The stand-in: where it keeps what it knows."""

    state: Path

    def has(self, **images: str) -> None:
        """Let it have the runtime image and others, in place of those that it had."""
        known = {DEFAULT_IMAGE: "sha256:runtime", **{f"{k}:1": v for k, v in images.items()}}
        (self.state / "images.json").write_text(json.dumps(known))

    def calls(self, command: str) -> list[list[str]]:
        """The commands that it was given."""
        lines = (self.state / "calls").read_text().splitlines()
        return [call for call in map(json.loads, lines) if call[0] == command]

    def containers(self) -> list[str]:
        """The containers that are there, running or not."""
        return [file.name for file in self.state.glob("lockstep-*")]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Put the stand-in on the PATH, in place of a real one."""
    for name in ("bin", "state", "project"):
        (tmp_path / name).mkdir()
    program = tmp_path / "bin/docker"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE / "fake_docker.py"} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_DOCKER", str(tmp_path / "state"))
    engine = Engine(tmp_path / "state")
    engine.has(tools="sha256:one")
    return engine


Start = Callable[..., RunResult]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Run a pipeline of `contained.py` in containers."""

    def give(name: str, volumes: tuple[str, ...] = (), **parameters: Any) -> RunResult:
        return run(
            compiled(name),
            parameters,
            root=tmp_path / "root",
            project=tmp_path / "project",
            docker=Docker(volumes),
        )

    return give


def compiled(name: str) -> ir.CompiledPipeline:
    """Compile a pipeline of `contained.py`."""
    return compile_pipeline(f"{HERE / 'contained.py'}:{name}", project_root=HERE)


def wait_for(what: Callable[[], object]) -> None:
    """Wait until something is the case."""
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_every_task_runs_in_its_own_image(docker: Engine, start: Start, tmp_path: Path) -> None:
    """Placeholders are filled, outputs collected, containers removed; nothing is left running."""
    (tmp_path / "project/data.csv").write_text("a\n1\n")
    result = start("two_images", data=".")
    assert result.state is State.SUCCEEDED, result
    loud = result.tasks[-1]
    assert Path(loud.outputs.artifacts["loud"][0]["uri"]).read_text() == "QUIET"
    assert loud.log is not None
    assert loud.log.read_text() == "a b\n"
    first, second = docker.calls("run")
    assert first[first.index("--entrypoint") + 1 :][:2] == ["python", "sha256:runtime"]
    assert second[second.index("--entrypoint") + 1 :][:2] == ["sh", "sha256:one"]
    assert second[second.index("--cpus") + 1] == "0.5"
    assert second[second.index("--memory") + 1] == "1000000000"
    assert docker.containers() == []
    assert len(docker.calls("image")) == 2


def test_the_cache_knows_the_image(docker: Engine, start: Start, tmp_path: Path) -> None:
    """The same image: not executed again; another one under the same name: executed, and why."""
    (tmp_path / "project/data.csv").write_text("a\n1\n")
    runs = [start("two_images", data=".") for _ in range(2)]
    assert [[bool(task.cached) for task in one.tasks] for one in runs] == [
        [False, False],
        [False, True],
    ]
    docker.has(tools="sha256:two")
    changed = start("two_images", data=".")
    assert [bool(task.cached) for task in changed.tasks] == [False, False]
    words = str(explain(tmp_path / "root", changed.run)[-1])
    assert "code image was sha256:one, is now sha256:two" in words


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo broken; exit 3", "exit code 3\nbroken"),
        ("kill -9 $$", "stopped by its memory limit"),
        ("sleep 60", "stopped by its timeout after "),
    ],
)
def test_a_step_that_fails_says_why(docker: Engine, start: Start, script: str, words: str) -> None:
    """An exit code, memory, time: with the end of its log; its container is gone."""
    result = start("one_line", script=script)
    assert result.exit_code == Exit.STEP_FAILED
    assert result.tasks[0].message.startswith(words)
    assert docker.containers() == []


def test_an_image_that_is_not_here_is_named(docker: Engine, start: Start, tmp_path: Path) -> None:
    """Before anything runs, and with what Docker says about it; nothing is written."""
    docker.has()
    with pytest.raises(CannotRunHere, match="task shell wants the image tools:1") as error:
        start("one_line", script="ls")
    assert "pull access denied" in error.value.given
    assert not (tmp_path / "root").exists()


def test_an_engine_that_does_not_answer_is_named(docker: Engine, start: Start) -> None:
    """What Docker says, and what to do."""
    (docker.state / "down").touch()
    with pytest.raises(CannotRunHere, match="Cannot connect to the Docker daemon") as error:
        start("one_line", script="ls")
    assert "DOCKER_HOST" in error.value.todo


def test_a_machine_without_docker_is_told_so(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No command, no run."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotRunHere, match="no `docker` command on the PATH"):
        start("one_line", script="ls")


def test_a_container_without_a_command_is_refused(docker: Engine, tmp_path: Path) -> None:
    """Kubeflow would not start it either: what the image would do by itself does not count."""
    pipeline = compiled("one_line")
    (executor,) = pipeline.spec["deploymentSpec"]["executors"].values()
    del executor["container"]["command"]
    with pytest.raises(CannotRunHere, match="has no command"):
        run(pipeline, {"script": "ls"}, root=tmp_path / "root", docker=Docker())


def test_a_path_that_no_container_sees_is_refused(
    docker: Engine, start: Start, tmp_path: Path
) -> None:
    """Nothing has started, and `--volume` is what helps."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/data.csv").write_text("a\n1\n")
    data = str(tmp_path / "data")
    with pytest.raises(BadParameter, match=f"--volume {data}"):
        start("two_images", data=data)
    assert start("two_images", (data,), data=data).state is State.SUCCEEDED


def command(tmp_path: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """Type `lockstep run`."""
    program = "import sys; from lockstep.pipelines.cli import main; main()"
    root = ["--root", str(tmp_path / "root"), "--project", str(tmp_path / "project")]
    return subprocess.Popen([sys.executable, "-c", program, "run", *arguments, *root])


def begin(tmp_path: Path, state: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """Start a run whose step sleeps; give its engine and the sleeper's process."""
    (tmp_path / "sleep.yaml").write_text(ir.dump(compiled("one_line")))
    file, script = str(tmp_path / "sleep.yaml"), f"script=[ -e done ] || {{ {SLEEP}; }}"
    engine = command(tmp_path, file, "--runner=docker", "--param", script)
    wait_for((state / "pid").exists)
    return engine, int((state / "pid").read_text())


def test_containers_end_with_their_engine(docker: Engine, tmp_path: Path) -> None:
    """Killed outright, it leaves no container behind; the run goes on in containers."""
    engine, pid = begin(tmp_path, docker.state)
    engine.kill()
    engine.wait()
    wait_for(lambda: not docker.containers() and not Path(f"/proc/{pid}").exists())
    (docker.state / "done").touch()
    (name,) = os.listdir(tmp_path / "root/runs")
    assert resume(name, root=tmp_path / "root").state is State.SUCCEEDED
    assert len(docker.calls("run")) == 2


def test_an_interrupted_run_ends_its_containers(docker: Engine, tmp_path: Path) -> None:
    """Ctrl-C asks them to end."""
    engine, pid = begin(tmp_path, docker.state)
    engine.send_signal(signal.SIGINT)
    assert engine.wait(timeout=20) == Exit.INTERRUPTED
    assert docker.containers() == []
    assert not Path(f"/proc/{pid}").exists()


def test_gc_ends_what_an_engine_has_left(docker: Engine, start: Start, tmp_path: Path) -> None:
    """Where nobody was there to clear up, as after a crash of the machine."""
    result = start("one_line", script="true")
    labels = [f"lockstep.run={result.run}", f"lockstep.root={tmp_path / 'root'}"]
    orphan = {"state": {"Pid": 0}, "labels": labels}
    (docker.state / "lockstep-orphan").write_text(json.dumps(orphan))
    sweep(tmp_path / "root", dry_run=True)
    assert docker.containers() == ["lockstep-orphan"]
    sweep(tmp_path / "root")
    assert docker.containers() == []


def test_options_of_containers_are_for_containers(tmp_path: Path) -> None:
    """They are refused where they would mean nothing."""
    options = ["--volume", str(tmp_path), "--root", str(tmp_path / "root")]
    result = CliRunner().invoke(app, ["run", str(HERE / "contained.py"), *options])
    assert result.exit_code == Exit.USAGE
    assert "--runner docker" in result.output
