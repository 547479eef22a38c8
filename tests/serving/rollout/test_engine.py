"""The steps of a rollout, and the way back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from lockstep.serving.contract.file import loads
from lockstep.serving.contract.stub.fake import FakeServer
from lockstep.serving.errors import Exit, NotUndone, RolledBack, RolloutFailed
from lockstep.serving.rollout.answers import Expected, NotYet, latency_limit, verify
from lockstep.serving.rollout.engine import Plan, Step, roll_out

from .scenarios import PROMISED, contract

PLAN = Plan(
    "m@2",
    "new",
    (Step("load", "beside", "beside"), Step("drop", "new", "new")),
    (Step("back", "old", "old"),),
)


@dataclass
class World:
    """A world that does as it is told, and its clock."""

    checks: Callable[[str], None] = lambda _: None
    done: list[str] = field(default_factory=list)
    now: float = 0.0

    def apply(self, change: Any) -> None:
        """Keep what was asked."""
        self.done.append(change)

    def check(self, expected: Any) -> None:
        """Look as the test says."""
        self.checks(expected)

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float, /) -> None:
        """Let time pass."""
        self.now += seconds


def refusing(name: str, error: BaseException) -> Callable[[str], None]:
    """A check that fails for one step."""

    def check(expected: str) -> None:
        if expected == name:
            raise error

    return check


def test_steps_are_taken_in_order() -> None:
    """Each change is made, and nothing is undone."""
    world = World()
    roll_out(PLAN, world, world, deadline=5)
    assert world.done == ["beside", "new"]


@pytest.mark.parametrize("step", ["beside", "new"])
def test_any_step_that_fails_leads_back(step: str) -> None:
    """No later step is taken; the error says why, and ends with its documented code."""
    failure = RolloutFailed(given="no answer", allowed="", todo="")
    world = World(refusing(step, failure))
    with pytest.raises(RolledBack, match="no answer") as caught:
        roll_out(PLAN, world, world, deadline=5)
    assert caught.value.exit_code == Exit.ROLLED_BACK
    assert world.done[-1] == "old"
    assert world.done[:-1] == ["beside", "new"][: 1 + (step == "new")]


def test_waiting_ends_at_the_deadline() -> None:
    """What never becomes true is undone, with what was missing last."""
    world = World(refusing("beside", NotYet("still LOADING")))
    with pytest.raises(RolledBack, match=r"not within 5 s: still LOADING"):
        roll_out(PLAN, world, world, deadline=5)
    assert world.done == ["beside", "old"]
    assert 5 < world.now < 6


def test_an_interrupt_leads_back_too() -> None:
    """Ctrl-C leaves nothing half-way, and stays an interrupt."""
    world = World(refusing("new", KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        roll_out(PLAN, world, world, deadline=5)
    assert world.done == ["beside", "new", "old"]


def test_a_way_back_that_fails_is_no_way_back() -> None:
    """It has another code: somebody has to look at once."""

    def check(expected: str) -> None:
        raise RolloutFailed(given=f"{expected} is dead", allowed="", todo="")

    world = World(check)
    with pytest.raises(NotUndone, match="beside is dead; and going back: old is dead") as caught:
        roll_out(PLAN, world, world, deadline=5)
    assert caught.value.exit_code == Exit.SERVICE_UNAVAILABLE


@pytest.mark.parametrize(
    ("promised", "option", "limit"),
    [
        ("{p50_ms: 20, p99_ms: 50, concurrency: 1}", None, 0.02),
        ("{p99_ms: 50, concurrency: 1}", None, 0.05),
        ("{p50_ms: 20, concurrency: 1}", 1.0, 1.0),
        ("{}", None, None),
    ],
)
def test_the_contract_says_what_is_slow(
    promised: str, option: float | None, limit: float | None
) -> None:
    """The median it promises, else its 99th percentile, unless the command says otherwise."""
    contract = loads(PROMISED + f"service: {promised}\n".encode(), "taxi.yaml").value
    assert latency_limit(contract, option) == limit


def test_a_version_whose_median_is_too_slow_is_refused() -> None:
    """It answers, and rightly, but not within the limit; without one it would pass."""
    expected = Expected("taxi", 1, contract())
    with FakeServer(contract()) as server:
        verify([server.address], expected)
        slow = Expected("taxi", 1, contract(), max_latency=1e-6)
        with pytest.raises(RolloutFailed, match=r"slow: \d+ ms .* the median of 9 requests"):
            verify([server.address], slow)
