"""Records that are protocol buffers already: what is written of them, and what is hashed."""

from collections.abc import Sequence
from typing import Any, Final

import tensorflow as tf
from tfx.proto import example_gen_pb2

from .splits import Batch, no_partition

_pb2: Any = example_gen_pb2  # protobuf makes what is in it at import

_FIELDS: Final = {
    _pb2.FORMAT_TF_EXAMPLE: (tf.train.Example, "features"),
    _pb2.FORMAT_TF_SEQUENCE_EXAMPLE: (tf.train.SequenceExample, "context"),
}
"""Payload format -> its message, and the field of it that may decide on the split."""

PAYLOADS: Final = {*_FIELDS, _pb2.FORMAT_PROTO}
"""Payload formats that can be imported; a record of FORMAT_PROTO stays as it is."""


def batch(payload_format: int, partition: str | None, records: Sequence[bytes]) -> Batch:
    """Serialize messages deterministically; take their features out where these decide.

    Raises:
        DecodeError: A record is no such message.
        BadArgument: A message lacks the feature, or it cannot be hashed.
    """
    if payload_format not in _FIELDS:
        if partition is not None:
            raise no_partition(partition)
        return Batch(records, records)
    message, field = _FIELDS[payload_format]
    parsed = [message.FromString(record) for record in records]
    written = [m.SerializeToString(deterministic=True) for m in parsed]
    if partition is None:
        return Batch(written, written)
    return Batch(written, [_key(getattr(m, field).feature, partition) for m in parsed])


def _key(features: Any, partition: str) -> bytes:
    if partition not in features:
        raise no_partition(partition)
    key: bytes = features[partition].SerializeToString(deterministic=True)
    return key
