"""`lockstep ci run --docker` on a real Docker engine: each step in a container of its image."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from lockstep.serving.errors import Exit

from .cloud_build import LOCKSTEP, commit, git
from .containers import ask
from .test_docker import IMAGE, WHY

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(WHY), reason=WHY or "nothing is missing")]

SHARED: dict[str, object] = {"volumes": [{"name": "kept", "path": "/kept"}]}
STEPS: list[dict[str, object]] = [
    {
        "id": "write",
        "entrypoint": "sh",
        "args": [
            "-c",
            'cat file; pwd; echo "$$HOME $$A $$TOKEN"; '
            "echo 1 > made; echo 2 > /kept/it; echo 3 > $0",
            "$_OUTSIDE/from-container",
        ],
        "env": ["A=$_A"],
        "secretEnv": ["TOKEN"],
        **SHARED,
    },
    {
        "id": "read",
        "dir": "below",
        "script": "#!/usr/bin/env python3\nimport os\n"
        "print(open('../made').read(), open('/kept/it').read(), os.environ.get('TOKEN'))\n",
        **SHARED,
    },
    {"id": "own-entrypoint", "args": ["python", "-c", "print(6 * 7)"], "waitFor": ["-"]},
]


@pytest.fixture
def image() -> Iterator[str]:
    """The runtime image for root, as builder images are: the workspace is root's."""
    text = f"FROM {IMAGE}\nUSER root\n"
    words = ["docker", "build", "--quiet", "--tag", "lockstep/test-builder:1", "-"]
    plain = {**os.environ, "DOCKER_BUILDKIT": "0"}
    subprocess.run(words, input=text, text=True, check=True, capture_output=True, env=plain)
    yield "lockstep/test-builder:1"
    ask("rmi", "--force", "lockstep/test-builder:1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit."""
    root = tmp_path / "project"
    (root / "below").mkdir(parents=True)
    (root / "file").write_text("committed\n")
    (root / "below/other").write_text("")
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root, "first")
    return root


def run(
    project: Path, steps: Sequence[dict[str, object]], image: str, *options: str, **more: object
) -> "subprocess.CompletedProcess[str]":
    """Run a build of these steps in containers of an image."""
    build: dict[str, object] = {"steps": [{"name": "$_IMAGE", **one} for one in steps], **more}
    build["substitutions"] = {"_IMAGE": image, "_A": "a b", "_OUTSIDE": str(project.parent)}
    build["options"] = {"substitutionOption": "ALLOW_LOOSE"}
    (project / "build.yaml").write_text(yaml.safe_dump(build))
    words = [str(LOCKSTEP), "ci", "run", "build.yaml", "--docker", *options]
    environment = {**os.environ, "TOKEN": "t0p"}
    return subprocess.run(
        words, cwd=project, env=environment, capture_output=True, text=True, check=False
    )


def left() -> str:
    """Containers and volumes of builds that are still there."""
    named = ("--quiet", "--filter", "name=lockstep-b-")
    return ask("ps", "--all", *named) + ask("volume", "ls", *named)


def test_steps_share_workspace_and_volumes(project: Path, image: str) -> None:
    """The clone, volumes, a folder of this machine, environment and secrets; nothing is left."""
    secrets: dict[str, object] = {"secretManager": [{"versionName": "v", "env": "TOKEN"}]}
    outside = f"--volume={project.parent}"
    done = run(
        project,
        STEPS,
        image,
        outside,
        "--keep",
        "--substitution=BUILD_ID=b",
        availableSecrets=secrets,
    )
    assert done.returncode == Exit.OK, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for line in (
        "write | committed",
        "write | /workspace",
        "write | /builder/home a b t0p",
        "read |  2",
        "read |  None",
        "own-entrypoint | 42",
    ):
        assert line in lines, done.stdout
    assert (project.parent / "from-container").read_text() == "3\n"
    assert (project / ".lockstep/builds/b/workspace/made").read_text() == "1\n"
    assert not left()


def test_containers_end_with_their_steps(project: Path, image: str) -> None:
    """One that takes too long is killed, and so is the other one that runs beside it."""
    sleep = ["-c", "trap '' TERM; sleep 60"]
    steps: list[dict[str, object]] = [
        {"id": "long", "entrypoint": "sh", "args": sleep, "timeout": "2s", "waitFor": ["-"]},
        {"id": "other", "entrypoint": "sh", "args": ["-c", "sleep 60"], "waitFor": ["-"]},
    ]
    done = run(project, steps, image, "--substitution=BUILD_ID=b")
    assert done.returncode == Exit.STEP_FAILED
    assert "step long timed out" in done.stderr
    assert not left()
