"""The last commit that a build brought all the way: what the next one is compared with."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from ...serving.place import Place, open_place
from ..errors import BadChanges


@dataclass(frozen=True)
class Passed:
    """A build that came to its end."""

    commit: str
    build: str
    at: str


def read(url: str) -> Passed | None:
    """The last build that passed; None if there is none on record.

    Raises:
        BadChanges: the file is there, and is no record.
    """
    place, name = _split(url)
    data = place.see(name).data
    if data is None:
        return None
    try:
        found: Any = json.loads(data)
        return Passed(**found)
    except (ValueError, TypeError) as error:
        raise BadChanges(
            given=f"{url} is no record of a build: {error}",
            allowed='{"commit": ..., "build": ..., "at": ...}',
            todo="delete the file: then everything counts as changed once",
        ) from error


def write(url: str, commit: str, build: str) -> Passed:
    """Put a build on record in place of the last one."""
    place, name = _split(url)
    at = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    passed = Passed(commit, build, at)
    data = json.dumps(asdict(passed), indent=2).encode() + b"\n"
    with place.exclusive():
        while not place.swap(name, place.see(name), data):
            pass
    return passed


def _split(url: str) -> tuple[Place, str]:
    folder, _, name = url.rpartition("/")
    return open_place(folder or "."), name
