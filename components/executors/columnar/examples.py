"""Columns to serialized tf.Examples: the deterministic serialization, without an object per row.

A tf.Example is a map from names to features, and a deterministic one has its names in order: so
the bytes of a row are the bytes of its cells, one after the other (protobuf's encoding guide and
`tensorflow/core/example/feature.proto`); equal cells of a column are encoded once.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import tensorflow as tf
from pyarrow import compute


class Kind(IntEnum):
    """What a column holds; of two that do not agree, the higher holds both."""

    NOTHING = 0
    INT = 1
    FLOAT = 2
    BYTES = 3


class Column(NamedTuple):
    """One feature of many rows: its different values, and which of them each row has."""

    name: str
    features: Sequence[bytes]
    """Serialized `tf.train.Feature`s."""
    indices: Any
    """Array of positions in `features`."""


_LISTS: Final = {Kind.BYTES: b"\x0a", Kind.FLOAT: b"\x12", Kind.INT: b"\x1a"}
"""Tags of Feature's `bytes_list`, `float_list` and `int64_list`."""


def encode(columns: Iterable[Column]) -> list[bytes]:
    """Serialize rows as `tf.train.Example.SerializeToString(deterministic=True)` does."""
    by_name = {column.name: column for column in columns}
    sizes: Any = 0
    parts: list[Any] = []
    for name in _in_order(tuple(by_name)):
        entries, indices = _entries(name.encode(), by_name[name]), by_name[name].indices
        parts.append(_as_array(entries).take(indices))
        sizes = sizes + np.fromiter(map(len, entries), np.int64)[indices.to_numpy()]
    different, which = np.unique(sizes, return_inverse=True)
    heads = _as_array([_tag_and_size(b"\x0a", size) for size in different.tolist()])
    parts = [heads.take(pa.array(which)), *parts, _as_array([b""])[0]]
    rows: list[bytes] = compute.call_function("binary_join_element_wise", parts).to_pylist()
    return rows


def column(name: str, kind: Kind, values: Sequence[Any], indices: Any, missing: Kind) -> Column:
    """Encode values of one kind; where `indices` is null, the row has an empty list of `missing`.

    `NOTHING` means that there is no list at all.
    """
    nothing = _LISTS[missing] + b"\x00" if missing else b""
    indices = indices.fill_null(pa.scalar(len(values), indices.type))
    return Column(name, [*(_feature(kind, p) for p in _payloads(kind, values)), nothing], indices)


def rows_of(column: Column) -> list[bytes]:
    """Give the serialized Feature of every row."""
    rows: list[bytes] = _as_array(column.features).take(column.indices).to_pylist()
    return rows


@cache
def _in_order(names: tuple[str, ...]) -> list[str]:
    """Order names as the protobuf library at hand does: one puts "ab" before "a"."""
    features = {name: tf.train.Feature() for name in names}
    left = tf.train.Features(feature=features).SerializeToString(deterministic=True)
    entries = {_entry(name.encode(), 0): name for name in names}
    ordered: list[str] = []
    while left:
        entry = next(entry for entry in entries if left.startswith(entry))
        ordered.append(entries.pop(entry))
        left = left[len(entry) :]
    return ordered


def _entries(name: bytes, column: Column) -> list[bytes]:
    """Encode the entry of the map for every different value."""
    heads: dict[int, bytes] = {}
    entries: list[bytes] = []
    for feature in column.features:
        size = len(feature)
        if size not in heads:
            heads[size] = _entry(name, size)
        entries.append(heads[size] + feature)
    return entries


def _entry(name: bytes, size: int) -> bytes:
    """Begin an entry of the map whose Feature has `size` bytes."""
    inside = _delimited(b"\x0a", name) + _tag_and_size(b"\x12", size)
    return _tag_and_size(b"\x0a", len(inside) + size) + inside


def _feature(kind: Kind, payload: bytes) -> bytes:
    """Encode a Feature whose list has one value."""
    value = _tag_and_size(b"\x0a", len(payload))
    return _tag_and_size(_LISTS[kind], len(value) + len(payload)) + value + payload


def _payloads(kind: Kind, values: Sequence[Any]) -> Iterable[bytes]:
    """Encode each value alone, as it stands in its list."""
    if kind is Kind.INT:
        return map(_varint, values)
    if kind is Kind.FLOAT:
        with np.errstate(over="ignore"):  # beyond float32 is infinity, as protobuf has it
            data = np.array(values, np.float64).astype("<f4").tobytes()
        return (data[i : i + 4] for i in range(0, len(data), 4))
    return values


def _delimited(tag: bytes, body: bytes) -> bytes:
    return _tag_and_size(tag, len(body)) + body


@cache
def _tag_and_size(tag: bytes, size: int) -> bytes:
    return tag + _varint(size)


def _varint(number: int) -> bytes:
    """Encode seven bits a byte, the lowest first; negative numbers as 64 bits."""
    number &= 0xFFFF_FFFF_FFFF_FFFF
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _as_array(values: Sequence[bytes]) -> Any:
    return pa.array(values, pa.large_binary())
