"""`lockstep ci candidate`, `cluster`, `smoke`, `rollback` and `promote`: a model on its way out."""

import json
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from ...serving.errors import BadTarget, RolledBack
from .ci_changes import HERE, Folder
from .deploy import Config, Context, Deadline, DryRun, History, Overlay, Rest, Server, expected_of
from .findings import Store

_STORE: Final = ".lockstep/models"
_HISTORY: Final = Path(".lockstep/rollouts")
Why = Annotated[str, typer.Option(help="Why; it is kept in the alias's history.")]


def candidate(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    store: Store = _STORE,
    why: Why = "",
    dry_run: DryRun = False,
) -> None:
    """Put the alias `candidate` on the version to be served: the newest that was not rejected."""
    from ...serving.store import ModelStore
    from ..ci.promote import CANDIDATE, candidate as choose

    opened = ModelStore.open(store, model)
    version = choose(opened)
    if not dry_run:
        opened.set_alias(CANDIDATE, version.number, reason=why)
    typer.echo(f"{CANDIDATE} of {model}: {version.number}  sha256:{version.digest}")


def cluster(
    name: Annotated[
        str, typer.Argument(metavar="projects/P/locations/L/clusters/C", help="Empty: do nothing.")
    ],
    kubeconfig: Annotated[
        Path, typer.Option(envvar="KUBECONFIG", metavar="FILE", help="What to write.")
    ] = HERE / "kubeconfig",
    dry_run: DryRun = False,
) -> None:
    """Write a kubeconfig for a GKE cluster: it holds a token that lasts an hour."""
    from ..ci.cluster import kubeconfig as ask, request, session, write

    if not name:
        typer.echo("no cluster is named: the kubeconfig stays as it is")
        return
    if dry_run:
        typer.echo(f"GET {request(name)}\nwrite {kubeconfig}")
        return
    write(ask(name, session()), kubeconfig)
    typer.echo(f"{kubeconfig}: {name}")


def smoke(
    model: Annotated[str, typer.Argument(metavar="MODEL@VERSION|MODEL@ALIAS")],
    overlay: Overlay = None,
    server: Server = None,
    rest: Rest = None,
    context: Context = None,
    store: Store = _STORE,
    contract: Annotated[
        Path | None,
        typer.Option(help="Its file: what applications have recorded beside it is asked, too."),
    ] = None,
    deadline: Deadline = 60.0,
    folder: Folder = HERE,
) -> None:
    """Ask the model that is served over REST and gRPC, and look whether the version answers."""
    from ..ci.results import write
    from ..ci.smoke import smoke as ask
    from ..errors import SmokeFailed

    name, _, reference = model.partition("@")
    _one_place(overlay, server)
    expected = expected_of(name, reference, store, contract, None, None)

    @contextmanager
    def reach() -> Generator[Sequence[str]]:
        if overlay is None:
            yield [address for address in (server, rest) if address]
            return
        from ...serving.kustomize import render
        from ...serving.rollout.objects import deployment_of
        from ...serving.rollout.reach import at, forwarded

        way = at([rest]) if rest else forwarded(context)
        with way(deployment_of(render(overlay), "champion")) as addresses:
            yield addresses

    went = ask(reach, expected, contract, time, deadline)
    write(folder, "smoke", asdict(went))
    for line in went.asked:
        typer.echo(line)
    if not went.passed:
        raise SmokeFailed(
            given=f"{name}@{went.version}: {went.why}",
            allowed="the version that was deployed answers as its contract promises",
            todo="lockstep ci rollback brings back what was served before",
        )
    typer.echo(f"{name}@{went.version} is served")


def rollback(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    overlay: Overlay = None,
    server: Server = None,
    rest: Rest = None,
    config: Config = None,
    context: Context = None,
    store: Store = _STORE,
    deadline: Deadline = 300.0,
    history: History = _HISTORY,
    folder: Folder = HERE,
    dry_run: DryRun = False,
) -> None:
    """Serve again what was served before, if the smoke test failed; then end with 13.

    The version is rejected: no later build takes it for its candidate.
    """
    from ...serving.store import ModelStore
    from ..ci.promote import reject
    from ..ci.results import read
    from .rollout import undo

    _one_place(overlay, server)
    went = read(folder, "smoke")
    number = went["version"]
    if went["passed"]:
        typer.echo(f"{model}@{number} answers: there is nothing to undo")
        return
    if not dry_run and reject(ModelStore.open(store, model), number, went["why"]):
        typer.echo(f"{model}@{number} is rejected: {went['why']}")
    undo(model, overlay, server, rest or None, config, context, deadline, history, dry_run)
    raise RolledBack(
        given=f"{model}@{number}: {went['why']}",
        allowed="a version that answers as its contract promises",
        todo="mend the model; what was served before is served again",
    )


def promote(
    model: Annotated[str, typer.Argument(metavar="MODEL@VERSION|MODEL@ALIAS")],
    to: Annotated[
        list[str],
        typer.Option(metavar="BASE", help="A store; the same one too. Repeat it for more."),
    ],
    alias: Annotated[str, typer.Option(help="What the version is called there.")] = "champion",
    store: Store = _STORE,
    why: Why = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Copy a version with its papers to the next environments' stores, and move its alias there.

    The same bytes: the digest is checked before and after, and nothing is built anew.
    """
    from ...serving.store import ModelStore
    from ..ci.promote import plan, promote as copy

    name, _, reference = model.partition("@")
    source = ModelStore.open(store, name)
    steps = [plan(source, reference, ModelStore.open(base, name), alias) for base in to if base]
    for step in steps:
        number = None if dry_run else copy(source, step, why)
        facts = {"store": step.store.directory, "version": number, "digest": step.version.digest}
        typer.echo(json.dumps(facts) if as_json else str(step))


def _one_place(overlay: Path | None, server: str | None) -> None:
    if (overlay is None) == (server is None):
        raise BadTarget(
            given="no place" if server is None else "two places",
            allowed="--overlay manifests/overlays/ENVIRONMENT, or --server grpc://HOST:PORT",
            todo="name one",
        )
