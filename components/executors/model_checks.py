"""What is asked of a model in a server, and what its answers are held against."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf

from ...serving import loadtest
from ...serving.client import Client
from ...serving.client.address import parse_address
from ...serving.client.call import Call
from ...serving.contract.consumers.recording import Recorded
from ...serving.contract.consumers.replay import asking, replay
from ...serving.contract.findings.finding import counting
from ...serving.contract.model import Contract, ServiceLevel
from ...serving.errors import (
    DeadlinePassed,
    LockstepError,
    PredictionFailed,
    ServerUnavailable,
)
from ...serving.server.tensors import ModelSpec
from .model_requests import Arrays, Request, plausible_request
from .model_server import ModelServer, model_server

_CLOSE: Final = {"rtol": 1e-4, "atol": 1e-6}
"""How near a server's numbers are to the model's own: kernels may sum in another order."""
_MOST_TOLD: Final = 20
_MOST_SAID: Final = 4000
_WARM_UP_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Question:
    """What is to be found out about a model."""

    directory: Path
    model: str
    contract: Contract | None
    requests: Sequence[Request]
    recordings: Mapping[str, Sequence[Recorded]]
    most_tries: int
    """How often what may be a matter of luck is tried: to load, to be reached, to be fast."""
    loading_seconds: float
    load_test_seconds: float

    @property
    def transports(self) -> Sequence[str]:
        """How callers may reach it."""
        return self.contract.transports if self.contract else ("rest", "grpc")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: it is passed if there are no problems."""

    name: str
    value: str
    limit: str
    problems: Sequence[str] = ()
    is_final: bool = True
    """Another try would come to the same."""

    def facts(self) -> dict[str, Any]:
        """What the verdict says of it."""
        told = [*self.problems[:_MOST_TOLD]]
        if more := len(self.problems) - len(told):
            told.append(f"and {more} more")
        return {
            "name": self.name,
            "passed": not self.problems,
            "value": self.value,
            "limit": self.limit,
            "problems": told,
        }


@dataclass(frozen=True)
class Answer:
    """What a server has answered to a request."""

    request: Request
    transport: str
    outputs: Arrays

    def __str__(self) -> str:
        """Say what it answers."""
        return f"{self.request.signature}, {self.request.origin} over {self.transport}"


def check_model(question: Question, scratch: Path) -> tuple[int, list[Check]]:
    """Look at everything: how many tries it took, and what the last one has shown.

    Args:
        question: What is to be found out.
        scratch: An empty directory.
    """
    checks, answers = list[Check](), list[Answer]()
    number = 0
    while number < question.most_tries and (
        not number or any(c.problems and not c.is_final for c in checks)
    ):
        number += 1
        with model_server(question.directory, question.model, scratch / str(number)) as server:
            checks, answers = _asked(question, server)
        if any(check.problems for check in checks):
            print(f"the server said:\n{server.said()[-_MOST_SAID:]}")  # noqa: T201  # a step's log
    if answers:  # TensorFlow runs here only when no server will be forked from here any more
        checks[2:2] = _looked_at(question, answers)
    return number, checks


def _asked(question: Question, server: ModelServer) -> tuple[list[Check], list[Answer]]:
    """Let a server load the model, answer the requests, and stand the load."""
    began = time.monotonic()
    why = server.wait(question.loading_seconds)
    took = f"{time.monotonic() - began:.1f} s"
    limit = f"{question.loading_seconds:g} s"
    checks = [Check("loads", took, limit, [why] if why else [], is_final=False)]
    answers: list[Answer] = []
    if why:
        return checks, answers
    targets = [(name, getattr(server, name)) for name in question.transports]
    if question.requests:
        answers, check = _answers(question, targets)
        checks.append(check)
    if question.contract and question.recordings:
        checks.append(_replayed(question.contract, question.recordings, targets))
    if question.contract and question.load_test_seconds:
        checks += _service_level(question, question.contract, targets)
    return checks, answers


def _answers(question: Question, targets: Iterable[tuple[str, str]]) -> tuple[list[Answer], Check]:
    """Ask every request over every transport: the answers, and what was refused."""
    answers, problems, is_final = list[Answer](), list[str](), True
    for transport, target in targets:
        with Client(target, question.model) as client:
            for one in question.requests:
                try:
                    outputs = client.predict(one.inputs, signature_name=one.signature)
                    answers.append(Answer(one, transport, {**outputs}))
                except LockstepError as error:
                    problems.append(f"{Answer(one, transport, {})}: {error.given}")
                    is_final &= not isinstance(error, ServerUnavailable | DeadlinePassed)
    value = f"{len(answers)} of {len(answers) + len(problems)}"
    return answers, Check("answers", value, "all", problems, is_final)


def _replayed(
    contract: Contract,
    recordings: Mapping[str, Sequence[Recorded]],
    targets: Iterable[tuple[str, str]],
) -> Check:
    """Send what applications have recorded."""
    problems = list[str]()
    final = True
    for transport, target in targets:
        try:
            with asking(target, contract) as ask:
                found = counting(replay(contract, recordings, ask), "breaking")
                problems += [f"{f.rule} at {f.where} over {transport}: {f.what}" for f in found]
        except PredictionFailed as error:
            problems.append(f"over {transport}: {error.given}")
            final = False
    value = f"{sum(map(len, recordings.values()))} recorded requests"
    return Check("consumers", value, "as recorded", problems, final)


def _service_level(
    question: Question, contract: Contract, targets: Sequence[tuple[str, str]]
) -> Iterator[Check]:
    """Hold latency and throughput against what the contract promises, over each transport."""
    level = contract.service
    if not any((level.p50_ms, level.p99_ms, level.requests_per_second)):
        return
    load = loadtest.Load(
        rate=None,
        concurrency=level.concurrency or 1,
        duration=question.load_test_seconds / len(targets),
        warm_up=_WARM_UP_SECONDS,
    )
    rows = [one.inputs for one in question.requests if one.signature == contract.signature]
    rows = [inputs for inputs in rows if all(len(array) == 1 for array in inputs.values())]
    for transport, target in targets:
        codec, spec = parse_address(target).codec, ModelSpec(question.model)
        calls = [
            codec.predict(spec, contract.signature, inputs)
            for inputs in rows or [plausible_request(contract)]
        ]
        number, measured = _measured(target, calls, load, question, level)
        errors = [f"{times} times {error}" for error, times in measured.errors.most_common()]
        again = f" in try {number}" if number > 1 else ""
        for one in loadtest.judge(measured, level):
            name, limit = f"{one.name} over {transport}", f"{one.promised:g}"
            value = "none" if one.measured is None else f"{one.measured:.4g}"
            problems = [f"{value} in place of {limit}, {load.name}", *errors]
            yield Check(name, value + again, limit, problems if one.kept is False else ())


def _measured(
    target: str,
    calls: Sequence[Call],
    load: loadtest.Load,
    question: Question,
    level: ServiceLevel,
) -> tuple[int, loadtest.Measured]:
    """Measure until every promise is kept: at which try that was, or the last one."""

    async def measure() -> loadtest.Measured:
        transport = loadtest.open_lean_transport(target)
        try:
            return await loadtest.measure(transport, calls, load)
        finally:
            await transport.close()

    number = 1
    while True:
        measured = asyncio.run(measure())
        missed = any(one.kept is False for one in loadtest.judge(measured, level))
        if not missed or number == question.most_tries:
            return number, measured
        number += 1


def _looked_at(question: Question, answers: Sequence[Answer]) -> Iterator[Check]:
    """Look at the answers themselves."""
    numbers = sum(array.size for answer in answers for array in answer.outputs.values())
    yield Check("finite", f"{numbers} values", "no NaN, no infinity", [*_not_finite(answers)])
    contract = question.contract
    if contract and any(a.request.signature == contract.signature for a in answers):
        outputs = ", ".join(contract.outputs)
        yield Check("in range", outputs, "the contract's", [*_out_of_range(contract, answers)])
    yield _same(question, answers)


def _not_finite(answers: Iterable[Answer]) -> Iterator[str]:
    for answer in answers:
        for name, array in answer.outputs.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                yield f"{answer}: {name} is {array[~np.isfinite(array)][0]}"


def _out_of_range(contract: Contract, answers: Iterable[Answer]) -> Iterator[str]:
    for answer in answers:
        if answer.request.signature != contract.signature:
            continue
        for name, one in contract.outputs.items():
            if name not in answer.outputs:
                yield f"{answer}: there is no {name}"
                continue
            rows = _as_text(answer.outputs[name].tolist())
            if why := next((why for row in rows if (why := one.unfit(row))), None):
                yield f"{answer}: {name}: {why}"


def _as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _same(question: Question, answers: Sequence[Answer]) -> Check:
    """Compare with what the model answers in this process."""
    signatures = tf.saved_model.load(str(question.directory)).signatures
    own: dict[int, Arrays] = {}
    problems = list[str]()
    for answer in answers:
        request = answer.request
        if id(request) not in own:
            own[id(request)] = _ask_here(signatures, request)
        if why := _difference(own[id(request)], answer.outputs):
            if _difference(own[id(request)], _ask_here(signatures, request)):
                return Check("same as in process", "it answers at random", "not compared")
            problems.append(f"{answer}: {why}")
    limit = f"relative difference up to {_CLOSE['rtol']:g}"
    return Check("same as in process", f"{len(answers)} answers", limit, problems)


def _ask_here(signatures: Any, request: Request) -> Arrays:
    function = signatures[request.signature]
    tensors = {
        name: tf.constant(array, tf.string if array.dtype == object else array.dtype)
        for name, array in request.inputs.items()
    }
    return {name: tensor.numpy() for name, tensor in function(**tensors).items()}


def _difference(own: Arrays, other: Arrays) -> str | None:
    """Say where two answers differ."""
    if own.keys() != other.keys():
        return f"outputs {sorted(other)} in place of {sorted(own)}"
    for name, array in own.items():
        value = other[name]
        if value.shape != array.shape:
            return f"{name} has the shape {value.shape}, not {array.shape}"
        if array.dtype.kind == "f":
            same = np.isclose(value, array, equal_nan=True, **_CLOSE)
        else:
            same = value == array
        if not np.all(same):
            return f"{name} is {value[~same][0]}, not {array[~same][0]}"
    return None
