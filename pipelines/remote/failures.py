"""How a pipeline service fails, told apart; and when asking again is of use."""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from ..errors import (
    BadRequest,
    BrokenService,
    Conflict,
    NotAuthenticated,
    NotAuthorized,
    NotFound,
    Overloaded,
    ServiceError,
    Unreachable,
)

PASSING: Final = (Unreachable, Overloaded, BrokenService)
"""What may be gone when the same is asked again."""

_ANSWERS: Final[dict[int, tuple[type[ServiceError], str, str]]] = {
    400: (BadRequest, "what the service takes", "read what it says, and correct the command"),
    401: (
        NotAuthenticated,
        "whoever the service knows",
        "log in again, or renew the token or cookie (docs/submit.md, Authentication)",
    ),
    403: (
        NotAuthorized,
        "whoever may do this there",
        "ask for the permission, or name another --namespace or --project",
    ),
    404: (NotFound, "what is there", "look at what there is: lockstep runs list"),
    409: (Conflict, "names that are free, or what is already there", "choose another name"),
    429: (Overloaded, "fewer requests at a time", "wait a little, and try again"),
}

T = TypeVar("T")


def failure(status: int, said: str, where: str, doing: str) -> ServiceError:
    """The error for an HTTP status: `said` is the service's own message.

    >>> type(failure(403, "no", "https://kfp", "starting a run")).__name__
    'NotAuthorized'
    """
    kind, allowed, todo = _ANSWERS.get(status, _ANSWERS[400])
    if status >= 500 or status == 408:
        kind, allowed = BrokenService, "a service that works"
        todo = "try again later, or ask whoever runs it to look at its log"
    given = f"{where}, while {doing}: {status} {said}".rstrip()
    return kind(given=given, allowed=allowed, todo=todo)


def persist(
    ask: Callable[[], T], *, tries: int = 5, sleep: Callable[[float], None] = time.sleep
) -> T:
    """Ask again, later and later, while it fails in passing; only for what may be done twice."""
    for attempt in range(tries - 1):
        try:
            return ask()
        except PASSING:
            sleep(0.4 * 2**attempt * random.uniform(0.5, 1))
    return ask()
