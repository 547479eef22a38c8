"""A rollout to one running model server: TF Serving, or our own.

A request that names no version gets the highest one that is loaded. So the new version is loaded
under another name first, which nobody asks for, and examined there. Only then it is loaded beside
the old one, labels move to it once it is there (TF Serving refuses a label on a version that the
same configuration loads: serving#1608, #1230, #1555), and the old one goes.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ..client import Client, Retry
from ..client.call import RETRY, Call
from ..client.transports import open_transport
from ..errors import NotServed, RolloutFailed, ServerUnavailable
from ..server.status import Code
from .answers import Expected, verify
from .engine import Plan, Step
from .model_config import labels_in, pinned, reload_request, versions_in

__all__ = ["Server", "available", "plan_rollout", "plan_undo", "way"]

_RELOAD: Final = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"


@dataclass(frozen=True)
class Server:
    """A running model server; its gRPC address comes first, since that is where it is told."""

    addresses: tuple[str, ...]
    timeout: float = 300.0
    """Seconds that loading may take: TF Serving answers once a new model is there, or not."""

    def apply(self, change: Any) -> None:
        """Tell it to serve just what a configuration says; the same one may be told again.

        Raises:
            RolloutFailed: it refuses, or cannot load it.
            ServerUnavailable: it cannot be reached.
        """
        call, transport = Call(_RELOAD, reload_request(change)), open_transport(self.addresses[0])
        try:
            attempt, reply = 1, transport.send(call, self.timeout)
            while (pause := RETRY.pause(attempt, reply)) is not None:
                time.sleep(pause)
                attempt, reply = attempt + 1, transport.send(call, self.timeout)
        finally:
            transport.close()
        if reply.code is not Code.OK:
            raise RolloutFailed(
                given=f"{self.addresses[0]} refused: {reply.code.name} {reply.message[:500]}",
                allowed="a configuration whose models load",
                todo="see the server's log",
            )

    def check(self, expected: Expected) -> None:
        """Look whether a version answers as it has to, over every address."""
        verify(self.addresses, expected)


def available(address: str, model: str) -> tuple[int, ...]:
    """The versions of a model that a server serves; none if it does not know it.

    Raises:
        ServerUnavailable: it cannot be reached.
    """
    try:
        with Client(address, model, retry=Retry(), timeout=30) as client:
            found = client.status()
    except NotServed:
        return ()
    except ServerUnavailable as error:
        raise ServerUnavailable(
            given=error.given, allowed=error.allowed, todo="start it: see docs/serving.md"
        ) from error
    return tuple(sorted(one.version for one in found if one.state == "AVAILABLE"))


def way(model: str, now: Any, then: Any) -> list[tuple[str, Any]]:
    """The configurations from one to another, less those that change nothing."""
    old, new = versions_in(now, model), versions_in(then, model)
    both = {*old, *new}
    stages = [
        (
            f"load {_told(new)} beside {_told(old)}",
            pinned(then, model, both, labels_in(now, model)),
        ),
        ("move labels", pinned(then, model, both, labels_in(then, model))),
        (f"drop what is not {_told(new)}", then),
    ]
    before = [now, *(config for _, config in stages)]
    return [stage for stage, last in zip(stages, before, strict=False) if stage[1] != last]


def plan_rollout(
    now: Any, expected: Expected, *, base_path: str, labels: Sequence[str] | None = None
) -> Plan:
    """Serve a version in place of what is served.

    Args:
        now: What the server serves, each version pinned.
        expected: The version, and what it has to do.
        base_path: Where the model's versions are, if `now` does not say.
        labels: That move to it, or are new; versions that other labels name stay loaded. Without
            it, all labels move.
    """
    model, version = expected.model, expected.version
    old, before = labels_in(now, model), versions_in(now, model)
    moved = dict.fromkeys(old if labels is None else labels, version)
    kept = old | moved
    then = pinned(now, model, {version, *kept.values()}, kept, base_path=base_path)
    stages = way(model, now, then)
    new = version not in before
    ask = Step(f"ask version {version}", None, expected)
    steps = [Step(*stages.pop(0), expected) if new else ask]
    drops = [Step(*stages.pop())] if not set(before) <= set(versions_in(then, model)) else []
    steps += [Step(*stage) for stage in stages]
    steps += [Step(f"ask {name}", None, expected.placed(f"label:{name}")) for name in moved]
    steps += drops
    if version == max(versions_in(then, model)):
        steps.append(Step("ask without a version", None, expected.placed("newest")))
    if before and new:
        steps.insert(0, _rehearsal(now, expected))
    return Plan(f"{model}@{version}", then, tuple(steps), _back(now, model))


def plan_undo(now: Any, then: Any, model: str) -> Plan:
    """Serve again what was served before."""
    waits = _waits(then, model)
    stages = way(model, now, then)
    steps = [step for stage in stages[:1] for step in (Step(*stage), *waits)]
    steps += [Step(*stage) for stage in stages[1:]]
    return Plan(f"{model}@{_told(versions_in(then, model))}", then, tuple(steps), _back(now, model))


def _rehearsal(now: Any, expected: Expected) -> Step:
    """Load a version under a name that nobody asks for, and examine it there."""
    name = f"{expected.model}.next"
    contract = expected.contract and expected.contract.model_copy(update={"model": name})
    return Step(
        f"load version {expected.version} as {name}, and ask it",
        pinned(now, expected.model, [expected.version], name=name),
        replace(expected, model=name, contract=contract),
    )


def _back(to: Any, model: str) -> tuple[Step, ...]:
    """What is old stays loaded until the last step, so labels can go back to it at once."""
    versions = versions_in(to, model)
    return (Step(f"serve {_told(versions)} alone again", to), *_waits(to, model))


def _waits(config: Any, model: str) -> tuple[Step, ...]:
    return tuple(
        Step(f"wait for version {version}", None, Expected(model, version, loaded=True))
        for version in versions_in(config, model)
    )


def _told(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions)) or "nothing"
