"""`lockstep ci image` and `compile`: from a commit to an image, and the pipeline in it."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .ci_changes import HERE, Folder


def image(
    name: Annotated[str, typer.Argument(metavar="REGISTRY/IMAGE", help="Without a tag.")],
    tag: Annotated[str, typer.Option(help="Besides the digest. [the commit]")] = "",
    file: Annotated[Path, typer.Option(help="The Dockerfile.")] = Path("Dockerfile"),
    context: Annotated[Path, typer.Option(help="What the Dockerfile copies from.")] = Path(),
    build_arg: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Repeat it for more.")
    ] = None,
    on: Annotated[
        str, typer.Option(metavar="RESULT", help="Pass that image on as the build-arg RUNTIME.")
    ] = "",
    secret: Annotated[
        list[str] | None, typer.Option(help="As for docker build: id=...,src=...")
    ] = None,
    network: Annotated[
        str, typer.Option(help="Of its commands: default, host or none, as for docker build.")
    ] = "default",
    use: Annotated[
        str,
        typer.Option(metavar="NAME@DIGEST", help="Build nothing, take this image. [it is built]"),
    ] = "",
    into: Annotated[str, typer.Option(metavar="RESULT", help="What the result is called.")] = (
        "image"
    ),
    folder: Folder = HERE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands, and stop.")] = (
        False
    ),
) -> None:
    """Build an image and push it, and tell its digest to the steps that follow.

    With buildx layers are kept in the registry, and SBOM and provenance are attached; without it
    there is neither, and that is said.
    """
    from ..ci.changes import commit
    from ..ci.image import Image, Recipe, build, has_buildx, plan
    from ..ci.results import read, write

    runtime = [f"RUNTIME={reference(read(folder, on))}"] if on else []
    arguments = (*(build_arg or ()), *runtime)
    tag = tag or ("" if use else commit(Path(), "HEAD"))
    recipe = Recipe(name, tag, file, context, arguments, tuple(secret or ()), network)
    if dry_run:
        for command in plan(recipe, folder / "buildx.json", buildx=has_buildx()):
            typer.echo(shlex.join(command))
        return
    if use:
        base, at, digest = use.partition("@")
        if not at or not digest.startswith("sha256:"):
            raise typer.BadParameter(message="NAME@sha256:...", param_hint="--use")
        made = Image(base, digest, "", attested=False)
    else:
        made = build(recipe, folder)
    write(folder, into, asdict(made))
    typer.echo(made.reference)
    papers = "with SBOM and provenance" if made.attested else "without SBOM and provenance"
    typer.echo("taken as it is" if use else papers)


def reference(found: dict[str, str]) -> str:
    """The name by digest of an image that a step has built."""
    return f"{found['image']}@{found['digest']}"


def compile_command(
    source: Annotated[str, typer.Argument(metavar="FILE[:NAME]")],
    image: Annotated[str, typer.Option(metavar="RESULT", help="What lockstep ci image wrote.")] = (
        "image"
    ),
    target: Annotated[
        list[str] | None, typer.Option(help="Refuse what this target would refuse.")
    ] = None,
    folder: Folder = HERE,
) -> None:
    """Compile a pipeline whose steps run in the image that was built, named by its digest."""
    from ..ci.results import read
    from .compile import compile_command as compile_

    output = str(folder / "pipeline.yaml")
    compile_(source, output, reference(read(folder, image)), Path(), target)
