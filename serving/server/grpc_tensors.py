"""`TensorProto` and numpy, without TensorFlow: what `Tensor::FromProto` and `AsProtoField` do.

Field numbers are those of `tensorflow/core/framework/tensor.proto`.
"""

from math import prod
from typing import Any, Final

import numpy as np

from .tensors import DTYPES, Array

__all__ = ["array_to_proto", "proto_to_array"]

_FIELDS: Final = {
    **dict.fromkeys((3, 4, 5, 6, 17), "int_val"),
    **dict.fromkeys((14, 19), "half_val"),
    **{1: "float_val", 2: "double_val", 7: "string_val", 9: "int64_val", 10: "bool_val"},
    **{8: "scomplex_val", 18: "dcomplex_val", 22: "uint32_val", 23: "uint64_val"},
}
"""The typed field that holds a dtype's values."""

_PACKED: Final = {1: (b"\x2a", "<f4"), 2: (b"\x32", "<f8")}
"""Fields that are on the wire as they are in memory: tag and type."""

_PAIRS: Final = {8: np.float32, 18: np.float64}
_HALVES: Final = (14, 19)
_STRING: Final = 7
_DEEPEST: Final = 254
_MOST: Final = 2**31
"""Bytes of a tensor: a repeated value takes few on the wire and any number in memory."""


def proto_to_array(proto: Any, content: memoryview | None = None) -> Array | None:
    """The tensor of a `TensorProto`, None if it is not a valid one.

    Too few values are filled up with the last of them (none: zeros); too many are cut off.
    `content` is its `tensor_content` if that was cut out of it: see grpc_wire.py.
    """
    dtype = _numpy(proto.dtype)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if dtype is None or proto.tensor_shape.unknown_rank or len(shape) > _DEEPEST:
        return None
    if any(size < 0 for size in shape) or prod(shape) * dtype.itemsize > _MOST:
        return None
    if content or (content := proto.tensor_content):
        return _from_content(content, dtype, shape)
    values = getattr(proto, _FIELDS[proto.dtype])
    if proto.dtype in _PAIRS:
        flat = np.array(values, _PAIRS[proto.dtype])
        flat = flat[: len(flat) // 2 * 2].view(dtype)
    elif proto.dtype in _HALVES:
        flat = np.array(values, np.int64).astype(np.uint16).view(dtype)
    elif proto.dtype == _STRING:
        flat = np.empty(len(values), object)
        flat[:] = values
    elif proto.dtype in _PACKED and len(values) > 64:
        flat = _from_packed(proto, len(values))
    else:
        narrow = dtype.kind in "iu" and dtype.itemsize < 8  # which wraps
        flat = np.array(values, np.int64 if narrow else dtype).astype(dtype)
    return _filled(flat, dtype, shape)


def _numpy(number: int) -> "np.dtype[Any] | None":
    if number == 14:  # a type that TensorFlow brings
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return DTYPES[number].numpy if number in DTYPES else None


def _from_content(
    content: bytes | memoryview, dtype: "np.dtype[Any]", shape: tuple[int, ...]
) -> Array | None:
    if dtype.kind == "O":
        return _from_strings(bytes(content), shape)
    if len(content) != prod(shape) * dtype.itemsize:
        return None
    return np.frombuffer(content, dtype).reshape(shape)


def _from_strings(content: bytes, shape: tuple[int, ...]) -> Array | None:
    """Strings in `tensor_content`: all lengths as varints, then all bytes."""
    flat = np.empty(prod(shape), object)
    lengths: list[int] = []
    at = 0
    for _ in range(len(flat)):
        length = shift = 0
        while True:
            if at >= len(content) or shift > 28:
                return None
            length |= (content[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if content[at - 1] < 0x80:
                break
        lengths.append(length)
    if sum(lengths) != len(content) - at:
        return None
    for index, length in enumerate(lengths):
        flat[index] = content[at : at + length]
        at += length
    return flat.reshape(shape)


def _from_packed(proto: Any, count: int) -> Array:
    """Many numbers: the message once more as bytes is sooner than a Python object of each."""
    _, kind = _PACKED[proto.dtype]
    field = _FIELDS[proto.dtype]
    others = [one.name for one, _ in proto.ListFields() if one.name not in (field, "dtype")]
    if set(others) <= {"tensor_shape", "version_number"}:  # all of them come before it
        data = proto.SerializeToString()
        return np.frombuffer(data, kind, count, len(data) - count * np.dtype(kind).itemsize)
    return np.array(getattr(proto, field), kind)


def _filled(flat: Array, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> Array:
    size = prod(shape)
    if len(flat) == size:
        return flat.reshape(shape)
    if len(flat) > size:
        return flat[:size].reshape(shape)
    full = np.zeros(size, dtype)
    if dtype.kind == "O":
        full[:] = b""
    if len(flat):
        full[:] = flat[-1]
        full[: len(flat)] = flat
    return full.reshape(shape)


def array_to_proto(array: Array, proto: Any, *, content: bool = False) -> None:
    """Fill in a `TensorProto`: typed fields, or `tensor_content` for all but strings."""
    number = _number(array)
    proto.dtype = number
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    proto.tensor_shape.SetInParent()
    if number == _STRING:
        proto.string_val.extend(array.ravel().tolist())
    elif content:
        proto.tensor_content = array.tobytes()
    elif number in _PACKED and array.size > 64:
        tag, kind = _PACKED[number]
        payload = array.astype(kind, copy=False).tobytes()
        proto.MergeFromString(tag + _varint(len(payload)) + payload)
    else:
        flat = np.ascontiguousarray(array).ravel()
        if number in _PAIRS:
            flat = flat.view(_PAIRS[number])
        elif number in _HALVES:
            flat = flat.view(np.uint16)
        getattr(proto, _FIELDS[number]).extend(flat.tolist())


_NUMBERS: Final = {dtype.numpy: number for number, dtype in DTYPES.items() if dtype.numpy}


def _number(array: Array) -> int:
    number = _NUMBERS.get(array.dtype)
    return 14 if number is None else number  # a dtype's name takes 20 us to make


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
