"""TFRecord files read without TensorFlow."""

import gzip
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, strategies as st

from lockstep.components.executors import records


def framed(bodies: list[bytes]) -> bytes:
    """Frame records as TFRecord files do, less the checksums."""
    return b"".join(struct.pack("<Q", len(b)) + bytes(4) + b + bytes(4) for b in bodies)


@given(st.lists(st.lists(st.binary(), max_size=3), max_size=3), st.booleans())
def test_records_come_back(files: list[list[bytes]], zipped: bool) -> None:
    """Records come out as they went in, gzipped or plain, the files in the order of their names."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        for i, bodies in enumerate(files):
            data = framed(bodies)
            (directory / f"data-{i:05}").write_bytes(gzip.compress(data) if zipped else data)
        assert list(records.read(directory)) == [body for bodies in files for body in bodies]
        assert records.count(directory) == sum(map(len, files))


@given(st.binary(min_size=1, max_size=20), st.data())
def test_a_truncated_file_is_told(body: bytes, data: st.DataObject) -> None:
    """A file that ends within a record is an error, wherever it was cut."""
    whole = framed([b"first", body])
    cut = data.draw(st.integers(len(framed([b"first"])) + 1, len(whole) - 1))
    with TemporaryDirectory() as name:
        (Path(name) / "data").write_bytes(whole[:cut])
        with pytest.raises(EOFError, match="ends within a record"):
            records.count(Path(name))


def test_a_truncated_gzip_is_told(tmp_path: Path) -> None:
    """A gzipped file that was cut is an error too."""
    (tmp_path / "data").write_bytes(gzip.compress(framed([b"x" * 1000]))[:-9])
    with pytest.raises(EOFError):
        records.count(tmp_path)


def test_no_directory_has_no_records(tmp_path: Path) -> None:
    """A split that was not written has no examples."""
    assert records.count(tmp_path / "Split-eval") == 0
