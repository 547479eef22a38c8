"""One version of one model in memory, and what can be asked of it."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Final

import numpy as np

from .inference import (
    Classification,
    Regression,
    check_examples,
    check_method,
    classification,
    regression,
    to_classes,
    to_values,
)
from .lanes import Kind, Lane, Runner
from .loader import Loaded
from .plane import Classes, Task
from .status import Code, StatusError
from .tensors import DEFAULT_SIGNATURE, DTYPES, Array, Signature, TensorInfo

__all__ = ["Servable"]

NAMES: Final = {dtype.numpy: dtype.name for dtype in DTYPES.values() if dtype.numpy is not None}
LANES: Final = 64
"""How many ways to ask one version are kept ready; `output_filter` makes new ones."""


class Servable:
    """A loaded version: its own lease (see `plane.Lease`), which everybody who holds it shares."""

    def __init__(self, runner: Runner, loaded: Loaded, name: str, version: int) -> None:
        """Wrap what was loaded; nobody holds it yet."""
        self.name, self.version = name, version
        self.signatures: Mapping[str, Signature] = loaded.signatures
        self.metadata = loaded.metadata
        self._runner, self._loaded = runner, loaded
        self._lanes: dict[tuple[tuple[str, ...], tuple[str, ...]], Lane] = {}
        self._leases = 0
        self._unused: asyncio.Event | None = None

    def lease(self) -> "Servable":
        """Hold it once more."""
        self._leases += 1
        return self

    def __enter__(self) -> "Servable":
        """Nothing more: it is held from `lease` on."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it back."""
        self._leases -= 1
        self._settle()

    def _settle(self) -> None:
        """Hear that somebody has let go."""
        if self._unused is not None and not self._leases and self._idle():
            self._unused.set()

    def _idle(self) -> bool:
        return all(lane.idle for lane in self._lanes.values())

    async def close(self) -> None:
        """Free its memory, once the last request that it answers has ended."""
        self._unused = asyncio.Event()
        self._settle()
        await self._unused.wait()
        self._lanes.clear()
        await asyncio.to_thread(self._loaded.close)

    async def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, Array],
        *,
        outputs: Sequence[str] = (),
        timeout: float | None = None,
    ) -> dict[str, Array]:
        """Ask a signature: see `plane.Lease`."""
        signature_name = signature_name or DEFAULT_SIGNATURE
        signature = self.signatures.get(signature_name)
        if signature is None:
            message = f'Serving signature key "{signature_name}" not found.'
            raise StatusError(Code.FAILED_PRECONDITION, message)
        if self._runner.check_methods:
            check_method(signature, "prediction")
        given = _feeds(signature, inputs)
        wanted = _fetches(signature, outputs)
        infos = [signature.outputs[alias] for alias in wanted]
        answers = await self._ask("Predict", signature_name, given, infos, timeout)
        return {alias: answers[info.tensor] for alias, info in zip(wanted, infos, strict=True)}

    async def classify(
        self, signature_name: str, examples: Sequence[bytes], *, timeout: float | None = None
    ) -> Classes:
        """Classify serialized examples: see `plane.Lease`."""
        plan = classification(self._named(signature_name, "classification"))
        answers = await self._infer("Classify", [plan], examples, timeout)
        return to_classes(plan, answers, len(examples))

    async def regress(
        self, signature_name: str, examples: Sequence[bytes], *, timeout: float | None = None
    ) -> Array:
        """Regress serialized examples: see `plane.Lease`."""
        plan = regression(self._named(signature_name, "regression"))
        answers = await self._infer("Regress", [plan], examples, timeout)
        return to_values(plan, answers, len(examples))

    async def multi_inference(
        self, tasks: Sequence[Task], examples: Sequence[bytes], *, timeout: float | None = None
    ) -> list[Classes | Array]:
        """Answer several signatures at once: see `plane.Lease`."""
        plans = self._plans(tasks)
        answers = await self._infer("MultiInference", plans, examples, timeout)
        return [
            to_classes(plan, answers, len(examples))
            if isinstance(plan, Classification)
            else to_values(plan, answers, len(examples))
            for plan in plans
        ]

    def _named(self, signature_name: str, kind: str) -> tuple[str, Signature]:
        name = signature_name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            message = f"No signature was found with the name: {name}"
            raise StatusError(Code.INVALID_ARGUMENT, message)
        if self._runner.check_methods:
            check_method(self.signatures[name], kind)
        return name, self.signatures[name]

    def _plans(self, tasks: Sequence[Task]) -> "list[Classification | Regression]":
        """What each task of a MultiInference fetches (servables/tensorflow/multi_inference.cc)."""
        makers: dict[str, Callable[[tuple[str, Signature]], Classification | Regression]] = {
            "tensorflow/serving/classify": classification,
            "tensorflow/serving/regress": regression,
        }
        plans: dict[str, Classification | Regression] = {}
        for task in tasks:
            name = task.signature_name or DEFAULT_SIGNATURE
            if name in plans:
                message = f"Duplicate evaluation of signature: {name}"
                raise StatusError(Code.INVALID_ARGUMENT, message)
            if name not in self.signatures:
                message = f"Requested signature not found in model graph: {name}"
                raise StatusError(Code.INVALID_ARGUMENT, message)
            if task.method_name not in makers:
                message = f"Unsupported signature method_name: {task.method_name}"
                raise StatusError(Code.UNIMPLEMENTED, message)
            plans[name] = makers[task.method_name]((name, self.signatures[name]))
        if len({plan.input.tensor for plan in plans.values()}) > 1:
            message = "Input tensor must be the same for all Signatures."
            raise StatusError(Code.INVALID_ARGUMENT, message)
        return list(plans.values())

    async def _infer(
        self,
        api: str,
        plans: "Sequence[Classification | Regression]",
        examples: Sequence[bytes],
        timeout: float | None,
    ) -> dict[str, Array]:
        check_examples(examples)
        batch = np.empty(len(examples), object)
        batch[:] = examples
        given = [(plans[0].input, batch)]
        infos = [info for plan in plans for info in plan.fetched]
        return await self._ask(api, plans[0].name, given, infos, timeout)

    async def _ask(
        self,
        api: str,
        signature_name: str,
        given: Sequence[tuple[TensorInfo, Array]],
        wanted: Sequence[TensorInfo],
        timeout: float | None,
    ) -> dict[str, Array]:
        """Run the model; what is wanted, by the names of the graph's tensors."""
        start = time.perf_counter()
        fed = {info.tensor: array for info, array in given}
        fetched = tuple(dict.fromkeys(info.tensor for info in wanted))
        lane = self._lane(tuple(fed), fetched, signature_name)
        answers = await lane.ask(list(fed.values()), timeout)
        labels = {"model_name": self.name, "API": api, "runtime": "TF1"}
        micros = (time.perf_counter() - start) * 1e6
        self._runner.meter.observe("/tensorflow/serving/runtime_latency", labels, micros)
        return {name: _array(answer) for name, answer in zip(fetched, answers, strict=True)}

    def _lane(self, feeds: tuple[str, ...], fetches: tuple[str, ...], signature_name: str) -> Lane:
        lane = self._lanes.get((feeds, fetches))
        if lane is None:
            idle = (key for key, known in self._lanes.items() if known.idle)
            if len(self._lanes) >= LANES and (oldest := next(idle, None)):
                del self._lanes[oldest]
            prepare = partial(self._loaded.prepare, feeds, fetches)
            lane = Lane(self._runner, prepare, self._kind(signature_name), self._settle)
            self._lanes[feeds, fetches] = lane
        return lane

    def _kind(self, signature_name: str) -> Kind:
        signature = self.signatures[signature_name]
        tensors = (*signature.inputs.values(), *signature.outputs.values())
        if not all(info.shape is None or info.shape[:1] == (-1,) for info in tensors):
            return "alone"
        if self._runner.batching is not None:
            return "batched"
        joins = self._runner.join and signature_name in self._loaded.rowwise
        return "joined" if joins else "alone"


def _array(answer: Array | bytes) -> Array:
    """What TensorFlow answers; a string alone comes as bytes."""
    return np.array(answer, object) if isinstance(answer, bytes) else answer


def _feeds(signature: Signature, inputs: Mapping[str, Array]) -> list[tuple[TensorInfo, Array]]:
    """The inputs with what the signature says of them, in the order of its aliases."""
    known = signature.inputs
    if len(inputs) > len(known) or (len(inputs) < len(known) and not signature.defaults):
        sent, names = ",".join(sorted(inputs)), ",".join(known)
        extra = ",".join(sorted(inputs.keys() - known.keys()))
        missing = ",".join(sorted(known.keys() - inputs.keys()))
        message = (
            f"input size does not match signature: {len(inputs)}!={len(known)} len({{{sent}}}) != "
            f"len({{{names}}}). Sent extra: {{{extra}}}. Missing but required: {{{missing}}}."
        )
        raise StatusError(Code.INVALID_ARGUMENT, message)
    given = []
    for index, (alias, info) in enumerate(known.items()):
        array = inputs.get(alias)
        if array is None:
            array = signature.defaults.get(alias)
        if array is None:
            message = (
                f"Signature input alias: {alias}(feed name: {info.tensor}) not found in request "
                "and no default value provided. Inputs expected to be in the set "
                f"{{{','.join(known)}}}."
            )
            raise StatusError(Code.INVALID_ARGUMENT, message)
        if info.dtype.numpy is not None and array.dtype != info.dtype.numpy:
            other = NAMES.get(array.dtype, str(array.dtype))
            message = f"Expects arg[{index}] to be {info.dtype.name} but {other} is provided"
            raise StatusError(Code.INVALID_ARGUMENT, message)
        given.append((info, array))
    return given


def _fetches(signature: Signature, outputs: Sequence[str]) -> Sequence[str]:
    """The aliases to answer: those that are asked for, or all."""
    for index, alias in enumerate(outputs):
        if alias not in signature.outputs:
            message = (
                f"output tensor alias not found in signature: {alias} Outputs expected to be in "
                f"the set {{{','.join(signature.outputs)}}}."
            )
            raise StatusError(Code.INVALID_ARGUMENT, message)
        if alias in outputs[:index]:
            message = f"duplicate output tensor alias: {alias}"
            raise StatusError(Code.INVALID_ARGUMENT, message)
    return outputs or list(signature.outputs)
