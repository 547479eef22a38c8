"""What a container has used, read from its control group (Linux, version 1 or 2) while it runs."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

_PAUSE: Final = 0.2
"""Seconds between two looks."""

_GROUPS: Final = Path("/sys/fs/cgroup")


@dataclass
class Meter:
    """Reads as long as it is open; an engine on another machine leaves it at nothing."""

    process: Callable[[], int]
    """Gives the number of a process of the group, once there is one."""
    cpu: float = 0.0
    """Seconds."""
    peak_memory: int = 0
    """Bytes."""
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Meter":
        """Begin to read."""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading."""
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        pid = 0
        while not self._over.wait(_PAUSE) and not (pid := self.process()):
            continue
        groups = group_of(pid) if pid else {}
        while groups and not self._over.wait(_PAUSE):
            self.cpu = max(self.cpu, cpu_of(groups))
            self.peak_memory = max(self.peak_memory, memory_of(groups))


def group_of(pid: int, proc: Path = Path("/proc"), groups: Path = _GROUPS) -> dict[str, Path]:
    """The directory of a process's control group by controller; version 2 has one, named ''."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    found: dict[str, Path] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = groups / controller / path.lstrip("/")
    return found


def cpu_of(groups: dict[str, Path]) -> float:
    """Processor seconds that a group has used; 0 where that cannot be read."""
    with suppress(OSError, KeyError, ValueError):
        return int((groups["cpuacct"] / "cpuacct.usage").read_text()) / 1e9
    with suppress(OSError, KeyError, ValueError):
        return int((groups[""] / "cpu.stat").read_text().split()[1]) / 1e6
    return 0.0


def memory_of(groups: dict[str, Path]) -> int:
    """Bytes that a group holds, less what it has read from files; 0 where that cannot be read."""
    for controller, name in (("memory", "total_rss"), ("", "anon")):
        with suppress(OSError, KeyError, ValueError):
            lines = (groups[controller] / "memory.stat").read_text().splitlines()
            return int(dict(line.split() for line in lines)[name])
    return 0
