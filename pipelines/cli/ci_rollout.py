"""`lockstep ci target`, `deploy`, `smoke` and `rollback`: a model is served, and asked."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...serving.errors import RolledBack
from .ci_changes import HERE, Folder
from .ci_release import STORE
from .deploy import Deadline, DryRun, expected_of
from .findings import Store

if TYPE_CHECKING:
    from ..ci.target import Target

Model = Annotated[
    str,
    typer.Argument(metavar="MODEL[@VERSION|@ALIAS]", help="[what the step before was about]"),
]


def target(
    cluster: Annotated[
        str, typer.Option(metavar="projects/P/locations/L/clusters/C", help="A cluster of GKE.")
    ] = "",
    overlay: Annotated[
        str, typer.Option(help="For a cluster: the kustomize overlay, manifests/overlays/dev.")
    ] = "",
    server: Annotated[
        str, typer.Option(metavar="grpc://HOST:PORT", help="For one model server: its gRPC port.")
    ] = "",
    rest: Annotated[str, typer.Option(metavar="URL", help="Its REST port.")] = "",
    config: Annotated[str, typer.Option(help="The server's --model_config_file.")] = "",
    context: Annotated[str, typer.Option(help="Of the kubeconfig, if not the current one.")] = "",
    kubeconfig: Annotated[
        Path, typer.Option(envvar="KUBECONFIG", metavar="FILE", help="What to write.")
    ] = HERE / "kubeconfig",
    folder: Folder = HERE,
    dry_run: DryRun = False,
) -> None:
    """Say where the model is to be served: what deploy, smoke and rollback then take.

    For a cluster of GKE it writes a kubeconfig, whose token lasts an hour. An empty option counts
    as left out.
    """
    from ..ci.cluster import kubeconfig as ask, request, session, write as keep
    from ..ci.results import write
    from ..ci.target import Target

    made = Target(overlay, server, rest, config, context, cluster)
    made.check()
    if dry_run:
        typer.echo(f"GET {request(cluster)}\nwrite {kubeconfig}" if cluster else str(made))
        return
    if cluster:
        keep(ask(cluster, session()), kubeconfig)
        typer.echo(f"{kubeconfig}: {cluster}")
    write(folder, "target", asdict(made))
    typer.echo(str(made))


def deploy(
    model: Model,
    store: Store = STORE,
    deadline: Deadline = 300.0,
    folder: Folder = HERE,
    dry_run: DryRun = False,
) -> None:
    """Serve the candidate at the target, as lockstep deploy does; if it fails, undo it (13)."""
    from ..ci.results import version_of, write
    from ..ci.target import read
    from .deploy import deploy as roll_out

    at = read(folder)
    name, reference = version_of(folder, "candidate", model)
    version = expected_of(name, reference, store, None, None, None).version
    served: dict[str, Any] = at.options() | {"store": store, "deadline": deadline}
    roll_out(f"{name}@{version}", dry_run=dry_run, **served)
    if not dry_run:
        write(folder, "deploy", {"model": name, "version": version})


def smoke(
    model: Model,
    store: Store = STORE,
    contract: Annotated[
        Path | None,
        typer.Option(help="Its file: what applications have recorded beside it is asked, too."),
    ] = None,
    deadline: Deadline = 60.0,
    folder: Folder = HERE,
) -> None:
    """Ask the model that is served over REST and gRPC, and look whether the version answers."""
    from ..ci.results import version_of, write
    from ..ci.smoke import smoke as ask
    from ..ci.target import read
    from ..errors import SmokeFailed

    at = read(folder)
    name, reference = version_of(folder, "deploy", model)
    expected = expected_of(name, reference, store, contract, None, None)
    went = ask(_way_to(at), expected, contract, time, deadline)
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


def _way_to(at: "Target") -> Callable[[], AbstractContextManager[Sequence[str]]]:
    @contextmanager
    def reach() -> Generator[Sequence[str]]:
        if not at.overlay:
            yield [address for address in (at.server, at.rest) if address]
            return
        from ...serving.kustomize import render
        from ...serving.rollout.objects import deployment_of
        from ...serving.rollout.reach import at as directly, forwarded

        way = directly([at.rest]) if at.rest else forwarded(at.context or None)
        with way(deployment_of(render(Path(at.overlay)), "champion")) as addresses:
            yield addresses

    return reach


def rollback(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    store: Store = STORE,
    deadline: Deadline = 300.0,
    folder: Folder = HERE,
    dry_run: DryRun = False,
) -> None:
    """Let stand what has passed the smoke test; else serve what was served before, and end with 13.

    A version that failed it is rejected: no later build takes it for its candidate. One that nobody
    has asked is taken back, too, but may come again.
    """
    from ...serving.store import ModelStore
    from ..ci.promote import reject
    from ..ci.results import found, read as result, write
    from ..ci.target import read
    from .rollout import undo

    at = read(folder).options()
    number = result(folder, "deploy")["version"]
    went = found(folder, "smoke")
    if went is not None and went["passed"] and went["version"] == number:
        if not dry_run:
            write(folder, "rollback", {"model": model, "version": number})
        typer.echo(f"{model}@{number} answers: there is nothing to undo")
        return
    why = went["why"] if went is not None else "no smoke test has asked it"
    if went is not None and not dry_run and reject(ModelStore.open(store, model), number, why):
        typer.echo(f"{model}@{number} is rejected: {why}")
    undo(model, deadline=deadline, dry_run=dry_run, **at)
    raise RolledBack(
        given=f"{model}@{number}: {why}",
        allowed="a version that answers as its contract promises",
        todo="mend the model; what was served before is served again",
    )
