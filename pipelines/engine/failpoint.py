"""Places where a test may kill the engine, as a power cut would."""

import os
import signal
from collections import Counter
from typing import Final

_VARIABLE: Final = "LOCKSTEP_FAILPOINT"
"""`PLACE:N`: the engine kills itself when it reaches the place for the Nth time. For tests only."""

_reached: Final = Counter[str]()


def failpoint(place: str) -> None:
    """Die here if a test says so."""
    if wanted := os.environ.get(_VARIABLE):
        _reached[place] += 1
        if wanted == f"{place}:{_reached[place]}":
            os.kill(os.getpid(), signal.SIGKILL)
