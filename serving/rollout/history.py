"""What was rolled out to a model server, one line of JSON each, oldest first."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import NothingToUndo

__all__ = ["Record", "add", "last", "read"]


@dataclass(frozen=True)
class Record:
    """One rollout: what was there before and after it, as a cluster or a server is told."""

    name: str
    """Such as taxi@7."""
    outcome: str
    """done, undone, or undo."""
    why: str
    at: str
    """UTC, as 2026-01-31T06:00:00Z."""
    before: str
    after: str


def read(file: Path) -> list[Record]:
    """Every rollout that is on record."""
    if not file.exists():
        return []
    return [Record(**json.loads(line)) for line in file.read_text().splitlines()]


def add(file: Path, record: Record) -> None:
    """Write one more line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        stream.write(json.dumps(asdict(record)) + "\n")


def last(records: Sequence[Record], where: str) -> Record:
    """The newest rollout that has changed something and was not undone since.

    Raises:
        NothingToUndo: there is none.
    """
    undone = 0
    for record in reversed(records):
        if record.outcome == "undo":
            undone += 1
        elif record.outcome == "done" and undone:
            undone -= 1
        elif record.outcome == "done":
            return record
    raise NothingToUndo(
        given=f"no rollout to {where} is on record",
        allowed="one that `lockstep deploy` has made",
        todo="deploy the version that you want: lockstep deploy MODEL@VERSION",
    )
