"""The steps of a rollout as data, and what goes through them: forward, or back to what was."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ..errors import LockstepError, NotUndone, RolledBack, RolloutFailed
from .answers import NotYet

__all__ = ["Clock", "Plan", "Step", "World", "roll_out"]

_PAUSE: Final = 0.2


@dataclass(frozen=True)
class Step:
    """One change of the outside world, and what has to be true before the next one."""

    says: str
    change: Any = None
    check: Any = None


@dataclass(frozen=True)
class Plan:
    """From what is served to what should be, and the way back."""

    name: str
    """The model and its version, such as taxi@7."""
    then: Any
    """What is there at the end."""
    steps: tuple[Step, ...]
    back: tuple[Step, ...]


class World(Protocol):
    """What is changed: a model server, or a cluster."""

    def apply(self, change: Any) -> None:
        """Make a change."""
        ...

    def check(self, expected: Any) -> None:
        """Look whether something is true.

        Raises:
            NotYet: it may become so.
            LockstepError: it will not.
        """
        ...


class Clock(Protocol):
    """Python's `time`, or a test's."""

    def monotonic(self) -> float:
        """Seconds since some moment."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...


def roll_out(
    plan: Plan,
    world: World,
    clock: Clock,
    *,
    deadline: float,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Go through the steps of a plan; if one of them fails, go back at once.

    Args:
        plan: What to do.
        world: To what.
        clock: `time`.
        deadline: Seconds for all steps; the way back has as many again.
        tell: Is told of each step.

    Raises:
        RolledBack: a step failed, and everything is again as it was.
        NotUndone: a step failed, and so did the way back.
    """
    try:
        _go(plan.steps, world, clock, deadline, tell)
    except BaseException as error:  # an interrupt, too, must not leave things half-way
        why = error.given if isinstance(error, LockstepError) else repr(error)
        tell(f"undo: {why}")
        try:
            _go(plan.back, world, clock, deadline, tell)
        except Exception as second:
            raise NotUndone(
                given=f"{plan.name}: {why}; and going back: {second}",
                allowed="a server or a cluster that takes back what it had",
                todo="look at it at once: what it serves is in between",
            ) from error
        if not isinstance(error, LockstepError):
            raise
        raise RolledBack(
            given=f"{plan.name} was undone: {why}",
            allowed=error.allowed,
            todo="mend the version and push it anew; what was served before still is",
        ) from error


def _go(
    steps: Sequence[Step],
    world: World,
    clock: Clock,
    deadline: float,
    tell: Callable[[str], None],
) -> None:
    ends = clock.monotonic() + deadline
    for step in steps:
        tell(step.says)
        if step.change is not None:
            world.apply(step.change)
        while step.check is not None:
            try:
                world.check(step.check)
                break
            except NotYet as reason:
                if clock.monotonic() > ends:
                    raise RolloutFailed(
                        given=f"{step.says}: not within {deadline:g} s: {reason}",
                        allowed="an answer within --deadline",
                        todo="see the server's log; a large model needs a longer --deadline",
                    ) from reason
            clock.sleep(_PAUSE)
