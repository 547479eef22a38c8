"""Remove what no run owns, and runs that are no longer wanted; never what a kept run refers to."""

import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Final

from .database import transaction
from .docker import RUNNER, end_left_behind
from .record import LOG, RUNS, SCRATCH, is_alive, open_existing
from .resolve import local_path

_TRASH: Final = "trash-"


@dataclass(frozen=True)
class Litter:
    """A directory that goes, and why."""

    path: Path
    why: str
    size: int


def sweep(root: Path, keep: int | None = None, *, dry_run: bool = False) -> list[Litter]:
    """Remove unfinished tries, directories without a run and, with `keep`, all but the newest runs.

    A run whose engine is alive is left alone. What a run that stays has taken from the cache stays,
    too, with the records of the run that it comes from.

    Raises:
        UnknownRun: nothing has ever run here.
    """
    root = root.absolute()
    if not dry_run and any(root.glob(f"{RUNS}/*/{RUNNER}")):
        end_left_behind(root, lambda run: is_alive(root / RUNS / run))
    with closing(open_existing(root)) as database:
        trash = root / f"{_TRASH}{secrets.token_hex(4)}"
        with transaction(database):
            runs = _rest(database, root, keep)
            litter = list(_litter(database, root, runs))
            if not dry_run:
                _forget(database, root, litter)
                _move(litter, trash)
    if not dry_run:
        dead = [run.name for run in (root / RUNS).iterdir() if not is_alive(run)]
        for left in (*root.glob(f"{_TRASH}*"), *(s for run in dead for s in _scratch(run))):
            shutil.rmtree(left, ignore_errors=True)
    return litter


def remove_leftovers(database: sqlite3.Connection, root: Path, run: str) -> None:
    """Remove the tries of one run that do not count."""
    owned = _owned(database, root, [run])
    for directory in (*_tries(root / RUNS / run), *_scratch(run)):
        if directory not in owned:
            shutil.rmtree(directory, ignore_errors=True)


def _rest(database: sqlite3.Connection, root: Path, keep: int | None) -> list[str]:
    """The runs that stay."""
    runs = [row["run"] for row in database.execute("SELECT run FROM runs ORDER BY started DESC")]
    if keep is None:
        return runs
    return [run for number, run in enumerate(runs) if number < keep or is_alive(root / RUNS / run)]


def _litter(database: sqlite3.Connection, root: Path, stay: list[str]) -> Iterator[Litter]:
    owned = _owned(database, root, stay)
    recorded = {row["run"] for row in database.execute("SELECT run FROM runs")}
    for directory in sorted((root / RUNS).iterdir()):
        if not directory.is_dir() or is_alive(directory):
            continue
        if directory.name not in recorded:
            yield Litter(directory, "no run of this name is recorded", _size(directory))
        elif directory.name not in stay and directory not in owned:
            yield Litter(directory, "an old run", _size(directory))
        else:
            old = directory.name not in stay
            for attempt in _tries(directory):
                if attempt not in owned:
                    why = "of an old run, and nobody refers to it" if old else "it does not count"
                    yield Litter(attempt, why, _size(attempt))


def _owned(database: sqlite3.Connection, root: Path, runs: Iterable[str]) -> set[Path]:
    """The directories of what these runs have made or refer to, and all directories above them."""
    places: set[Path] = set()
    for run in runs:
        query = "SELECT directory, inputs, outputs FROM executions WHERE run=?"
        for row in database.execute(query, (run,)):
            if row["directory"]:
                places.add(root / row["directory"])
            for column in ("inputs", "outputs"):
                for artifacts in json.loads(row[column])["artifacts"].values():
                    places.update(Path(local_path(artifact["uri"])) for artifact in artifacts)
    return places | {parent for place in places for parent in place.parents}


def _tries(run: Path) -> Iterator[Path]:
    """Every try's directory: the numbered ones beside a task's log."""
    for log in sorted(run.rglob(LOG)):
        for entry in sorted(log.parent.iterdir()):
            if entry.name.isdecimal() and entry.is_dir():
                yield entry


def _scratch(run: str) -> Iterator[Path]:
    """Temporary directories of steps, which only an engine that was killed has left."""
    return Path(gettempdir()).glob(f"{SCRATCH}{run}-*")


def _forget(database: sqlite3.Connection, root: Path, litter: list[Litter]) -> None:
    """Delete runs that go; what goes of the others serves no cache any more."""
    for one in litter:
        if one.path.parent == root / RUNS:
            database.execute("DELETE FROM runs WHERE run=?", (one.path.name,))
        else:
            place = str(one.path.relative_to(root))
            change = "UPDATE executions SET key=NULL, alone=NULL WHERE directory=?"
            database.execute(change, (place,))


def _move(litter: list[Litter], trash: Path) -> None:
    """Put everything aside at once; removing it may take its time."""
    trash.mkdir()
    for number, one in enumerate(litter):
        one.path.rename(trash / str(number))


def _size(directory: Path) -> int:
    return sum(
        os.lstat(os.path.join(place, name)).st_size
        for place, _, names in os.walk(directory)
        for name in names
    )
