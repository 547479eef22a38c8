"""An image is built, pushed and named by its digest, by whichever builder docker has."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lockstep.pipelines.ci.results import read
from lockstep.pipelines.cli import app
from lockstep.serving.errors import Exit, LockstepError

DIGEST = f"sha256:{'d' * 64}"
DOCKER = f"""#!/bin/sh
# Writes down what it is asked, and answers as docker does.
echo "$*" >> "$LOG"
case "$*" in
    "$FAILS"*) exit 1 ;;
    "buildx version") exit $BUILDX ;;
    "buildx inspect"*) exit 1 ;;
    *--metadata-file*)
        while [ "$1" != --metadata-file ]; do shift; done
        echo '{{"containerimage.digest": "{DIGEST}"}}' > "$2" ;;
    "image inspect"*) echo '["elsewhere/x@sha256:0", "r.example/x@{DIGEST}"]' ;;
esac
"""


@dataclass(frozen=True)
class Docker:
    """What docker was asked, and how it was asked to behave."""

    log: Path
    patch: pytest.MonkeyPatch

    def asked(self) -> list[str]:
        """Every command, less the questions."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        questions = ("buildx version", "buildx inspect", "image inspect")
        return [line for line in lines if not line.startswith(questions)]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """A docker with buildx, in an empty directory."""
    executable = tmp_path / "bin/docker"
    executable.parent.mkdir()
    executable.write_text(DOCKER)
    executable.chmod(0o755)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", f"{executable.parent}:{os.environ['PATH']}")
    for name, value in {"LOG": str(tmp_path / "log"), "BUILDX": "0", "FAILS": "-"}.items():
        monkeypatch.setenv(name, value)
    return Docker(tmp_path / "log", monkeypatch)


def image(*words: str) -> tuple[int, str]:
    """Run `lockstep ci image`; its exit code and what it said."""
    done = CliRunner().invoke(app, ["ci", "image", *words])
    error = done.exception
    return (
        (int(error.exit_code), str(error))
        if isinstance(error, LockstepError)
        else (
            done.exit_code,
            done.output,
        )
    )


def test_with_buildx_the_image_is_attested(docker: Docker) -> None:
    """Cache, SBOM and provenance are asked for, and the digest is told to the next steps."""
    code, said = image("r.example/x", "--tag=1", "--build-arg=A=b")
    assert (code, said.splitlines()[0]) == (Exit.OK, f"r.example/x@{DIGEST}")
    create, build = docker.asked()
    assert create == "buildx create --name lockstep --driver docker-container"
    for option in (
        "--push",
        "--tag r.example/x:1",
        "--build-arg A=b",
        "--cache-from type=registry,ref=r.example/x:cache",
        "--cache-to type=registry,ref=r.example/x:cache,mode=max",
        "--sbom=true",
        "--provenance=mode=max",
    ):
        assert option in build
    found = {"image": "r.example/x", "digest": DIGEST, "tag": "1", "attested": True}
    assert read(Path(".lockstep/ci"), "image") == found


@pytest.mark.parametrize("buildx", ["0", "1"])
def test_commands_may_have_the_host_s_network(docker: Docker, buildx: str) -> None:
    """As docker has no bridge on some machines; buildx wants to be told three times."""
    docker.patch.setenv("BUILDX", buildx)
    assert image("r.example/x", "--tag=1", "--network=host")[0] == Exit.OK
    said = "\n".join(docker.asked())
    assert "--network host" in said
    for option in ("--allow network.host", "--driver-opt network=host"):
        assert (option in said) == (buildx == "0")


def test_without_buildx_the_image_is_pushed_all_the_same(docker: Docker) -> None:
    """The digest is the registry's, layers are kept, and what is missing is said."""
    docker.patch.setenv("BUILDX", "1")
    code, said = image("r.example/x", "--tag=1", "--into=runtime")
    assert (code, said.splitlines()) == (
        Exit.OK,
        [f"r.example/x@{DIGEST}", "without SBOM and provenance"],
    )
    build, *pushes = docker.asked()
    assert "--cache-from r.example/x:cache --build-arg BUILDKIT_INLINE_CACHE=1" in build
    assert pushes == ["push --quiet r.example/x:1", "push --quiet r.example/x:cache"]
    assert read(Path(".lockstep/ci"), "runtime")["attested"] is False


def test_an_image_stands_on_another(docker: Docker) -> None:
    """The project's image is built on the runtime's digest, and not on a tag."""
    image("r.example/x", "--tag=1", "--into=runtime")
    assert image("r.example/x", "--tag=1", "--on=runtime")[0] == Exit.OK
    assert f"--build-arg RUNTIME=r.example/x@{DIGEST}" in docker.asked()[-1]


def test_a_dry_run_asks_for_nothing(docker: Docker) -> None:
    """The commands are printed as they would be run."""
    code, said = image("r.example/x", "--tag=1", "--dry-run")
    assert (code, docker.asked()) == (Exit.OK, [])
    assert said.startswith("docker buildx build --builder lockstep --push")
    assert not Path(".lockstep/ci/image.json").exists()


def test_an_image_that_is_there_is_taken(docker: Docker) -> None:
    """Where nothing can be built, a build may name an image by its digest; a tag is refused."""
    assert image("r.example/x", f"--use=r.example/y@{DIGEST}")[0] == Exit.OK
    assert (read(Path(".lockstep/ci"), "image")["image"], docker.asked()) == ("r.example/y", [])
    assert image("r.example/x", "--use=r.example/y:1")[0] == Exit.USAGE
    assert image("r.example/x", "--use=", "--tag=1")[0] == Exit.OK
    assert docker.asked()[-1].startswith("buildx build")
    assert image("r.example/x", f"--use=r.example/y@{DIGEST}", "--on=none")[0] == Exit.USAGE


@pytest.mark.parametrize("fails", ["buildx build", "buildx create"])
def test_a_failure_leaves_no_digest(docker: Docker, fails: str) -> None:
    """What was not pushed is not told to the next steps."""
    docker.patch.setenv("FAILS", fails)
    assert image("r.example/x", "--tag=1")[0] == Exit.ENVIRONMENT
    assert not Path(".lockstep/ci/image.json").exists()


def test_no_docker_is_told(docker: Docker, tmp_path: Path) -> None:
    """The message says what else can be done."""
    docker.patch.setenv("PATH", str(tmp_path))
    code, said = image("r.example/x", "--tag=1")
    assert code == Exit.ENVIRONMENT
    assert "no docker on the PATH" in said
    assert "--use" in said


def test_the_pipeline_runs_in_the_image_that_was_built(docker: Docker) -> None:
    """`lockstep ci compile` names the image by its digest; without one it says which step lacks."""
    root = Path(__file__).parents[3]
    words = ["ci", "compile", str(root / "tests/golden/ingest_and_push.py:ingest_and_push")]
    missing = CliRunner().invoke(app, words).exception
    assert isinstance(missing, LockstepError)
    assert missing.exit_code == Exit.USAGE
    image("r.example/x", f"--use=r.example/y@{DIGEST}")
    docker.patch.chdir(root)
    folder = docker.log.parent / "here/.lockstep/ci"
    done = CliRunner().invoke(app, [*words, f"--folder={folder}"])
    assert done.exit_code == Exit.OK, done.output
    assert f"image: r.example/y@{DIGEST}" in (folder / "pipeline.yaml").read_text()
    assert json.loads((folder / "image.json").read_text())["digest"] == DIGEST
