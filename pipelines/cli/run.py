"""`lockstep run`: execute a compiled pipeline on this machine."""

from typing import Final

import typer

app: Final = typer.Typer()
