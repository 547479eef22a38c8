"""`lockstep ci changes`, `when` and `passed`: what a build has to do, and that it was done."""

import os
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...serving.errors import Exit, one_of

if TYPE_CHECKING:
    from ..ci.changes import Changes, Kinds

Folder = Annotated[
    Path, typer.Option(help="Where the steps of a build tell each other what they found.")
]
Kinds_ = Annotated[
    Path, typer.Option("--kinds", metavar="FILE", help="Which files are of which kind.")
]
Record = Annotated[
    str, typer.Option(metavar="URL", help="Where the last commit that passed is on record.")
]
HERE: Final = Path(".lockstep/ci")
KINDS: Final = Path(".ci/changes.yaml")


def changes(
    since: Annotated[
        str, typer.Option(metavar="COMMIT", help="Compare with this. [the commit before]")
    ] = "",
    record: Record = "",
    kinds: Kinds_ = KINDS,
    folder: Folder = HERE,
) -> None:
    """Say what changed since the last build that passed, and so whether to retrain or redeploy."""
    from ..ci.changes import deepen, load_kinds
    from ..ci.results import write

    known = load_kinds(kinds)
    deepen(Path(), since)
    found = _compared(since, record, known)
    path = write(folder, "changes", asdict(found))
    typer.echo(f"{found.action}: {found.why}")
    for kind, files in found.kinds.items():
        typer.echo(f"  {kind}: {len(files)} files")
    typer.echo(f"since {found.since or 'ever'}, to {found.to}: {path}")


def _compared(since: str, record: str, kinds: "Kinds") -> "Changes":
    from ..ci.changes import changes as compare, known
    from ..ci.passed import read

    root = Path()
    if since:
        return compare(root, since, kinds)
    if not record:
        return compare(root, "HEAD^" if known(root, "HEAD^") else "", kinds)
    passed = read(record)
    if passed is None:
        return replace(compare(root, "", kinds), why=f"no build has passed yet, by {record}")
    if not known(root, passed.commit):
        why = f"commit {passed.commit}, which passed last, is not in this repository"
        return replace(compare(root, "", kinds), why=why)
    return compare(root, passed.commit, kinds)


def when(
    action: Annotated[str, typer.Argument(metavar="redeploy|retrain")],
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run.")],
    folder: Folder = HERE,
) -> None:
    """Run a command if the changes ask for it; what is retrained is deployed, too.

    The command takes this one's place: its exit code is the exit code.
    """
    from ..ci.changes import ACTIONS
    from ..ci.results import read

    order: dict[str, int] = {one: number for number, one in enumerate(ACTIONS)}
    if action not in order:
        raise typer.BadParameter(one_of(order, action), param_hint="ACTION")
    found = read(folder, "changes")
    if order[found["action"]] < order[action]:
        typer.echo(f"skipped, since what changed asks for {found['action']}: {found['why']}")
        return
    sys.stdout.flush()
    program = shutil.which(command[0])
    if program is None:
        typer.echo(f"error: no {command[0]} on the PATH", err=True)
        raise typer.Exit(Exit.ENVIRONMENT)
    os.execv(program, command)


def passed(
    record: Record,
    build: Annotated[str, typer.Option(help="The build's id.")] = "",
    folder: Folder = HERE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
) -> None:
    """Put on record that this commit went all the way: the next build is compared with it.

    If what changed asked for a model to be served, one must have been promoted.
    """
    from ..ci.changes import ACTIONS, commit
    from ..ci.passed import write
    from ..ci.results import read

    head = commit(Path(), "HEAD")
    if read(folder, "changes")["action"] != ACTIONS[0]:
        read(folder, "promote")
    if not dry_run:
        write(record, head, build)
    typer.echo(f"{'would record' if dry_run else 'recorded'} {head} in {record}")
