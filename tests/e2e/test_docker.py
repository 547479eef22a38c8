"""The runtime image on a real Docker engine: what is in it, and the taxi pipeline whole inside it.

`$LOCKSTEP_TEST_IMAGE` names another image than the one that `make image` builds.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lockstep.components.catalogue import DEFAULT_IMAGE
from lockstep.pipelines import ir
from lockstep.pipelines.compile import compile_pipeline
from lockstep.pipelines.engine.docker import Docker
from lockstep.pipelines.engine.engine import resume, run
from lockstep.pipelines.engine.history import read_run
from lockstep.pipelines.engine.result import RunResult, State

from .containers import ask, missing

IMAGE = os.environ.get("LOCKSTEP_TEST_IMAGE", DEFAULT_IMAGE)
HERE = Path(__file__).parent
CONTAINED = HERE.parent / "pipelines/engine/contained.py"


WHY = missing(IMAGE, "make image (docs/runtime-image.md)")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(WHY), reason=WHY or "nothing is missing")]


def inside(*words: str, options: tuple[str, ...] = ()) -> str:
    """Run a command in the image, with nowhere to write but /tmp and no network."""
    strict = ("--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp")
    return ask("run", *strict, *options, IMAGE, *words)


def test_the_image_has_what_steps_import_and_no_more() -> None:
    """Every executor and what users' modules import; no pip, uv, compiler or second Python."""
    assert inside("python", "-W", "ignore", "-c", (HERE / "imports.py").read_text()) == "all there"
    tools = "pip pip3 uv gcc cc make git"
    assert inside("sh", "-c", f"for x in {tools}; do command -v $x; done; true") == ""


def test_the_image_runs_as_nobody_in_particular() -> None:
    """Its own user is not root; any other finds HOME, /tmp and the launcher's places writable."""
    assert inside("id", "-u") == "1000"
    places = "$HOME /tmp /gcs /minio /s3"
    script = f"set -e; for x in {places}; do touch $x/new; done; cd /project; id -u"
    for user in ("1000:1000", "4321:0"):
        assert ask("run", "--rm", "--network", "none", "--user", user, IMAGE, "sh", "-c", script)


def test_the_image_says_where_it_comes_from() -> None:
    """Version and commit, as the labels that registries show."""
    labels = json.loads(ask("image", "inspect", "--format", "{{json .Config.Labels}}", IMAGE))
    assert labels["org.opencontainers.image.version"] == DEFAULT_IMAGE.split(":")[1]
    assert len(labels["org.opencontainers.image.revision"].removesuffix("-dirty")) == 40


def test_a_project_comes_along_with_three_lines(tmp_path: Path) -> None:
    """FROM, COPY, nothing else: module files are found from where steps start."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models/tips.py").write_text("def run_fn(fn_args):\n    pass\n")
    (tmp_path / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY . .\n")
    image = ask("build", "--quiet", "--build-arg", f"BASE={IMAGE}", str(tmp_path))
    program = (
        "from lockstep.components.paths import resolve; print(open(resolve('models/tips.py')))"
    )
    try:
        said = ask("run", "--rm", "--network", "none", image, "python", "-c", program)
        assert "'/project/models/tips.py'" in said
    finally:
        ask("rmi", "--force", image)


def test_the_taxi_pipeline_runs_whole_in_containers(tmp_path: Path) -> None:
    """From a CSV file to a pushed model that is the caller's own; then nothing heavy again."""
    shutil.copytree(HERE.parents[1] / "pipelines/taxi", tmp_path / "pipelines/taxi")
    lockstep = str(Path(sys.executable).with_name("lockstep"))
    words = [lockstep, "run", "pipelines/taxi/pipeline.py", "--image", IMAGE]
    words += ["--runner", "docker", "--network", "none", "--param", "model_store=.lockstep/models"]
    cached = []
    for _ in range(2):
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        cached.append(done.stdout.count(" cached: "))
    assert cached == [0, 7]
    first = min((tmp_path / ".lockstep/runs").iterdir())
    tasks = read_run(tmp_path / ".lockstep", first.name)["tasks"]
    assert {task["state"] for task in tasks.values()} == {"SUCCEEDED"}
    assert len(tasks) == 12
    (model,) = (tmp_path / ".lockstep/models/taxi").glob("[0-9]*/saved_model.pb")
    assert model.stat().st_uid == os.getuid()
    assert not ask(
        "ps", "--all", "--quiet", "--filter", f"label=lockstep.root={tmp_path}/.lockstep"
    )


Shell = Callable[[str], RunResult]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run a line of shell in the image, with 1 GB of memory; sleepers have three seconds."""

    def give(script: str) -> RunResult:
        pipeline, docker = one_line(script.startswith("sleep")), Docker(network="none")
        return run(pipeline, {"script": script}, root=tmp_path / "root", docker=docker)

    return give


def test_a_lightweight_component_runs_in_its_image(tmp_path: Path) -> None:
    """By the very command that kfp has compiled, with the value that it returns."""
    result = run(compiled("lightweight"), root=tmp_path / "root", docker=Docker(network="none"))
    assert (result.state, result.outputs.parameters) == (State.SUCCEEDED, {"Output": 4})


def one_line(with_timeout: bool = False) -> ir.CompiledPipeline:
    """The pipeline of one line, whose task has three seconds, or as many as it likes."""
    pipeline = compiled("one_line")
    return pipeline if with_timeout else ir.CompiledPipeline(pipeline.spec, {})


def compiled(name: str) -> ir.CompiledPipeline:
    """Compile a pipeline of `contained.py` for the image under test."""
    pipeline = compile_pipeline(f"{CONTAINED}:{name}", project_root=CONTAINED.parent)
    (executor,) = pipeline.spec["deploymentSpec"]["executors"].values()
    executor["container"]["image"] = IMAGE
    return pipeline


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exec python -c 'b\"x\" * 2 * 10**9'", "stopped by its memory limit"),
        ("sleep 60", "stopped by its timeout"),
        ("kill -9 $$", "killed by SIGKILL"),
        ("echo no; exit 9", "exit code 9\nno"),
    ],
)
def test_limits_are_kept_by_docker(shell: Shell, script: str, words: str) -> None:
    """And told apart in plain words."""
    result = shell(script)
    assert result.state is State.FAILED
    assert result.tasks[0].message.startswith(words)


def test_containers_end_with_their_engine(tmp_path: Path) -> None:
    """Killed outright, it leaves none behind; the run goes on where it was."""
    (tmp_path / "sleep.yaml").write_text(ir.dump(one_line()))
    root = tmp_path / "root"
    script = f"[ -e {root}/again ] || {{ touch {root}/again; sleep 60; }}"
    words = [str(Path(sys.executable).with_name("lockstep")), "run", str(tmp_path / "sleep.yaml")]
    words += ["--runner", "docker", "--network", "none", "--root", str(root)]
    engine = subprocess.Popen([*words, "--param", f"script={script}"])
    left = ("ps", "--all", "--quiet", "--filter", f"label=lockstep.root={root}")
    wait_for((root / "again").exists)
    assert ask(*left)
    engine.kill()
    engine.wait()
    wait_for(lambda: not ask(*left))
    (name,) = os.listdir(root / "runs")
    assert resume(name, root=root).state is State.SUCCEEDED


def wait_for(what: Callable[[], object]) -> None:
    """Wait until something is the case."""
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)
