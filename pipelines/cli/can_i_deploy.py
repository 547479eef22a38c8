"""`lockstep can-i-deploy`: a version against what lives in an environment, and who calls it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...serving.errors import Exit
from .findings import LEVELS, FailOn, Output, Store, WaiversFile, today, write

if TYPE_CHECKING:
    from ...serving.contract.rules import Level

app: Final = typer.Typer()
FORMATS: Final = ("text", "json", "markdown")


@app.command("can-i-deploy")
def can_i_deploy(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    version: Annotated[str, typer.Argument(help="The version's number, or an alias.")],
    to: Annotated[str, typer.Option(metavar="ENV", help="The environment.")],
    alias: Annotated[
        str, typer.Option(help="What it would be called there; what has the alias is replaced.")
    ] = "champion",
    environments: Annotated[
        Path, typer.Option(metavar="FILE", help="What lives where, and who calls it.")
    ] = Path("environments.yaml"),
    store: Store = ".lockstep/models",
    form: Annotated[
        str, typer.Option("--format", metavar="|".join(FORMATS), help="How it is told.")
    ] = "text",
    fail_on: FailOn = "breaking",
    waivers: WaiversFile = None,
    output: Output = None,
) -> None:
    """Say whether a version may go to an environment, and why not; exit with 12 if it may not."""
    from ...serving.contract.deploy.matrix import Question, matrix, waived
    from ...serving.contract.deploy.registry import environment
    from ...serving.contract.deploy.verdict import render
    from ...serving.contract.file import read
    from ...serving.contract.findings.waivers import Waivers
    from ...serving.contract.rules import LEVELS as KNOWN
    from ...serving.store import ModelStore

    for option, given, allowed in (("--format", form, FORMATS), ("--fail-on", fail_on, LEVELS)):
        if given not in allowed:
            message = f"{given!r} is none of {', '.join(allowed)}"
            raise typer.BadParameter(message, param_hint=option)
    there = environment(environments, to)
    opened = ModelStore.open(store, model)
    number = opened.resolve(version).number
    answer = matrix(Question(opened, number, to, there, today(), alias))
    if waivers:
        answer = waived(answer, read(waivers, Waivers), today=today())
    least: Level | None = next((level for level in KNOWN if level == fail_on), None)
    write(render(answer, least, form), output)
    if not answer.passes(least):
        raise typer.Exit(Exit.CONTRACT)
