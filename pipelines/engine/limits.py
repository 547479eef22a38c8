"""What a step may take of time and memory, and what happens when it takes more.

A limit on address space (RLIMIT_AS) would stop TensorFlow, which reserves far more than it uses;
so what counts is what is resident, as it does for a container.
"""

import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from .values import Json

_QUANTITY: Final = re.compile(r"([0-9]*\.?[0-9]+)(?:([eE][+-]?[0-9]+)|(m|k|[KMGTPE]i?))?")
_POWERS: Final = "KMGTPE"
_PAUSE: Final = 0.1
"""Seconds between two looks."""


def limit_of(resources: Json) -> str:
    """What a container's resources say about memory, as Kubernetes writes it; empty: nothing."""
    if text := resources.get("resourceMemoryLimit"):
        return str(text)
    gigabytes = resources.get("memoryLimit")
    return f"{gigabytes}G" if gigabytes else ""


def quantity(text: str) -> int:
    """Read a quantity of Kubernetes in bytes.

    >>> quantity("1.5Gi"), quantity("200M"), quantity("1e9"), quantity("128000m")
    (1610612736, 200000000, 1000000000, 128)

    Raises:
        ValueError: it is none.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if not match:
        message = f"{text!r} is no quantity such as 512Mi, 2G or 1e9"
        raise ValueError(message)
    number, exponent, unit = match.groups()
    if exponent:
        return int(Decimal(number + exponent))
    if unit == "m":
        return int(Decimal(number) / 1000)
    if not unit:
        return int(Decimal(number))
    base = 1024 if unit.endswith("i") else 1000
    return int(Decimal(number) * base ** (_POWERS.index(unit[0].upper()) + 1))


def resident(pid: int) -> int:
    """Bytes that a process and all below it hold in memory; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children: set[str] = set()
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children.update((thread / "children").read_text().split())
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident(int(child)) for child in children)


@dataclass
class Limits:
    """What a step may take, in seconds and bytes; None: as much as it wants."""

    timeout: float | None = None
    memory: int | None = None


@dataclass
class Guard:
    """Watches one step from its start to its end, and kills it when it takes too much."""

    limits: Limits
    kill: Callable[[], None]
    breach: str = ""
    """Which limit it was killed for: `timeout` or `memory`."""
    held: int = 0
    """Bytes that it held then."""
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self, pid: int) -> None:
        """Begin to watch a process, if there is a limit at all."""
        if self.limits.timeout or self.limits.memory:
            end = time.monotonic() + (self.limits.timeout or float("inf"))
            threading.Thread(target=self._watch, args=(pid, end), daemon=True).start()

    def stop(self) -> None:
        """The process has ended."""
        self._ended.set()

    def _watch(self, pid: int, end: float) -> None:
        while not self._ended.wait(min(_PAUSE, max(0.0, end - time.monotonic()))):
            if time.monotonic() >= end:
                self.breach = "timeout"
            elif self.limits.memory and (held := resident(pid)) > self.limits.memory:
                self.breach, self.held = "memory", held
            if self.breach:
                self.kill()
                return
