"""`lockstep rollout`: what was rolled out, and back to what was there before."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...serving.errors import BadTarget
from .deploy import (
    Arm,
    Config,
    Context,
    Deadline,
    DryRun,
    History,
    Overlay,
    Rest,
    Server,
    as_json,
)
from .runs import print_table

if TYPE_CHECKING:
    from .rollout_cluster import ToCluster
    from .rollout_server import ToServer

app: Final = typer.Typer(
    help="What was rolled out, and the way back: see lockstep deploy.", no_args_is_help=True
)
Model = Annotated[str, typer.Argument(metavar="MODEL")]
_HISTORY: Final = Path(".lockstep/rollouts")


@app.command("status")
def status(
    model: Model,
    overlay: Overlay = None,
    server: Server = None,
    context: Context = None,
    arm: Arm = "champion",
    history: History = _HISTORY,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is served, and what has been rolled out."""
    to = _to(model, overlay, server, None, None, context, history, arm)
    served, records = to.served(model), to.records()
    if json:
        typer.echo(as_json({"model": model, "served": served, "rollouts": records}))
        return
    typer.echo(f"{model}: {', '.join(map(str, served)) or 'nothing'} served")
    if records:
        titles = ("when", "what", "outcome", "why")
        print_table(titles, ((r.at, r.name, r.outcome, r.why) for r in records))


@app.command("undo")
def undo(
    model: Model,
    overlay: Overlay = None,
    server: Server = None,
    rest: Rest = None,
    config: Config = None,
    context: Context = None,
    deadline: Deadline = 300.0,
    history: History = _HISTORY,
    dry_run: DryRun = False,
) -> None:
    """Serve again what was served before the last rollout."""
    to = _to(model, overlay, server, rest, config, context, history)
    plan = to.undo()
    if dry_run:
        for step in plan.steps:
            typer.echo(step.says)
        return
    to.run(plan, deadline, typer.echo, "undo")
    typer.echo(f"{plan.name} is served")


def _to(
    model: str,
    overlay: Path | None,
    server: str | None,
    rest: str | None,
    config: Path | None,
    context: str | None,
    history: Path,
    arm: str = "champion",
) -> "ToServer | ToCluster":
    if (overlay is None) == (server is None):
        raise BadTarget(
            given="no place" if server is None else "two places",
            allowed="--overlay manifests/overlays/ENVIRONMENT, or --server grpc://HOST:PORT",
            todo="name one",
        )
    if overlay is not None:
        from .rollout_cluster import ToCluster

        return ToCluster(overlay, context, None, rest, rehearse=False, arm=arm)
    from .rollout_server import ToServer

    return ToServer(model, server or "", rest, config, history)
