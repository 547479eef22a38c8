"""`lockstep gc`: remove what no run owns, and old runs."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

app: Final = typer.Typer()


@app.command("gc")
def gc_command(
    root: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path(".lockstep"),
    keep: Annotated[
        int | None, typer.Option(min=0, help="Keep the newest N runs, and remove the others.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove unfinished tries and directories without a run; with --keep, old runs as well.

    What a kept run has taken from the cache stays, and so does a run that is being executed.
    """
    from ..engine.sweep import sweep

    litter = sweep(root, keep, dry_run=dry_run)
    if as_json:
        facts = [{"path": str(x.path), "why": x.why, "bytes": x.size} for x in litter]
        typer.echo(json.dumps(facts, indent=2))
        return
    for one in litter:
        typer.echo(f"{one.path}  {one.why}")
    total = sum(one.size for one in litter) / 2**20
    verb = "would be removed" if dry_run else "removed"
    typer.echo(f"{len(litter)} directories, {total:.1f} MiB {verb}")
