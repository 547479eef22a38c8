"""A real Docker engine: what this machine has of it, and a registry beside it."""

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from lockstep.pipelines.ci.image import BUILDER as BUILDKIT

from ..conformance.serving.servers import free_ports

BUILDER = "lockstep/builder:1.0.0"
"""What docs/ci.md builds from scripts/builder.Dockerfile."""


def ask(*arguments: str) -> str:
    """Ask Docker; an error is one of the test."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _answers(*arguments: str) -> bool:
    """Whether Docker succeeds with that."""
    words = ["docker", *arguments]
    return not subprocess.run(words, capture_output=True, check=False).returncode


def missing(image: str, recipe: str) -> str:
    """Say what this machine lacks to run an image, and how to get it; empty: nothing."""
    if not shutil.which("docker"):
        return "no docker command: install Docker (Debian: apt install docker.io)"
    if not _answers("info"):
        return "no Docker engine answers `docker info`: start dockerd, or set DOCKER_HOST"
    if not _answers("image", "inspect", image):
        return f"no image {image}: {recipe}"
    return ""


def told() -> dict[str, str]:
    """Substitutions for this machine: `$LOCKSTEP_TEST_SUBSTITUTIONS`, `KEY=VALUE KEY=VALUE ...`."""
    words = os.environ.get("LOCKSTEP_TEST_SUBSTITUTIONS", "").split()
    pairs = (word.partition("=") for word in words)
    return {key: value for key, _, value in pairs}


def missing_for_builds() -> str:
    """Say what this machine lacks to run a build's steps in containers; empty: nothing."""
    recipe = "build scripts/builder.Dockerfile (docs/ci.md)"
    return _no_registry() or missing(told().get("_BUILDER", BUILDER), recipe)


def missing_for_papers() -> str:
    """Say what this machine lacks to build images with SBOM and provenance; empty: nothing."""
    recipe = "docker pull it, or name another: $LOCKSTEP_TEST_SUBSTITUTIONS"
    if why := _no_registry() or missing(base_image(), recipe):
        return why
    words = ("buildx", "inspect", "--bootstrap", BUILDKIT)
    return (
        "" if _answers(*words) else f"no BuildKit answers `docker {' '.join(words)}` (docs/ci.md)"
    )


def base_image() -> str:
    """What images start from: as told, or as cloudbuild.yaml has it."""
    file = yaml.safe_load((Path(__file__).parents[2] / "cloudbuild.yaml").read_text())
    default: str = file["substitutions"]["_BASE_IMAGE"]
    return told().get("_BASE_IMAGE", default)


def _no_registry() -> str:
    there = shutil.which("docker-registry")
    return "" if there else "no docker-registry: apt install docker-registry"


@dataclass(frozen=True)
class Containers:
    """Each step of a build in a container, and the images that it builds in a registry."""

    registry: str
    """Host and port."""
    shared: Path
    """A folder that every container sees."""

    @property
    def substitutions(self) -> Mapping[str, str]:
        """What such a build is told."""
        name = f"{self.registry}/lockstep/runtime"
        built = {"_IMAGE": name, "_USE_RUNTIME": "", "_USE_IMAGE": "", "_BUILDER": BUILDER}
        return {**built, **told()}

    @property
    def ci_run(self) -> tuple[str, ...]:
        """Options of `lockstep ci run`."""
        return ("--docker", f"--volume={self.shared}")

    @property
    def run(self) -> tuple[str, ...]:
        """Options of `lockstep run`: the steps of pipelines have no network, and need none."""
        return ("--runner=docker", "--network=none", f"--volume={self.shared}:rw")


@contextmanager
def registry(folder: Path) -> Generator[str, None, None]:
    """Start Debian's docker-registry, which keeps its images in a folder; give host and port.

    Docker forgets the images that came by its name at the end, but not their cached layers.
    """
    address = f"127.0.0.1:{free_ports(1)[0]}"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": address},
    }
    file = folder / "registry.yaml"
    file.write_text(yaml.safe_dump(config))
    with (folder / "registry.log").open("wb") as log:
        words = ["docker-registry", "serve", str(file)]
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        _wait_for(f"http://{address}/v2/")
        yield address
    finally:
        process.terminate()
        process.wait(60)
        _forget(address)


def _forget(address: str) -> None:
    """Take a registry's names off images, by name: an image may have others, which stay."""
    for name in ("{{.Repository}}:{{.Tag}}", "{{.Repository}}@{{.Digest}}"):
        shown = ("--digests", "--format", name, "--filter", f"reference={address}/*/*")
        names = {one for one in ask("image", "ls", *shown).split() if "<none>" not in one}
        if names:
            ask("image", "rm", *names)


def _wait_for(url: str) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            assert time.monotonic() < end, url
            time.sleep(0.1)
        else:
            return
