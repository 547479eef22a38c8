"""Files to splits of tf.Examples, a block at a time."""

import gzip
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from google.protobuf.message import DecodeError

from ...errors import BadData
from .. import records
from . import cells, examples, messages, pool, rows, splits as s
from .examples import Column, Kind

_BLOCK: Final = 4 << 20
_PART: Final = 16 << 20
"""Bytes of input that make one file of a split."""
_PAGES: Final = 16
"""Pages of a query's result that make one."""

T = TypeVar("T")
_Kinds = Mapping[str, Kind]


@dataclass(frozen=True)
class Source:
    """One input split: its files, and the output splits that its examples go to."""

    files: Sequence[str]
    """Or its query."""
    splits: s.Splits


class _Block(NamedTuple):
    """Whole records of a CSV file."""

    file: str
    start: int
    end: int


def from_csv(source: Source, root: Path, *, block: int = _BLOCK, part: int = _PART) -> Counter[str]:
    """Ingest CSV files, so many bytes at a time; count the examples of each split.

    The first block says what kinds the columns have. If a later one says otherwise, the rest is
    only looked at, and everything is read once more with the kinds that hold it all.
    """
    names = _header(source.files)
    blocks = [_Block(f, *ends) for f in source.files for ends in cells.blocks(f, block)]
    parts = pool.grouped(blocks, lambda found: found.end - found.start, part) or [[]]
    kinds: _Kinds = dict.fromkeys(names, Kind.NOTHING)
    for first in blocks[:1]:
        kinds, _ = _read_csv(names, kinds, first)
    while True:
        write = partial(_write_csv, names, kinds, source.splits, root)
        results = list(pool.in_order(write, list(enumerate(parts))))
        found = _highest(kinds, *(k for k, _ in results))
        if found == kinds:
            break
        kinds = found
    if not _are_dealt(source.splits, kinds):
        raise s.no_partition(str(source.splits.feature))
    return sum((counts for _, counts in results), Counter())


def from_tfrecords(payload_format: int, source: Source, root: Path) -> Counter[str]:
    """Ingest TFRecord files; messages are written in their deterministic serialization."""
    parts = pool.grouped(source.files, os.path.getsize, _PART)
    read = partial(_read_tfrecords, payload_format, source.splits.feature)
    return _written(read, parts, source.splits, root)


def from_parquet(source: Source, root: Path) -> Counter[str]:
    """Ingest Parquet files, a part of a row group at a time."""
    groups = [group for file in source.files for group in rows.groups(file)]
    parts = pool.grouped(groups, lambda group: group.size, _PART)
    read = partial(_read_parquet, source.splits.feature)
    return _written(read, parts, source.splits, root)


def from_query(
    read: Callable[[str], Iterator[list[Column]]], source: Source, root: Path
) -> Counter[str]:
    """Ingest what a query returns, page by page; a file of each split for so many pages."""
    batches = (
        _batch({column.name: column for column in page}, source.splits.feature)
        for query in source.files
        for page in read(query)
    )
    counts: Counter[str] = Counter()
    for part, first in enumerate(batches):
        some = chain([first], islice(batches, _PAGES - 1))
        counts += s.write(some, source.splits, root, part)
    return counts


def _written(
    read: Callable[[T], Iterator[s.Batch]], parts: list[list[T]], splits: s.Splits, root: Path
) -> Counter[str]:
    write = partial(_write, read, splits, root)
    return sum(pool.in_order(write, list(enumerate(parts or [[]]))), Counter())


def _write(
    read: Callable[[T], Iterator[s.Batch]],
    splits: s.Splits,
    root: Path,
    task: tuple[int, list[T]],
) -> Counter[str]:
    part, items = task
    return s.write((batch for item in items for batch in read(item)), splits, root, part)


def _read_tfrecords(payload_format: int, feature: str | None, file: str) -> Iterator[s.Batch]:
    try:
        for batch in records.batches(Path(file), is_checked=True):
            yield messages.batch(payload_format, feature, batch)
    except (DecodeError, EOFError, ValueError, gzip.BadGzipFile, zlib.error) as error:
        raise BadData(
            given=f"{file} has a record that cannot be read: {error}",
            allowed="TFRecord files, their records tf.Examples if payload_format is 6, "
            "tf.SequenceExamples if it is 7, anything if it is 11",
            todo="set payload_format, or look at what wrote the file",
        ) from error


def _read_parquet(feature: str | None, group: rows.Group) -> Iterator[s.Batch]:
    for columns in rows.read(group):
        yield _batch({column.name: column for column in columns}, feature)


def _write_csv(
    names: Sequence[str],
    kinds: _Kinds,
    splits: s.Splits,
    root: Path,
    task: tuple[int, list[_Block]],
) -> tuple[_Kinds, Counter[str]]:
    """Write one part of every split; from the first block that `kinds` do not hold on, only look.

    Gives the kinds that hold the whole part, and the number of examples in each split.
    """
    part, blocks = task
    found, are_dealt = kinds, _are_dealt(splits, kinds)

    def batches() -> Iterator[s.Batch]:
        nonlocal found
        for block in blocks:
            fitting, columns = _read_csv(names, kinds, block)
            found = _highest(found, fitting)
            if found == kinds and are_dealt:
                yield _batch(columns, splits.feature)

    counts = s.write(batches(), splits, root, part)
    return found, counts


def _are_dealt(splits: s.Splits, kinds: _Kinds) -> bool:
    """Whether columns of these kinds have what decides on the split."""
    return splits.feature is None or kinds.get(splits.feature) in (Kind.INT, Kind.BYTES)


def _read_csv(
    names: Sequence[str], kinds: _Kinds, block: _Block
) -> tuple[_Kinds, Mapping[str, Column]]:
    """Read a block's columns; of two columns with one name, TFX takes the second's cells."""
    with open(block.file, "rb") as stream:
        stream.seek(block.start)
        data = stream.read(block.end - block.start)
    fitting, columns = cells.columns(data, names, [kinds[name] for name in names])
    pairs = [{name: kind} for name, kind in zip(names, fitting, strict=True)]
    return _highest(kinds, *pairs), {column.name: column for column in columns}


def _highest(kinds: _Kinds, *others: _Kinds) -> _Kinds:
    return {n: max([kind, *(o[n] for o in others if n in o)]) for n, kind in kinds.items()}


def _batch(columns: Mapping[str, Column], feature: str | None) -> s.Batch:
    """Serialize the rows of a block."""
    encoded = examples.encode(columns.values())
    if feature is None:
        return s.Batch(encoded, encoded)
    if feature not in columns:
        raise s.no_partition(feature)
    return s.Batch(encoded, examples.rows_of(columns[feature]))


def _header(files: Sequence[str]) -> list[str]:
    """Read the header that all files share.

    Raises:
        BadData: A file has another one.
    """
    names = cells.header(files[0])
    for file in files[1:]:
        if (other := cells.header(file)) != names:
            raise BadData(
                given=f"{file} has the header {','.join(other)!r}",
                allowed=f"the header of {files[0]}, in the same split: {','.join(names)!r}",
                todo="give files with different columns to different ingest steps",
            )
    return names
