"""`lockstep ci validate`: overlays, Cloud Build files and workflows, before anybody sees them."""

from pathlib import Path
from typing import Annotated

import typer

from ...serving.errors import Exit


def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH...]",
            help="Overlays, Cloud Build files, workflows. [all of the project's]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Render and check manifests, Cloud Build files and workflows; exit with 3 on a finding."""
    from ..ci.validate import defaults, validate as check

    given = paths or defaults(Path())
    if not given:
        message = "there is no manifests/overlays, cloudbuild*.yaml or .github/workflows here"
        raise typer.BadParameter(message, param_hint="PATH")
    failed = 0
    for path in given:
        checked = check(path)
        failed += len(checked.findings)
        count = len(checked.findings)
        said = "ok" if not count else f"{count} finding{'s' if count > 1 else ''}"
        typer.echo(f"{checked.path:34} {checked.what:42} {said}")
        for note in checked.notes:
            typer.echo(f"  note: {note}")
        for found in checked.findings:
            typer.echo(f"  {found.where}: {found.what} [{found.rule}]\n    to do: {found.todo}")
    if failed:
        raise typer.Exit(Exit.DEFINITION)
