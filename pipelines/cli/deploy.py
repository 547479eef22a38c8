"""`lockstep deploy`: serve another version, if it answers as it has to."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...serving.errors import BadPaper, BadTarget

if TYPE_CHECKING:
    from ...serving.contract.model import Contract
    from ...serving.rollout.answers import Expected
    from ...serving.store import ModelStore

__all__ = [
    "Arm",
    "Config",
    "Context",
    "Deadline",
    "DryRun",
    "History",
    "Overlay",
    "Rest",
    "Server",
    "app",
    "expected_of",
]

app: Final = typer.Typer()

Overlay = Annotated[
    Path | None, typer.Option(help="For a cluster: the kustomize overlay, manifests/overlays/dev.")
]
Server = Annotated[
    str | None,
    typer.Option(metavar="grpc://HOST:PORT", help="For one model server: its gRPC port."),
]
Rest = Annotated[
    str | None, typer.Option(metavar="URL", help="Its REST port, to be asked as well.")
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="The server's --model_config_file, which is kept up to date; without it the server "
        "has this model alone, from --store."
    ),
]
Deadline = Annotated[float, typer.Option(min=0.1, help="Seconds until it is undone.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and stop.")]
History = Annotated[Path, typer.Option(help="Where rollouts to a server are on record.")]
Arm = Annotated[str, typer.Option(help="For a cluster: champion, or challenger.")]
Context = Annotated[str | None, typer.Option(help="Of the kubeconfig, if not the current one.")]


@app.command("deploy")
def deploy(
    model: Annotated[str, typer.Argument(metavar="MODEL@VERSION|MODEL@ALIAS")],
    overlay: Overlay = None,
    server: Server = None,
    rest: Rest = None,
    grpc: Annotated[
        str | None, typer.Option(help="For a cluster: where its gRPC port is, if not forwarded.")
    ] = None,
    config: Config = None,
    context: Context = None,
    arm: Arm = "champion",
    store: Annotated[
        str,
        typer.Option(envvar="LOCKSTEP_STORE", metavar="BASE", help="Where the models are."),
    ] = ".lockstep/models",
    base_path: Annotated[
        str, typer.Option(metavar="DIR", help="The store's MODEL as the server sees it.")
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option(help="Move just this label to the version; repeat it for more."),
    ] = None,
    contract: Annotated[
        Path | None, typer.Option(help="If not the one among the version's papers.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option("--input", metavar="FILE", help="Ask this, CSV or JSON.")
    ] = None,
    max_latency: Annotated[
        float | None, typer.Option(min=0, help="Milliseconds, if not what the contract says.")
    ] = None,
    deadline: Deadline = 300.0,
    rehearse: Annotated[
        bool, typer.Option(help="In a cluster: ask a pod of its own before any caller does.")
    ] = True,
    history: History = Path(".lockstep/rollouts"),
    dry_run: DryRun = False,
) -> None:
    """Serve another version of a model; if it does not answer as it has to, undo it (exit code 13).

    It has to be there, keep its contract, and answer over gRPC and REST with the right version, in
    time. Callers are sent to it only then.
    """
    name, _, reference = model.partition("@")
    if (overlay is None) == (server is None) or not reference:
        raise BadTarget(
            given=f"{model}, overlay {overlay}, server {server}",
            allowed="MODEL@VERSION or MODEL@ALIAS, with either --overlay or --server",
            todo="lockstep deploy taxi@champion --overlay manifests/overlays/dev",
        )
    expected = expected_of(name, reference, store, contract, rows, max_latency)
    if overlay is not None:
        from .rollout_cluster import ToCluster

        cluster = ToCluster(overlay, context, grpc, rest, rehearse, arm)
        cluster.deploy(expected, deadline, typer.echo, dry_run)
    else:
        from .rollout_server import ToServer

        to = ToServer(name, server or "", rest, config, history)
        plan = to.plan(expected, base_path or _absolute(store, name), label)
        for step in plan.steps if dry_run else ():
            typer.echo(step.says)
            if step.change is not None:
                typer.echo("    " + "\n    ".join(str(step.change).splitlines()))
        if dry_run:
            return
        to.run(plan, deadline, typer.echo)
    typer.echo(f"{name}@{expected.version} is served")


def expected_of(
    name: str,
    reference: str,
    store: str,
    contract: Path | None,
    rows: str | None,
    max_latency: float | None,
) -> "Expected":
    """What the version has to do, by its papers and what the options say."""
    from ...serving.rollout.answers import Expected, latency_limit
    from ...serving.store import ModelStore

    opened = ModelStore.open(store, name)
    version = opened.resolve(reference).number
    promised = _contract(opened, version, contract)
    given: Any = ()
    if rows is not None:
        from .predict import read_input

        given = tuple(read_input(rows).values)
    limit = latency_limit(promised, None if max_latency is None else max_latency / 1000)
    return Expected(name, version, promised, given, limit)


def _contract(store: "ModelStore", version: int, file: Path | None) -> "Contract | None":
    """The contract of a version; None if it has none."""
    from ...serving.contract.diff.against import PAPER
    from ...serving.contract.file import load, loads

    if file is not None:
        return load(file).value
    try:
        return loads(store.read_paper(version, PAPER), f"{store.model}@{version}").value
    except BadPaper:
        return None


def _absolute(store: str, name: str) -> str:
    return f"{store}/{name}" if "://" in store else str(Path(store, name).absolute())


def as_json(value: Any) -> str:
    """What `--json` prints."""
    return json.dumps(value, indent=2, default=vars)
