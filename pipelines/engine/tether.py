"""Run a module as `python -m` would, in a process that ends when the one that started it does.

Started as `python -m lockstep.pipelines.engine.tether MODULE ARGUMENTS`.
"""

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    _on_death(signal.SIGKILL)
    _check(parent)


def leave_with(parent: int) -> None:
    """End this process when its parent does, whichever of the parent's threads has started it."""
    signal.signal(signal.SIGUSR1, lambda number, frame: _check(parent))
    _on_death(signal.SIGUSR1)
    _check(parent)


def _on_death(number: signal.Signals) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def _check(parent: int) -> None:
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    del sys.argv[:2]
    sys.path[0] = os.getcwd()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
