"""Files to splits of tf.Examples, a block at a time."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ...errors import BadData
from . import cells, examples, pool, splits as s
from .examples import Column, Kind

_BLOCK: Final = 4 << 20
_PART: Final = 32 << 20
"""Bytes of input that make one file of a split."""

_Kinds = Mapping[str, Kind]


@dataclass(frozen=True)
class Source:
    """One input split: its files, and the output splits that its examples go to."""

    files: Sequence[str]
    splits: s.Splits


class _Block(NamedTuple):
    """Whole records of a CSV file."""

    file: str
    start: int
    end: int


def from_csv(source: Source, root: Path) -> Counter[str]:
    """Ingest CSV files; count the examples of each split.

    The first block says what kinds the columns have. If a later one says otherwise, the rest is
    only looked at, and everything is read once more with the kinds that hold it all.
    """
    names = _header(source.files)
    feature = source.splits.feature
    if feature is not None and feature not in names:
        raise s.no_partition(feature)
    blocks = [_Block(f, *ends) for f in source.files for ends in cells.blocks(f, _BLOCK)]
    parts = pool.grouped(blocks, lambda block: block.end - block.start, _PART) or [[]]
    kinds: _Kinds = dict.fromkeys(names, Kind.NOTHING)
    for block in blocks[:1]:
        kinds, _ = _read_csv(names, kinds, block)
    while True:
        write = partial(_write_csv, names, kinds, source.splits, root)
        results = list(pool.in_order(write, list(enumerate(parts))))
        found = _highest(kinds, *(k for k, _ in results))
        if found == kinds:
            break
        kinds = found
    if feature is not None and kinds[feature] not in (Kind.INT, Kind.BYTES):
        raise s.no_partition(feature)
    return sum((counts for _, counts in results), Counter())


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
    found = kinds

    def batches() -> Iterator[s.Batch]:
        nonlocal found
        for block in blocks:
            fitting, columns = _read_csv(names, kinds, block)
            found = _highest(found, fitting)
            if found == kinds:
                yield _batch(columns, splits.feature)

    counts = s.write(batches(), splits, root, part)
    return found, counts


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
    records = examples.encode(columns.values())
    return s.Batch(records, records if feature is None else examples.rows_of(columns[feature]))


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
