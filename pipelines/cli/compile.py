"""`lockstep compile`: from a pipeline's source to the one file that every runner reads."""

from pathlib import Path
from typing import Annotated, Final

import typer

app: Final = typer.Typer()


@app.command("compile")
def compile_command(
    source: Annotated[str, typer.Argument(metavar="FILE[:NAME]")],
    output: Annotated[Path | None, typer.Option("-o", "--output")] = None,
) -> None:
    """Compile FILE.py (or the pipeline NAME in it) and check that a cluster will take it."""
    raise NotImplementedError
