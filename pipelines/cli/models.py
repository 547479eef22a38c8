"""`lockstep models`: what is in the model store."""

from typing import Final

import typer

app: Final = typer.Typer(help="What is in the model store.", no_args_is_help=True)


@app.callback()
def models() -> None:
    """What is in the model store."""
