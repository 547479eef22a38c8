"""A runner's call, taken for the pipeline that it is given."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Captured:
    """What a runner was asked to run."""

    pipeline: Any
    exit_handler: Any = None


class Taken(BaseException):
    """A runner was called: the rest of the file need not run."""


FOUND: Final[ContextVar[list[Captured] | None]] = ContextVar("found", default=None)
"""Where calls go, while a file is loaded."""


def take(pipeline: Any, exit_handler: Any = None) -> None:
    """Hand over to whoever is capturing, if anybody is; then the caller does not come back."""
    found = FOUND.get()
    if found is not None:
        found.append(Captured(pipeline, exit_handler))
        raise Taken
