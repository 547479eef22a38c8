"""Parquet files as columns of tf.Examples, read a part of a row group at a time."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pyarrow import parquet as arrow

from ...errors import BadData
from .. import parquet
from .examples import Column, Kind, column

_ROWS: Final = 10_000


class Group(NamedTuple):
    """One row group of a file, and its size in bytes."""

    file: str
    number: int
    size: int


def groups(file: str) -> list[Group]:
    """List a file's row groups.

    Raises:
        BadData: It is no Parquet file.
    """
    try:
        metadata = arrow.ParquetFile(file).metadata
    except pa.ArrowInvalid as error:
        raise BadData(
            given=f"{file}: {error}",
            allowed="Parquet files",
            todo="look at what wrote the file, or mend the pattern in input_config",
        ) from error
    return [
        Group(file, i, metadata.row_group(i).total_byte_size)
        for i in range(metadata.num_row_groups)
    ]


def read(group: Group) -> Iterator[list[Column]]:
    """Yield the columns of some thousand rows after the other."""
    file = arrow.ParquetFile(group.file)
    batches = file.iter_batches(_ROWS, row_groups=[group.number], use_threads=False)
    for batch in batches:
        named = zip(batch.schema.names, batch.columns, strict=True)
        yield [_column(group.file, name, values) for name, values in named]


def _column(file: str, name: str, cells: Any) -> Column:
    """Encode a column; whatever is no plain number or text is left to the Beam executor's rule."""
    kind = _kind(cells.type)
    if kind is None:
        try:
            features = [_feature(value) for value in cells.to_pylist()]
        except (RuntimeError, TypeError, ValueError) as error:
            raise BadData(
                given=f"{file}: column {name!r} has the type {cells.type}: {error}",
                allowed="whole numbers of 64 bits, numbers, truth values, texts, and lists of them",
                todo="convert the column, or leave it out, where the file is written",
            ) from error
        return Column(name, features, pa.array(range(len(features)), pa.int32()))
    encoded = cells.dictionary_encode()
    values: Any = encoded.dictionary
    if kind is Kind.BYTES:
        values = values.cast(pa.large_binary())
    return column(name, kind, values.to_pylist(), encoded.indices, missing=Kind.NOTHING)


def _kind(of: Any) -> Kind | None:
    if pa.types.is_integer(of) and of != pa.uint64():
        return Kind.INT
    if of in (pa.float32(), pa.float64()):
        return Kind.FLOAT
    return Kind.BYTES if of in (pa.string(), pa.large_string()) else None


def _feature(value: Any) -> bytes:
    feature: bytes = parquet.to_example({"": value}).features.feature[""].SerializeToString()
    return feature
