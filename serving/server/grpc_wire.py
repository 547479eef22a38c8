"""Requests as they are on the wire: large tensors are looked at where they lie, and not copied.

Protobuf copies a `tensor_content` twice before Python has it: into the message, and out of it. Here
a PredictRequest's inputs are found in its bytes, what is large is cut out, and protobuf reads the
rest. The quick way declines whatever is unusual; then protobuf reads all of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Received", "read_any", "read_predict"]

LARGE: Final = 4096
"""Bytes of a request from which on it is worth it."""

_VARINT, _LENGTH = 0, 2
_KEY: Final = 1 << 3 | _LENGTH
_INPUTS = _VALUE = 2 << 3 | _LENGTH
_CONTENT: Final = 4 << 3 | _LENGTH
"""Tags: `PredictRequest.inputs`, key and value of a map's entry, `TensorProto.tensor_content`."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request: its message, and the contents of those input tensors that were cut out of it."""

    message: Any
    size: int
    """Bytes on the wire."""
    contents: dict[str, memoryview] = field(default_factory=dict[str, memoryview])
    """`tensor_content` by input; the message's tensor has none then."""


class _Unusual(Exception):
    """Something that clients do not write; protobuf says what it means."""


def read_any(message: Any, data: bytes) -> Received:
    """Read a request of the type `message`.

    Raises:
        google.protobuf.message.DecodeError: it is none.
    """
    return Received(message.FromString(data), len(data))


def read_predict(message: Any, data: bytes) -> Received:
    """Read a PredictRequest, of the type `message`; what is large in it stays in `data`.

    Raises:
        google.protobuf.message.DecodeError: it is none.
    """
    if len(data) < LARGE:
        return read_any(message, data)
    try:
        rest, contents = _cut(memoryview(data))
    except (_Unusual, UnicodeDecodeError):
        return read_any(message, data)
    return Received(message.FromString(rest), len(data), contents)


def _cut(data: memoryview) -> tuple[bytes, dict[str, memoryview]]:
    """A request without its inputs' contents, and these."""
    rest: list[bytes | memoryview] = []
    contents: dict[str, memoryview] = {}
    names: set[str] = set()
    for tag, whole, value in _fields(data):
        if tag != _INPUTS:
            rest.append(whole)
            continue
        entry = list(_fields(value))
        if [tag for tag, _, _ in entry] != [_KEY, _VALUE]:
            raise _Unusual
        tensor = list(_fields(entry[1][2]))
        found = [value for tag, _, value in tensor if tag == _CONTENT]
        name = str(entry[0][2], "utf-8")
        if len(found) > 1 or name in names:
            raise _Unusual
        names.add(name)
        if not found:
            rest.append(whole)
            continue
        contents[name] = found[0]
        small = b"".join(whole for tag, whole, _ in tensor if tag != _CONTENT)
        rest.append(_written(_INPUTS, bytes(entry[0][1]) + _written(_VALUE, small)))
    return b"".join(rest), contents


def _written(tag: int, value: bytes) -> bytes:
    """A field, of a tag and a length that are small."""
    if len(value) > 0x3FFF:
        raise _Unusual
    size = len(value)
    length = bytes((size,)) if size < 0x80 else bytes((size & 0x7F | 0x80, size >> 7))
    return bytes((tag,)) + length + value


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Each field's tag, all its bytes, and its value's."""
    at, end = 0, len(data)
    while at < end:
        start = at
        tag, at = _varint(data, at)
        size = 0
        if tag & 7 == _LENGTH:
            size, at = _varint(data, at)
        elif tag & 7 == _VARINT:
            size = _varint(data, at)[1] - at
        else:
            raise _Unusual
        if at + size > end:
            raise _Unusual
        yield tag, data[start : at + size], data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number at a place, and the place after it."""
    value = shift = 0
    while at < len(data) and shift < 35:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise _Unusual
