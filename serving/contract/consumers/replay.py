"""Recorded requests sent to a model server, and its answers held against what was recorded."""

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final

from ...errors import BadAnswer, BadInput, RequestRefused
from ..findings.finding import Finding
from ..model import Contract
from .check import at
from .recording import Expectation, Recorded, Recording

__all__ = ["Ask", "asking", "replay", "to_python"]

Ask = Callable[[Recording], Sequence[Mapping[str, Any]]]
"""Sends a recording's instances; answers each one's outputs by name, as Python's values."""

_SHOWN: Final = 200
Found = Iterator[Finding]


@contextmanager
def asking(
    target: str, contract: Contract, *, label: str | None = None, version: int | None = None
) -> Generator[Ask, None, None]:
    """Something to ask the model server at an address: `http://host:port` or `grpc://host:port`.

    A recording goes through the client with the contract, unless it says that its application has
    none: then its instances go out as they stand.
    """
    from ...client import Client

    with ExitStack() as clients:
        open_client = partial(Client, target, contract.model, label=label, version=version)
        by_contract = clients.enter_context(open_client(contract=contract))
        bare = clients.enter_context(open_client())

        def ask(recording: Recording) -> Sequence[Mapping[str, Any]]:
            rows = [dict(instance) for instance in recording.instances]
            if recording.wire:
                return bare.predict_rows(rows, signature_name=contract.signature)
            return by_contract.predict_rows(rows)

        yield ask


def replay(
    contract: Contract, recordings: Mapping[str, Sequence[Recorded]], ask: Ask
) -> tuple[Finding, ...]:
    """How the answers fail what was recorded, and what the contract promises.

    Raises:
        PredictionFailed: there is no server, no such model, or no answer in time.
    """
    return tuple(
        at(one, finding)
        for some in recordings.values()
        for one in some
        for finding in _replayed(contract, one.recording, ask)
    )


def _replayed(contract: Contract, recording: Recording, ask: Ask) -> Found:
    try:
        answers = ask(recording)
    except (BadInput, RequestRefused) as error:
        yield from _refused(recording, error)
        return
    except BadAnswer as error:
        yield Finding("replay-outside-contract", "expect", _short(error.given))
        return
    if recording.refused is not None:
        yield Finding("replay-not-refused", "refused", f"answered {_short(str(answers[0]))}")
        return
    for name, expected in recording.expect.items():
        yield from _output(name, expected, answers)
    for name, output in contract.outputs.items():
        for number, answer in enumerate(answers):
            if why := output.unfit(to_python(answer[name])) if name in answer else "missing":
                what = f"instance {number}: {name}: {_short(why)}"
                yield Finding("replay-outside-contract", "instances", what)


def _refused(recording: Recording, error: BadInput | RequestRefused) -> Found:
    code = error.code if isinstance(error, RequestRefused) else "INVALID_ARGUMENT"
    said = f"{code}: {_short(error.given)}"
    wanted = recording.refused
    if wanted is None:
        yield Finding("replay-refused", "instances", said)
    elif wanted.code not in (None, code) or (wanted.contains or "") not in error.given:
        yield Finding("replay-not-refused", "refused", f"refused otherwise: {said}")


def _output(name: str, expected: Expectation, answers: Sequence[Mapping[str, Any]]) -> Found:
    for number, answer in enumerate(answers):
        if name not in answer:
            there = ", ".join(sorted(answer)) or "nothing"
            yield Finding("replay-output-missing", f"expect.{name}", f"answered {there}")
            return
        value = to_python(answer[name])
        wanted = expected.values[number] if expected.values is not None else value
        what = f"instance {number}: {_short(str(value))}"
        if expected.shape is not None and not _has_shape(value, expected.shape):
            yield Finding("replay-shape", f"expect.{name}.shape", what)
        if not _in_range(value, expected):
            yield Finding("replay-range", f"expect.{name}", what)
        if not _near(value, wanted, expected.tolerance):
            told = f"{what} in place of {_short(str(to_python(wanted)))}"
            yield Finding("replay-value", f"expect.{name}.values", told)


def _near(value: Any, wanted: Any, tolerance: float) -> bool:
    """Whether a value is the one that was wanted; None, or NaN, is a missing number."""
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list)
            and len(value) == len(wanted)
            and all(_near(v, w, tolerance) for v, w in zip(value, wanted, strict=True))
        )
    if wanted is None or wanted == "NaN" or wanted != wanted:
        return value is None or value == wanted or value != value
    if isinstance(wanted, bool | str) or isinstance(value, bool | str):
        return type(value) is type(wanted) and bool(value == wanted)
    return isinstance(value, int | float) and math.isclose(
        value, wanted, rel_tol=1e-6, abs_tol=tolerance
    )


def _in_range(value: Any, expected: Expectation) -> bool:
    if isinstance(value, list):
        return all(_in_range(item, expected) for item in value)
    low = -math.inf if expected.min is None else expected.min
    high = math.inf if expected.max is None else expected.max
    if (low, high) == (-math.inf, math.inf):
        return True
    return isinstance(value, int | float) and low <= value <= high


def _has_shape(value: Any, shape: tuple[int, ...]) -> bool:
    if not shape:
        return not isinstance(value, list)
    return (
        isinstance(value, list)
        and shape[0] in (-1, len(value))
        and all(_has_shape(item, shape[1:]) for item in value)
    )


def to_python(value: Any) -> Any:
    """NumPy's values as Python's, and bytes that are text as text."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple):
        return [to_python(item) for item in value]
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
