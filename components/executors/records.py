"""TFRecord files, read without TensorFlow.

Each record is framed as: 8 bytes length (little endian), 4 bytes checksum, the bytes, 4 bytes
checksum (TensorFlow's "TFRecord and tf.train.Example" guide).
"""

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast


def read(directory: Path) -> Iterator[bytes]:
    """Yield every record of every file in `directory` (gzipped or plain), files in name order.

    Raises:
        EOFError: A file ends within a record.
    """
    for file in sorted(p for p in directory.iterdir() if p.is_file()):
        with _open(file) as stream:
            while head := stream.read(12):
                length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else 0
                body = stream.read(length + 4)
                if len(head) < 12 or len(body) < length + 4:
                    message = f"{file} ends within a record"
                    raise EOFError(message)
                yield body[:length]


def count(directory: Path) -> int:
    """Count the records in `directory`; 0 if it is not there."""
    return sum(1 for _ in read(directory)) if directory.is_dir() else 0


def _open(file: Path) -> BinaryIO:
    with file.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(file, "rb")) if zipped else file.open("rb")
