"""Build an image and push it: cached, with SBOM and provenance where buildx is, named by digest."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import ImageNotBuilt

BUILDER: Final = "lockstep"
"""The buildx builder: attestations need its driver docker-container."""
CACHE: Final = "cache"
"""The tag under which layers are kept for the next build."""


@dataclass(frozen=True)
class Recipe:
    """What is to be built, and under which name it is pushed."""

    image: str
    """Registry and repository, without a tag."""
    tag: str
    file: Path = Path("Dockerfile")
    context: Path = Path()
    build_args: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    network: str = "default"
    """What its commands reach: the builder's network, the host's (`host`), or `none`."""

    def common(self) -> list[str]:
        """The options that both builders take."""
        return [
            *("--file", str(self.file), "--tag", f"{self.image}:{self.tag}"),
            *("--network", self.network),
            *(word for one in self.build_args for word in ("--build-arg", one)),
            *(word for one in self.secrets for word in ("--secret", one)),
        ]


@dataclass(frozen=True)
class Image:
    """An image in its registry."""

    image: str
    digest: str
    tag: str
    attested: bool
    """Whether its SBOM and its provenance lie beside it."""

    @property
    def reference(self) -> str:
        """The one name that never means another image."""
        return f"{self.image}@{self.digest}"


def plan(recipe: Recipe, facts: Path, *, buildx: bool) -> tuple[tuple[str, ...], ...]:
    """The commands that build and push it; with buildx `facts` then names the digest."""
    cache, context = f"{recipe.image}:{CACHE}", str(recipe.context or ".")
    if buildx:
        build = (
            *("docker", "buildx", "build", "--builder", BUILDER, "--push", *recipe.common()),
            *("--cache-from", f"type=registry,ref={cache}"),
            *("--cache-to", f"type=registry,ref={cache},mode=max,image-manifest=true"),
            *("--sbom=true", "--provenance=mode=max", "--metadata-file", str(facts)),
            *(("--allow", "network.host") if recipe.network == "host" else ()),
            context,
        )
        return (build,)
    return (
        (
            *("docker", "build", *recipe.common(), "--tag", cache, "--cache-from", cache),
            *("--build-arg", "BUILDKIT_INLINE_CACHE=1", context),
        ),
        ("docker", "push", "--quiet", f"{recipe.image}:{recipe.tag}"),
        ("docker", "push", "--quiet", cache),
    )


def creation(network: str) -> tuple[str, ...]:
    """The command that makes the builder, once; it is a container, with the same network."""
    kind = ("--driver", "docker-container")
    reached = ("--driver-opt", "network=host") if network == "host" else ()
    return ("docker", "buildx", "create", "--name", BUILDER, *kind, *reached)


def build(recipe: Recipe, folder: Path) -> Image:
    """Build it and push it.

    Raises:
        ImageNotBuilt: there is no docker, or it failed.
    """
    buildx = has_buildx()
    folder.mkdir(parents=True, exist_ok=True)
    facts = folder / "buildx.json"
    if buildx and not _succeeds("docker", "buildx", "inspect", BUILDER):
        _run(*creation(recipe.network))
    for command in plan(recipe, facts, buildx=buildx):
        _run(*command)
    if buildx:
        digest = json.loads(facts.read_text())["containerimage.digest"]
    else:
        digest = _pushed_digest(recipe)
    return Image(recipe.image, digest, recipe.tag, attested=buildx)


def has_buildx() -> bool:
    """Whether docker has its plugin buildx.

    Raises:
        ImageNotBuilt: there is no docker.
    """
    if not shutil.which("docker"):
        raise ImageNotBuilt(
            given="no docker on the PATH",
            allowed="docker 20.10 or later, and better with buildx",
            todo="run this step where docker is, or name an image that is there: --use NAME@DIGEST",
        )
    return _succeeds("docker", "buildx", "version")


def _pushed_digest(recipe: Recipe) -> str:
    show = "{{json .RepoDigests}}"
    said = _run("docker", "image", "inspect", "--format", show, f"{recipe.image}:{recipe.tag}")
    for name in json.loads(said):
        image, _, digest = name.partition("@")
        if image == recipe.image:
            return str(digest)
    raise ImageNotBuilt(
        given=f"{recipe.image}:{recipe.tag} was pushed, and docker knows no digest of it",
        allowed="a registry that answers a push with the digest",
        todo=f"docker image inspect {recipe.image}:{recipe.tag}",
    )


def _succeeds(*command: str) -> bool:
    return not subprocess.run(command, capture_output=True, check=False).returncode


def _run(*command: str) -> str:
    """Run a command; what it says on standard error is seen, and the rest is the answer."""
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode:
        raise ImageNotBuilt(
            given=f"{_shown(command)} ended with {done.returncode}",
            allowed="a build and a push that succeed",
            todo="look at what it said above; may it push there?",
        )
    return done.stdout


def _shown(command: Sequence[str]) -> str:
    return " ".join(command[:3])
