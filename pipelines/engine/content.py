"""What lies at an artifact's address: its digest, and a cheap look whether it has changed."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .resolve import local_path

_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Content:
    """The files of an artifact: what they hold, and how they look from outside."""

    digest: str
    """Sha256 over relative paths and bytes; of nothing, if nothing is there."""
    stamp: str
    """Sha256 over relative paths, sizes and times: while it stays, so does the digest."""
    size: int


def place_of(uri: str, project: Path) -> Path | None:
    """Where an artifact's files are on this machine; None if they are elsewhere."""
    local = local_path(uri)
    return None if "://" in local else project / local


def stamp(place: Path) -> str:
    """Look at an artifact without reading it."""
    sha256 = hashlib.sha256()
    for name, path in _files(place):
        facts = os.stat(path)
        sha256.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode(errors="replace"))
    return sha256.hexdigest()


def content(place: Path, *, durable: bool = False) -> Content:
    """Read an artifact; `durable` also has the disk keep it, whatever happens to the machine."""
    sha256, total, before = hashlib.sha256(), 0, stamp(place)
    for name, path in _files(place):
        one, size = hashlib.sha256(), 0
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                one.update(chunk)
                size += len(chunk)
            if durable:
                with suppress(OSError):  # not every filesystem can promise it
                    os.fsync(file.fileno())
        total += size
        sha256.update(f"{name}\0{size}\0{one.hexdigest()}\n".encode(errors="replace"))
    return Content(sha256.hexdigest(), before, total)


def _files(place: Path) -> Iterator[tuple[str, str]]:
    """Every file with its relative path, sorted; a file alone has none."""
    if not place.is_dir():
        if place.exists():
            yield "", str(place)
        return
    found: list[str] = []
    for directory, _, names in os.walk(place):
        found.extend(os.path.join(directory, name) for name in names)
    for path in sorted(found):
        if os.path.isfile(path):
            yield os.path.relpath(path, place), path
