"""Whether a version answers as it has to: it is there, keeps its contract, predicts, in time."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from ..client import Client, Retry
from ..contract.dtypes import FLOATS
from ..errors import DeadlinePassed, LockstepError, NotServed, RolloutFailed, ServerUnavailable

if TYPE_CHECKING:
    from ..client.conversation import Description
    from ..contract.model import Contract

__all__ = ["Expected", "NotYet", "Row", "latency_limit", "verify"]

Row = Mapping[str, Any]
_ASKED: Final = 9
_PATIENCE: Final = 30.0
_SPELLED: Final = {"float": "float32", "double": "float64", "half": "float16"}


class NotYet(Exception):
    """What should be true is not, but may become so."""


@dataclass(frozen=True)
class Expected:
    """What a version has to do before anybody is sent to it."""

    model: str
    """Its name on the server."""
    version: int
    contract: "Contract | None" = None
    """Without it, `serving_default` has to answer."""
    rows: tuple[Row, ...] = ()
    """What it is asked; without any, a value that each input can have."""
    max_latency: float | None = None
    """Seconds; the median of some requests."""
    at: str = "version"
    """Where it is looked for: under its version, at `label:NAME`, or as the `newest`."""
    loaded: bool = False
    """Whether it is enough that it is there."""

    def placed(self, at: str) -> "Expected":
        """The same elsewhere."""
        return replace(self, at=at)


def latency_limit(contract: "Contract | None", max_latency: float | None) -> float | None:
    """Seconds that the median may take: as asked, or as the contract promises."""
    level = contract.service if contract else None
    if max_latency is not None or level is None:
        return max_latency
    promised = level.p50_ms or level.p99_ms
    return None if promised is None else promised / 1000


def verify(addresses: Iterable[str], expected: Expected) -> None:
    """Look whether a version answers as it has to at each of its addresses.

    Raises:
        NotYet: it may later.
        LockstepError: it does not, and will not.
    """
    for address in addresses:
        _verify(address, expected)


def _verify(address: str, expected: Expected) -> None:
    limit = expected.max_latency
    timeout = _PATIENCE if limit is None else min(_PATIENCE, max(1.0, 10 * limit))
    kind, _, label = expected.at.partition(":")
    at: dict[str, Any] = {"timeout": timeout, "retry": Retry(attempts=1)}
    if kind == "version":
        at["version"] = expected.version
    elif kind == "label":
        at["label"] = label
    try:
        with Client(address, expected.model, **at) as client:
            _loaded(client, address, expected)
            if expected.loaded:
                return
            description = client.describe()
            if description.version != expected.version:
                raise _other(address, description.version)
            _signatures(description, expected)
            _predictions(client, address, description, expected)
    except (ServerUnavailable, NotServed) as error:
        raise NotYet(error.given) from error
    except DeadlinePassed as error:
        raise _failed(expected, f"slow: {error.given}", "an answer in time") from error


def _loaded(client: Client, address: str, expected: Expected) -> None:
    found = [one for one in client.status() if one.version == expected.version]
    if not found:
        reason = f"{address} does not know version {expected.version}"
        raise NotYet(reason)
    state = found[0]
    if state.state == "END" and state.code:
        raise _failed(expected, f"it does not load: {state.message[:500]}", "a version that loads")
    if state.state != "AVAILABLE":
        reason = f"version {expected.version} is {state.state} at {address}"
        raise NotYet(reason)


def _signatures(description: "Description", expected: Expected) -> None:
    """Hold what the server says against the contract."""
    from ..contract.checks.saved_model import Signature, TensorSpec, against_model
    from ..contract.findings.finding import of_level

    contract = expected.contract
    if contract is None:
        if "serving_default" not in description.signatures:
            there = ", ".join(sorted(description.signatures)) or "none"
            what = f"it has no signature serving_default, but {there}"
            raise _failed(expected, what, "the signature serving_default, or a contract")
        return

    def specs(side: Mapping[str, Any]) -> dict[str, TensorSpec]:
        return {
            name: TensorSpec(_SPELLED.get(info.dtype.name) or str(info.dtype.name), info.shape)
            for name, info in side.items()
        }

    signatures = {
        name: Signature(specs(one.inputs), specs(one.outputs))
        for name, one in description.signatures.items()
    }
    broken = of_level(against_model(contract, signatures), "breaking")
    if broken:
        what = "; ".join(f"{one.rule}: {one.what}" for one in broken)
        raise _failed(expected, what, f"what contract {contract.model} {contract.version} promises")


def _predictions(
    client: Client, address: str, description: "Description", expected: Expected
) -> None:
    """Ask it as an application does."""
    name = expected.contract.signature if expected.contract else "serving_default"
    inputs = _columns(description, name, expected)
    taken: list[float] = []
    try:
        for _ in range(1 + _ASKED):
            began = time.perf_counter()
            answer = client.predict(inputs, signature_name=name)
            taken.append(time.perf_counter() - began)
            if answer.version is not None and answer.version != expected.version:
                raise _other(address, answer.version)
    except (ServerUnavailable, NotServed, DeadlinePassed):
        raise
    except LockstepError as error:
        raise _failed(expected, f"{address}: {error.given}", error.allowed) from error
    typical = median(taken[1:])  # the first one pays for what is made once
    if expected.max_latency is not None and typical > expected.max_latency:
        what = f"slow: {1000 * typical:.0f} ms at {address}, the median of {_ASKED} requests"
        raise _failed(expected, what, f"up to {1000 * expected.max_latency:g} ms")


def _columns(description: "Description", signature: str, expected: Expected) -> dict[str, Any]:
    """What is asked: the rows that were given, or a value that each input can have."""
    contract = expected.contract
    if expected.rows:
        rows: Sequence[Row] = expected.rows
    elif contract:
        from ..contract.plausible import plausible

        row = {name: plausible(one) for name, one in contract.inputs.items()}
        rows = [{n: _filled(v, contract.inputs[n].dtype) for n, v in row.items()}]
    else:
        import numpy as np

        return {
            name: np.full(
                [max(size, 1) for size in info.shape or (1,)] if info.shape != () else [],
                b"" if info.dtype.name == "string" else 0,
                info.dtype.numpy,
            )
            for name, info in description.signatures[signature].inputs.items()
        }
    known = description.signatures[signature].inputs
    return {name: [row[name] for row in rows] for name in rows[0] if name in known}


def _filled(value: Any, dtype: str) -> Any:
    """Something of the dtype where no example of the contract's pattern is known."""
    return value if value is not None else 0.0 if dtype in FLOATS else ""


def _other(address: str, version: int) -> NotYet:
    return NotYet(f"{address} answers with version {version}")


def _failed(expected: Expected, what: str, allowed: str) -> RolloutFailed:
    return RolloutFailed(
        given=f"{expected.model}@{expected.version}: {what}",
        allowed=allowed,
        todo="mend the version and push it anew",
    )
