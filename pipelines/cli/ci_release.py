"""`lockstep ci candidate` and `promote`: a model's way out of one store, and into the next."""

import json
from typing import Annotated, Final

import typer

from .ci_changes import HERE, Folder
from .deploy import DryRun
from .findings import Store

STORE: Final = ".lockstep/models"
Why = Annotated[str, typer.Option(help="Why; it is kept in the alias's history.")]


def candidate(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    store: Store = STORE,
    why: Why = "",
    folder: Folder = HERE,
    dry_run: DryRun = False,
) -> None:
    """Put the alias `candidate` on the version to be served: the newest that was not rejected."""
    from ...serving.store import ModelStore
    from ..ci.promote import CANDIDATE, candidate as choose
    from ..ci.results import write

    opened = ModelStore.open(store, model)
    version = choose(opened)
    if not dry_run:
        opened.set_alias(CANDIDATE, version.number, reason=why)
        write(folder, "candidate", {"model": model, "version": version.number})
    typer.echo(f"{CANDIDATE} of {model}: {version.number}  sha256:{version.digest}")


def promote(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL[@VERSION|@ALIAS]", help="[what lockstep ci rollback has let stand]"
        ),
    ],
    to: Annotated[
        list[str],
        typer.Option(metavar="BASE", help="A store; the same one too. Repeat it for more."),
    ],
    alias: Annotated[str, typer.Option(help="What the version is called there.")] = "champion",
    store: Store = STORE,
    why: Why = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    folder: Folder = HERE,
    dry_run: DryRun = False,
) -> None:
    """Copy a version with its papers to the next environments' stores, and move its alias there.

    The same bytes: the digest is checked before and after, and nothing is built anew.
    """
    from ...serving.store import ModelStore
    from ..ci.promote import plan, promote as copy
    from ..ci.results import version_of, write

    name, reference = version_of(folder, "rollback", model)
    source = ModelStore.open(store, name)
    steps = [plan(source, reference, ModelStore.open(base, name), alias) for base in to if base]
    done = []
    for step in steps:
        number = None if dry_run else copy(source, step, why)
        facts = {"store": step.store.directory, "version": number, "digest": step.version.digest}
        done.append(facts)
        typer.echo(json.dumps(facts) if as_json else str(step))
    if not dry_run:
        write(folder, "promote", done)
