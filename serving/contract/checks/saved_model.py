"""The signatures of a SavedModel, read without TensorFlow, and how they keep a contract."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...errors import UnreadableModel, one_of
from ...place import open_place
from ..findings.finding import Finding
from ..model import Contract, Tensor
from ..protos import message

__all__ = ["DTYPES", "Signature", "TensorSpec", "against_model", "read_signatures"]

_FILE: Final = "saved_model.pb"
_SERVE: Final = "serve"
DTYPES: Final = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
"""By their numbers in `tensorflow/core/framework/types.proto`."""


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a signature; its shape with the batch, None if it has any rank."""

    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Signature:
    """What one signature takes and answers, and which inputs it can fill in itself."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    defaults: frozenset[str] = frozenset()

    @property
    def takes_examples(self) -> bool:
        """Whether its one input is a batch of strings: serialized tf.Examples, most likely."""
        return [(i.dtype, i.shape) for i in self.inputs.values()] == [("string", (-1,))]


def read_signatures(directory: str) -> dict[str, Signature]:
    """The signatures of the SavedModel in a directory (any fsspec address), by name.

    Raises:
        UnreadableModel: there is no SavedModel, or it is damaged, or not made for serving.
    """
    from google.protobuf.message import DecodeError

    saved = message("SavedModel")
    try:
        saved.ParseFromString(open_place(directory).read(_FILE))
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        what = f"has no {_FILE}" if missing else f"cannot be read: {error.strerror}"
        raise _bad(directory, what) from error
    except DecodeError as error:
        raise _bad(directory, f"has a {_FILE} that cannot be read") from error
    for graph in saved.meta_graphs:
        if _SERVE in graph.meta_info_def.tags:
            return {entry.key: _signature(entry.value) for entry in graph.signature_def}
    raise _bad(directory, f"has no graph with the tag {_SERVE!r}")


def against_model(contract: Contract, signatures: Mapping[str, Signature]) -> tuple[Finding, ...]:
    """How the signatures of a SavedModel break, or may break, a contract."""
    signature = signatures.get(contract.signature)
    if signature is None:
        there = one_of((n for n in signatures if not n.startswith("__")), contract.signature)
        return (Finding("model-no-signature", "signature", f"no {contract.signature}; {there}"),)
    if signature.takes_examples and not signature.inputs.keys() <= contract.inputs.keys():
        (name,) = signature.inputs
        what = f"{contract.signature} takes one batch of strings, {name!r}"
        return (Finding("model-only-examples", "signature", what),)
    return (*_inputs(contract, signature), *_outputs(contract, signature))


def _inputs(contract: Contract, signature: Signature) -> Iterator[Finding]:
    yield from _tensors("input", contract.inputs, signature.inputs)
    for name in sorted(signature.inputs.keys() - contract.inputs.keys()):
        filled = name in signature.defaults
        rule = "model-input-extra-filled" if filled else "model-input-extra"
        yield Finding(rule, "inputs", f"{name}: {signature.inputs[name].dtype}")
    needed = [
        name
        for name, one in contract.inputs.items()
        if not one.required and ("rest" in contract.transports or name not in signature.defaults)
    ]
    if needed:
        yield Finding("model-optional-left-to-client", "inputs", ", ".join(needed))


def _outputs(contract: Contract, signature: Signature) -> Iterator[Finding]:
    yield from _tensors("output", contract.outputs, signature.outputs)
    extra = sorted(signature.outputs.keys() - contract.outputs.keys())
    shape_changes = "rest" in contract.transports and len(contract.outputs) == 1
    for name in extra:
        rule = "model-output-extra-to-one" if shape_changes else "model-output-extra"
        yield Finding(rule, "outputs", f"{name}: {signature.outputs[name].dtype}")


def _tensors(
    kind: str, promised: Mapping[str, Tensor], specs: Mapping[str, TensorSpec]
) -> Iterator[Finding]:
    for name, one in promised.items():
        where = f"{kind}s.{name}"
        if (spec := specs.get(name)) is None:
            yield Finding(f"model-{kind}-missing", where, one_of(specs, name))
            continue
        if spec.dtype != one.dtype:
            what = f"{one.dtype} in the contract, {spec.dtype} in the model"
            yield Finding(f"model-{kind}-dtype", f"{where}.dtype", what)
        if spec.shape is not None:
            yield from _shape(kind, where, (-1, *one.shape), spec.shape)


def _shape(
    kind: str, where: str, promised: tuple[int, ...], there: tuple[int, ...]
) -> Iterator[Finding]:
    """An output's unknown dimension may keep the promise; an input's known one may not."""
    batch, rest = there[:1], there[1:]
    fits = len(there) == len(promised) and all(
        t == p or t == -1 for t, p in zip(rest, promised[1:], strict=True)
    )
    if not fits:
        what = f"{list(promised)} in the contract (with the batch), {list(there)} in the model"
        yield Finding(f"model-{kind}-shape", f"{where}.shape", what)
    elif batch != (-1,):
        yield Finding("model-fixed-batch", where, f"batches of {batch[0]} only")


def _signature(proto: Any) -> Signature:
    inputs, outputs = (
        {entry.key: _spec(entry.value) for entry in entries}
        for entries in (proto.inputs, proto.outputs)
    )
    return Signature(inputs, outputs, frozenset(entry.key for entry in proto.defaults))


def _spec(info: Any) -> TensorSpec:
    shape = info.tensor_shape
    dims = None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)
    return TensorSpec(DTYPES.get(info.dtype, f"type {info.dtype}"), dims)


def _bad(directory: str, what: str) -> UnreadableModel:
    return UnreadableModel(
        given=f"{directory} {what}",
        allowed="a SavedModel as tf.saved_model.save writes it",
        todo="give the version's directory, the one that holds saved_model.pb",
    )
