"""Requests made of examples, for a model server to answer and to warm up with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2 as predict, prediction_log_pb2 as prediction_log
from tfx.types import artifact_utils

from ...serving.contract.checks.saved_model import Signature, TensorSpec
from ...serving.contract.model import Contract, Input
from ...serving.contract.plausible import plausible
from ..errors import BadArgument, BadData
from ..step import Artifact
from . import records

predict_pb2: Any = predict  # protobuf makes what is in them at import
prediction_log_pb2: Any = prediction_log

Example = Any
"""A `tf.train.Example`."""

Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Request:
    """What is asked: arrays by the inputs' names, the batch first."""

    origin: str
    signature: str
    inputs: Arrays


def read_examples(artifact: Artifact, split: str, count: int) -> list[Example]:
    """Read the first examples of a split; of the first split if none is named.

    Raises:
        BadArgument: There is no such split.
        BadData: It is empty, or holds something else than examples.
    """
    splits: Sequence[str] = artifact_utils.decode_split_names(
        artifact.metadata.get("split_names", "")
    )
    if not splits or (split and split not in splits):
        raise BadArgument(
            given=f"request_spec.split_name {split!r}",
            allowed=f"a split of the examples: {', '.join(splits) or 'they have none'}",
            todo="name one of these",
        )
    name = split or splits[0]
    found = list(islice(records.read(Path(artifact.path) / f"Split-{name}"), count))
    try:
        examples = [tf.train.Example.FromString(record) for record in found]
    except ValueError as error:
        raise _no_examples(name, f"a record that is no tf.Example ({error})") from error
    if not examples:
        raise _no_examples(name, "nothing")
    return examples


def requests_of(
    examples: Sequence[Example], name: str, signature: Signature, contract: Contract | None
) -> list[Request]:
    """Make a request of each example, and one of all of them, for one signature.

    Args:
        examples: What to ask about.
        name: The signature's name.
        signature: What it takes: features by name, or serialized examples.
        contract: Its defaults stand in for missing values, if the signature is the contract's.

    Raises:
        BadArgument: The signature takes something that the examples do not have.
    """
    promised = contract.inputs if contract and contract.signature == name else {}
    features = {feature for example in examples for feature in example.features.feature}
    by_name = signature.inputs.keys() <= features | promised.keys()
    if not by_name and not signature.takes_examples:
        unknown = sorted(signature.inputs.keys() - features - promised.keys())
        raise BadArgument(
            given=f"the signature {name} takes {', '.join(unknown)}, which no example has",
            allowed="inputs that are called as features are, or one batch of serialized examples",
            todo="name another signature in request_spec.tensorflow_serving.signature_names",
        )
    made: list[Arrays] = [
        {
            key: _array(example, key, spec, promised.get(key))
            for key, spec in signature.inputs.items()
        }
        if by_name
        else {key: np.array([example.SerializeToString()], object) for key in signature.inputs}
        for example in examples
    ]
    requests = [Request(f"example {n}", name, one) for n, one in enumerate(made, 1)]
    if len(made) > 1 and len({tuple(a.shape for a in one.values()) for one in made}) == 1:
        together = {key: np.concatenate([one[key] for one in made]) for key in made[0]}
        requests.append(Request(f"{len(made)} examples at once", name, together))
    return requests


def plausible_request(contract: Contract) -> Arrays:
    """Make up a request of one instance."""
    made: Arrays = {}
    for name, one in contract.inputs.items():
        is_text = one.dtype == "string"
        made[name] = np.array([plausible(one)], object if is_text else one.dtype)
        if is_text:
            made[name][...] = np.vectorize(_encoded, [object])(made[name])
    return made


def _encoded(value: str | None) -> bytes:
    return (value or "").encode()  # of some patterns no text is known


def made_up(examples: Sequence[Example], contract: Contract | None) -> list[Example]:
    """The examples with plausible values for what the contract calls personal or confidential."""
    inputs = contract.inputs.items() if contract else ()
    secret = {n: one for n, one in inputs if one.sensitivity in ("personal", "confidential")}
    return [_without(example, secret) for example in examples]


def warm_up_file(file: Path, requests: Sequence[Request], model: str) -> None:
    """Write requests as TF Serving reads them from a version's `assets.extra`: `PredictionLog`s."""
    with tf.io.TFRecordWriter(str(file)) as writer:
        for request in requests:
            message = predict_pb2.PredictRequest()
            message.model_spec.name = model
            message.model_spec.signature_name = request.signature
            for key, array in request.inputs.items():
                message.inputs[key].CopyFrom(tf.make_tensor_proto(array))
            log = prediction_log_pb2.PredictLog(request=message)
            writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())


def _array(
    example: Example, name: str, spec: TensorSpec, promised: Input | None
) -> np.ndarray[Any, Any]:
    """Give a batch of one value of an input."""
    dtype = object if spec.dtype == "string" else tf.as_dtype(spec.dtype).as_numpy_dtype
    feature = example.features.feature.get(name)
    kind = feature.WhichOneof("kind") if feature else None
    values = list(getattr(feature, kind).value) if kind else []
    shape: tuple[int, ...] = (spec.shape or (-1, *([-1] if len(values) > 1 else [])))[1:]
    if not values and -1 not in shape:
        array: np.ndarray[Any, Any] = np.empty((1, *shape), dtype)
        array[...] = _missing(spec, promised)
        return array
    try:
        return np.array(values, dtype).reshape(1, *shape)
    except (ValueError, TypeError) as error:
        raise BadArgument(
            given=f"an example has {len(values)} values of {name}; {error}",
            allowed=f"what the signature takes: {spec.dtype} of the shape {list(shape)}",
            todo="name another signature in request_spec.tensorflow_serving.signature_names",
        ) from error


def _missing(spec: TensorSpec, promised: Input | None) -> Any:
    """What stands for a value that an example does not have."""
    if promised is not None and promised.default is not None:
        default = promised.default
        return default.encode() if isinstance(default, str) and spec.dtype == "string" else default
    return b"" if spec.dtype == "string" else float("nan") if "float" in spec.dtype else 0


def _without(example: Example, secret: Mapping[str, Input]) -> Example:
    """A copy with plausible values of some features, as many as there were."""
    copy = tf.train.Example.FromString(example.SerializeToString())
    for name, one in secret.items():
        if name in copy.features.feature:
            feature = copy.features.feature[name]
            kind = feature.WhichOneof("kind")
            if kind:
                values = getattr(feature, kind).value
                values[:] = [_scalar(plausible(one), kind)] * len(values)
    return copy


def _scalar(value: Any, kind: str) -> Any:
    while isinstance(value, list):
        value = value[0]
    if kind == "bytes_list":
        return str(value or "").encode()
    return float(value) if kind == "float_list" else int(value)


def _no_examples(split: str, found: str) -> BadData:
    return BadData(
        given=f"the split {split} of the examples holds {found}",
        allowed="tf.Examples, as ExampleGens write them",
        todo="look at the step before, or leave `request_spec` out",
    )
