"""TFRecord files, read without TensorFlow.

Each record is framed as: 8 bytes length (little endian), 4 bytes checksum, the bytes, 4 bytes
checksum (TensorFlow's "TFRecord and tf.train.Example" guide).
"""

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

_CHUNK: Final = 4 << 20
_LENGTH: Final = struct.Struct("<Q")
_HEAD, _TAIL = 12, 4


def read(directory: Path) -> Iterator[bytes]:
    """Yield every record of every file in `directory` (gzipped or plain), files in name order.

    Raises:
        EOFError: A file ends within a record.
    """
    for file in sorted(p for p in directory.iterdir() if p.is_file()):
        for batch in batches(file):
            yield from batch


def batches(file: Path, *, is_checked: bool = False) -> Iterator[list[bytes]]:
    """Yield the records of one file, some megabytes at a time.

    Args:
        file: Gzipped or plain.
        is_checked: Compare the checksums, which takes a third longer; gzip has its own.

    Raises:
        EOFError: The file ends within a record.
        ValueError: A checksum is not that of its bytes.
    """
    with _open(file) as stream:
        rest = b""
        while data := stream.read(max(_CHUNK, len(rest))):  # a record longer than many chunks
            data = rest + data
            found, rest = _cut(data)
            if is_checked:
                _check(file, data, found)
            if found:
                yield found
    if rest:
        message = f"{file} ends within a record"
        raise EOFError(message)


def count(directory: Path) -> int:
    """Count the records in `directory`; 0 if it is not there."""
    return sum(1 for _ in read(directory)) if directory.is_dir() else 0


def _cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Cut whole records out; give what is left over."""
    found: list[bytes] = []
    start = 0
    while start + _HEAD <= len(data):
        (length,) = _LENGTH.unpack_from(data, start)
        end = start + _HEAD + length
        if end + _TAIL > len(data):
            break
        found.append(data[start + _HEAD : end])
        start = end + _TAIL
    return found, data[start:]


def _check(file: Path, data: bytes, found: list[bytes]) -> None:
    """Compare checksums: CRC-32C, rotated right by 15 bits, plus a constant."""
    import google_crc32c  # comes with Google's client of Cloud Storage, which Beam brings

    start = 0
    for record in found:
        end = start + _HEAD + len(record)
        for first, last in ((start, start + _LENGTH.size), (start + _HEAD, end)):
            crc = google_crc32c.value(data[first:last])
            masked = (crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFF_FFFF
            if masked != int.from_bytes(data[last : last + 4], "little"):
                message = f"{file} has a record whose checksum is wrong"
                raise ValueError(message)
        start = end + _TAIL


def _open(file: Path) -> BinaryIO:
    with file.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(file, "rb")) if zipped else file.open("rb")
