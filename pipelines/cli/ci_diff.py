"""`lockstep ci diff` and `workflow`: for those who review a change, and for another CI."""

from pathlib import Path
from typing import Annotated

import typer

from .ci_changes import HERE, KINDS, Folder, Kinds_
from .findings import unwritable


def diff(
    since: Annotated[
        str, typer.Option(metavar="COMMIT", help="Compare with where the two parted.")
    ] = "origin/main",
    contract: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Repeat it for more.")
    ] = None,
    overlays: Annotated[str, typer.Option(metavar="FOLDER")] = "manifests/overlays",
    kinds: Kinds_ = KINDS,
    folder: Folder = HERE,
) -> None:
    """Write diff.md: what a change means for main, for the contract and in each environment.

    It tells and never refuses; `lockstep contract diff` and `lockstep ci validate` refuse.
    """
    from ..ci.changes import changes, deepen, git, load_kinds
    from ..ci.diff import contract_diff, overlays_diff, to_markdown

    root = Path()
    deepen(root, since)
    base = git(root, "merge-base", since, "HEAD").strip()
    decided = changes(root, base, load_kinds(kinds))
    told = "\n\n".join(contract_diff(file, base) for file in contract or ()) or "None is named."
    page = to_markdown(decided, told, overlays_diff(root, overlays, base))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "diff.md"
    path.write_text(page, encoding="utf-8")
    typer.echo(page)
    typer.echo(str(path), err=True)


def workflow(
    build: Annotated[Path, typer.Argument(metavar="CLOUDBUILD.yaml")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file; its name is the workflow's.")
    ],
) -> None:
    """Write a workflow of GitHub Actions with the steps of a Cloud Build file."""
    from ..ci.build import load
    from ..ci.workflow import dump, workflow as translate

    text = dump(translate(load(build), output.stem), build.name)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(output, error) from error
    typer.echo(f"{build} -> {output}")
