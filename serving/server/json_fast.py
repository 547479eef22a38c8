"""The usual predict requests, read without making a Python object of each number.

simdjson reads a body into its own tape and copies numbers from there into an array. Whatever is
unusual (NaN, doubled keys, wrong types, ragged lists, ...) is left to `json_tensors.py`: every
function here answers None then, and may do so whenever it likes.
"""

import threading
from collections.abc import Mapping
from itertools import chain
from math import prod
from typing import Any, Final, Literal

import numpy as np
import simdjson

from .json_tensors import RANGES, base64_bytes, is_base64
from .status import StatusError
from .tensors import Array, Dtype, TensorInfo

__all__ = ["KEPT", "columns", "document", "members", "rows"]

_KINDS: Final[Mapping[str, Literal["d", "i", "u"]]] = {
    "float": "d",
    "double": "d",
    "int8": "i",
    "uint8": "i",
    "int16": "i",
    "int32": "i",
    "int64": "i",
    "uint32": "i",
    "uint64": "u",
}
"""What simdjson is asked for: doubles, signed or unsigned 64 bit integers."""

KEPT: Final = 2 * 2**20
"""Bytes of a body up to which a parser is kept for the next one."""

_BUFFERS: Final = {"d": np.float64, "i": np.int64, "u": np.uint64}
_PYTHON: Final[Mapping[str, set[type]]] = {"d": {int, float}, "i": {int}, "u": {int}}


class _Kept(threading.local):
    """A parser for each thread: new memory, 14 bytes for each of a body, is paid for in faults."""

    def __init__(self) -> None:
        self.parser = simdjson.Parser()


_kept: Final = _Kept()


def document(body: bytes) -> Any | None:
    """The body as an object that simdjson holds."""
    parser = _kept.parser if len(body) <= KEPT else simdjson.Parser()
    try:
        try:
            found = parser.parse(body)
        except RuntimeError:  # somebody still has what it read before
            found = simdjson.Parser().parse(body)
    except (ValueError, RuntimeError):  # of which UnicodeDecodeError is one
        return None
    return found if isinstance(found, simdjson.Object) else None


def rows(instances: Any, inputs: Mapping[str, TensorInfo], body: bytes) -> dict[str, Array] | None:
    """The tensors of `instances`."""
    if not isinstance(instances, simdjson.Array) or not len(instances):
        return None
    if isinstance(instances[0], simdjson.Object):
        plain: list[Any] = instances.as_list()
        if not is_base64(plain[0]):
            return _objects(instances, plain, inputs)
    if len(inputs) != 1:
        return None
    [(alias, info)] = inputs.items()
    return columns({alias: instances}, {alias: info}, body)


def members(value: Any, inputs: Mapping[str, TensorInfo]) -> Mapping[str, Any] | None:
    """The value of `inputs` by alias, each still as simdjson holds it."""
    if isinstance(value, simdjson.Object) and not is_base64(value.as_dict()):
        try:
            return {alias: value[alias] for alias in inputs}
        except KeyError:
            return None
    return dict.fromkeys(inputs, value) if len(inputs) == 1 else None


def columns(
    values: Mapping[str, Any], inputs: Mapping[str, TensorInfo], body: bytes
) -> dict[str, Array] | None:
    """The tensors of an object of columns."""
    tensors: dict[str, Array] = {}
    brackets = 0
    for alias, info in inputs.items():
        value = values[alias]
        array = _numbers(value, info.dtype)
        if array is not None:
            # A number beside a list is not seen in the numbers; bytes.count is slower by far.
            brackets = np.count_nonzero(np.frombuffer(body, np.uint8) == ord("["))
        else:
            array = _values(_plain(value), info.dtype)
        if array is None:
            return None
        tensors[alias] = array
    if brackets and brackets != sum(_lists(array.shape) for array in tensors.values()):
        return None
    return tensors


def _objects(
    proxies: Any, plain: list[Any], inputs: Mapping[str, TensorInfo]
) -> dict[str, Array] | None:
    """The tensors of rows that are objects."""
    count = len(inputs)
    try:
        if any(
            len(row) != count or len(proxy) != count
            for row, proxy in zip(plain, proxies, strict=True)
        ):
            return None  # a key too many or too few, or twice
        found = {
            alias: _values([row[alias] for row in plain], info.dtype)
            for alias, info in inputs.items()
        }
    except (KeyError, TypeError):
        return None
    tensors = {alias: array for alias, array in found.items() if array is not None}
    return tensors if len(tensors) == count else None


def _lists(shape: tuple[int, ...]) -> int:
    """How many lists a dense value of this shape is written with."""
    return sum(prod(shape[:level]) for level in range(len(shape)))


def _numbers(value: Any, dtype: Dtype) -> Array | None:
    """A list of numbers, or of lists of them, copied from simdjson's tape."""
    kind = _KINDS.get(dtype.name)
    if kind is None or not isinstance(value, simdjson.Array):
        return None
    shape: list[int] = []
    level: list[Any] = [value]
    try:
        while True:
            sizes = {len(item) for item in level}
            if len(sizes) != 1:
                return None
            shape.append(sizes.pop())
            if not shape[-1] or not isinstance(level[0][0], simdjson.Array):
                break
            level = list(chain.from_iterable(level))
            if len(level) > 4096:  # lists of few numbers each: Python is faster
                return None
        array = np.frombuffer(value.as_buffer(of_type=kind), _BUFFERS[kind])
    except (TypeError, ValueError):
        return None
    if kind == "u" and array.size and int(array.max()) >> 63:
        return None  # as simdjson gives negative numbers, too
    return _cast(array, dtype, tuple(shape))


def _cast(array: Array, dtype: Dtype, shape: tuple[int, ...]) -> Array | None:
    """The type that the model wants, if all numbers may be given for it."""
    if array.size != prod(shape):
        return None
    if dtype.name in RANGES and array.size:
        low, high = RANGES[dtype.name]
        if int(array.min()) < low or int(array.max()) > high:
            return None
    if dtype.name != "float":
        return array.astype(dtype.numpy).reshape(shape)
    with np.errstate(over="ignore"):  # 1e39 is an infinite float
        return array.astype(np.float32).reshape(shape)


def _plain(value: Any) -> Any:
    if isinstance(value, simdjson.Array):
        return value.as_list()
    return value.as_dict() if isinstance(value, simdjson.Object) else value


def _values(value: Any, dtype: Dtype) -> Array | None:
    """Python's values, or lists of them, all of one type."""
    shape: list[int] = []
    flat = [value]
    while type(flat[0]) is list:
        if set(map(type, flat)) != {list} or len(sizes := set(map(len, flat))) != 1:
            return None
        shape.append(sizes.pop())
        flat = list(chain.from_iterable(flat))
        if not flat:
            break
    types = set(map(type, flat))
    if dtype.name == "string":
        return _strings(flat, types, shape)
    if dtype.name == "bool":
        return np.array(flat, bool).reshape(shape) if types <= {bool} else None
    kind = _KINDS.get(dtype.name)
    if kind is None or not types <= _PYTHON[kind]:
        return None
    if dtype.name in RANGES and flat:
        low, high = RANGES[dtype.name]
        if min(flat) < low or max(flat) > high:
            return None
    return _cast(np.array(flat, _BUFFERS[kind]), dtype, tuple(shape))


def _strings(flat: list[Any], types: set[type], shape: list[int]) -> Array | None:
    if not types <= {str, dict}:
        return None
    array = np.empty(len(flat), object)
    try:
        array[:] = [base64_bytes(item) if type(item) is dict else item.encode() for item in flat]
    except StatusError:
        return None
    return array.reshape(shape)
