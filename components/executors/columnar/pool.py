"""Work on many pieces at once: one forked process per core, results in the order of the pieces."""

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, TypeVar

from ...errors import StepError

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h

T = TypeVar("T")
R = TypeVar("R")


def in_order(function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
    """Yield `function(task)` for every task; a single one is done in this very process.

    Call it before anything in this process has run a TensorFlow operation: it forks.

    Raises:
        StepError: A process was killed.
    """
    processes = min(len(tasks), len(os.sched_getaffinity(0)))
    if processes < 2:
        yield from map(function, tasks)
        return
    with ProcessPoolExecutor(
        processes, multiprocessing.get_context("fork"), _die_with_parent
    ) as pool:
        try:
            yield from pool.map(function, tasks)
        except BrokenProcessPool as error:
            raise StepError(
                given="a process that worked for this step was killed",
                allowed="enough memory for one block of rows per core",
                todo="look for the kernel's out-of-memory killer; give the step more memory",
            ) from error


def grouped(items: Iterable[T], size_of: Callable[[T], int], enough: int) -> list[list[T]]:
    """Put neighbours together until a group's size is `enough`."""
    groups: list[list[T]] = []
    room = 0
    for item in items:
        if room <= 0:
            groups.append([])
            room = enough
        groups[-1].append(item)
        room -= size_of(item)
    return groups


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
