"""`lockstep explain-cache`: what the cache did for each task of a run, and why."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

app: Final = typer.Typer()


@app.command("explain-cache")
def explain_cache(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's name.")],
    root: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path(".lockstep"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say for each task whether the cache served it, and which part of its key has changed."""
    from dataclasses import asdict

    from ..engine.explain import explain

    found = explain(root, run)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        typer.echo("\n".join(map(str, found)))
