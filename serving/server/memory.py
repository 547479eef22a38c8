"""Give memory back to the system after a model, or a large request, is gone.

glibc's `malloc_trim` returns what is free, but not at the end of the arenas that threads other than
the first have. A model's variables are freed just there if they come out of an arena, and stay.
"""

import asyncio
import ctypes
import gc
from typing import Final

LARGE: Final = 16 << 20
"""Bytes of a request after which it is worth it."""

APART: Final = 4 << 20
"""Bytes from which on an allocation is the system's own, and goes back to it when it is freed."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

_planned: set[asyncio.AbstractEventLoop] = set()


def keep_large_apart() -> None:
    """Let large allocations stay out of arenas; by itself glibc lets them in after a while."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, APART)
        set_option(_M_TRIM_THRESHOLD, 2 * APART)


def trim() -> None:
    """Collect what Python has left, and return what nobody uses."""
    gc.collect()
    _return_unused()


def trim_after(size: int) -> None:
    """Return what nobody uses a second after a request of so many bytes, if that is large."""
    loop = asyncio.get_running_loop()
    if size >= LARGE and loop not in _planned:
        _planned.add(loop)
        loop.call_later(1, _trim_in, loop)


def _trim_in(loop: asyncio.AbstractEventLoop) -> None:
    _planned.discard(loop)
    loop.run_in_executor(None, _return_unused)


def _return_unused() -> None:
    trimmer = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trimmer is not None:
        trimmer(0)
