"""Ask the model that is served what applications ask, over REST and gRPC, and look who answers."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...serving.contract.findings.finding import of_level
from ...serving.errors import LockstepError
from ...serving.rollout.answers import Expected, NotYet, verify
from ...serving.rollout.engine import Clock

Reach = Callable[[], AbstractContextManager[Sequence[str]]]
"""Opens the way to the model servers, anew for each try; gives their addresses."""

_PAUSE: Final = 0.5


@dataclass(frozen=True)
class Smoke:
    """How it went."""

    model: str
    version: int
    passed: bool
    why: str
    asked: tuple[str, ...] = ()
    """One line for each address."""


def smoke(
    reach: Reach, expected: Expected, contract: Path | None, clock: Clock, deadline: float
) -> Smoke:
    """Ask at every address without naming a version, as callers do; try again until the deadline.

    What is asked are values that the contract allows and, where a contract's file is given, what
    applications have recorded beside it.
    """
    end = clock.monotonic() + deadline
    callers = expected.placed("newest")
    while True:
        try:
            with reach() as addresses:
                verify(addresses, callers)
                asked = tuple(_replayed(address, callers, contract) for address in addresses)
            return Smoke(expected.model, expected.version, True, "", asked)
        except NotYet as error:
            if clock.monotonic() >= end:
                return Smoke(expected.model, expected.version, False, f"{error} (too late)")
        except LockstepError as error:
            return Smoke(expected.model, expected.version, False, error.given)
        clock.sleep(_PAUSE)


def _replayed(address: str, expected: Expected, file: Path | None) -> str:
    """Send what applications have recorded to an address; what was asked there."""
    from ...serving.contract.consumers.recording import recordings
    from ...serving.contract.consumers.replay import asking, replay
    from ...serving.errors import ContractBroken

    promised = expected.contract
    known = recordings(file) if file else {}
    if not known or promised is None:
        return f"{address}: version {expected.version} answers"
    with asking(address, promised) as ask:
        broken = of_level(replay(promised, known, ask), "breaking")
    if broken:
        raise ContractBroken(
            given="; ".join(f"{address}: {one.rule} {one.where}: {one.what}" for one in broken),
            allowed="the answers that applications have recorded",
            todo="lockstep contract replay tells more",
        )
    count = sum(map(len, known.values()))
    return f"{address}: version {expected.version} answers, and {count} recorded requests"
