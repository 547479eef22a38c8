"""What is recorded of runs that have ended, or go on: for reading only."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from .record import find_run, open_existing
from .values import Json

_JSON = ("parameters", "inputs", "outputs", "parts", "metadata")


def read_run(root: Path, run: str) -> Json:
    """A run as it is recorded, and in `tasks` each of its executions, by path.

    Raises:
        UnknownRun: there is none of this name.
    """
    with closing(open_existing(root)) as database:
        found = to_json(find_run(database, root, run))
        rows = database.execute("SELECT * FROM executions WHERE run=? ORDER BY id", (run,))
        return {**found, "tasks": {row["task"]: to_json(row) for row in rows}}


def to_json(row: sqlite3.Row) -> Json:
    """A row with its JSON columns read."""
    return {
        key: json.loads(value) if key in _JSON and value is not None else value
        for key, value in dict(row).items()
    }
