"""Why a task of a run was served by the cache, or was not: in data and in plain words."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .history import to_json
from .record import find_run, open_existing
from .result import State
from .values import Json

_WIDTH: Final = 60
_RECENT: Final = 100
"""So many earlier executions of a task are compared with it."""


@dataclass(frozen=True)
class Change:
    """One part of a key that is not what it was; None: it was not, or is not, there."""

    part: str
    before: Any
    now: Any

    def __str__(self) -> str:
        """Say it in a line."""
        if self.before is None:
            return f"{self.part} is new: {_short(self.now)}"
        if self.now is None:
            return f"{self.part} is gone; it was {_short(self.before)}"
        if self.part.startswith("input "):
            what = _differs(self.before, self.now)
            return f"{self.part} has changed: {what}"
        return f"{self.part} was {_short(self.before)}, is now {_short(self.now)}"


@dataclass(frozen=True)
class Explanation:
    """What the cache did for one task."""

    task: str
    hit: bool
    reason: str
    run: str = ""
    """The run that it took its outputs from, or that it was compared with."""
    changes: tuple[Change, ...] = ()

    def __str__(self) -> str:
        """Say it in a line, and one for each change."""
        lines = [f"{self.task}: {'hit' if self.hit else 'miss'}, {self.reason}"]
        return "\n  ".join([*lines, *map(str, self.changes)])


def explain(root: Path, run: str) -> list[Explanation]:
    """Say for each task of a run, that had its turn, what the cache did and why.

    Raises:
        UnknownRun: there is none of this name.
    """
    with closing(open_existing(root)) as database:
        find_run(database, root, run)
        rows = database.execute(
            "SELECT * FROM executions WHERE run=? AND program<>'' ORDER BY id", (run,)
        ).fetchall()
        return [_explain(database, to_json(row)) for row in rows]


def _explain(database: sqlite3.Connection, execution: Json) -> Explanation:
    task = execution["task"]
    if execution["origin"]:
        query = "SELECT run, task, parts FROM executions WHERE id=?"
        origin = to_json(database.execute(query, (execution["origin"],)).fetchone())
        changes = tuple(_changes(origin["parts"], execution["parts"]))
        reason = f"the outputs of {origin['task']} in {origin['run']}"
        if changes:
            reason += "; the baseline is now this very model, so that there is nothing to compare"
        return Explanation(task, True, reason, origin["run"], changes)
    if execution["why"]:
        return Explanation(task, False, execution["why"])
    nearest = _nearest(database, execution)
    if nearest is None:
        return Explanation(task, False, "it had never succeeded here before")
    changes = _telling(tuple(_changes(nearest["parts"], execution["parts"])))
    reason = f"compared with {nearest['run']}:" if changes else "the same was being executed"
    return Explanation(task, False, reason, nearest["run"], changes)


def _nearest(database: sqlite3.Connection, execution: Json) -> Json | None:
    """The earlier execution of the same task whose key differs least; of several, the latest."""
    rows = database.execute(
        "SELECT run, parts FROM executions WHERE task=? AND program=? AND id<? AND run<>?"
        " AND state=? AND key IS NOT NULL ORDER BY id DESC LIMIT ?",
        (
            execution["task"],
            execution["program"],
            execution["id"],
            execution["run"],
            State.SUCCEEDED.value,
            _RECENT,
        ),
    )
    earlier = [to_json(row) for row in rows]
    return min(
        earlier, key=lambda one: len([*_changes(one["parts"], execution["parts"])]), default=None
    )


def _changes(before: Json, now: Json) -> Iterator[Change]:
    for part in sorted(before.keys() | now.keys()):
        if before.get(part) != now.get(part):
            yield Change(part, before.get(part), now.get(part))


def _telling(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Leave out kfp's own inputs, from which others are filled, unless they are all there is."""
    own = "parameter pipelinechannel--"
    return tuple(change for change in changes if not change.part.startswith(own)) or changes


def _differs(before: list[Json], now: list[Json]) -> str:
    if len(before) != len(now):
        return f"{len(before)} artifacts, now {len(now)}"
    pairs = list(zip(before, now, strict=True))
    words = [
        word
        for word in ("content", "metadata")
        if any(one.get(word) != other.get(word) for one, other in pairs)
    ]
    return "its " + " and its ".join(words)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    if digest:
        return text[:12]
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
