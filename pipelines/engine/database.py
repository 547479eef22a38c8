"""The sqlite database of a root, which several engines may write at once."""

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ..errors import CannotRunHere

VERSION: Final = 1
"""Of the tables in `record.sql`; it stands in the file's `user_version`."""

_PATIENCE: Final = 60.0
"""Seconds to wait for another engine's transaction; ours take milliseconds."""


def database_of(root: Path) -> Path:
    """Where a root keeps its database."""
    return root.absolute() / "lockstep.db"


def connect(root: Path) -> sqlite3.Connection:
    """Open the database of a root; it is made if there is none.

    Raises:
        CannotRunHere: it was written by a newer lockstep.
    """
    root.mkdir(parents=True, exist_ok=True)
    path = database_of(root)
    connection = sqlite3.connect(
        path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    _to_write_ahead(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        connection.close()
        raise CannotRunHere(
            given=f"{path} has tables of version {found}",
            allowed=f"up to version {VERSION}: a newer lockstep has been here",
            todo="upgrade lockstep, or choose another --root",
        )
    if found < VERSION:
        tables = Path(__file__).with_name("record.sql").read_text(encoding="utf-8")
        connection.executescript(
            f"BEGIN IMMEDIATE; {tables} PRAGMA user_version = {VERSION}; COMMIT;"
        )
    return connection


def _to_write_ahead(connection: sqlite3.Connection) -> None:
    """Switch on the write-ahead log: this alone does not wait for whoever else is doing it."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Change all of it or nothing, and alone."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
