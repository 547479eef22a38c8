"""CSV as TFX's CsvExampleGen reads it: records, cells, and the kind that a column's cells share.

A record ends at the first line feed after an even number of quotes. Blank records are skipped, and
an empty cell is missing, quoted or not. Kinds are those of `tfx_bsl.coders.csv_decoder`: what
Python's `int` takes and 64 bits hold, else what its `float` takes, else bytes.
"""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
from pyarrow import csv as arrow

from ...errors import BadData
from .examples import Column, Kind, column

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_UNIT: Final = "\x1f"  # ASCII's own separator of units


def header(file: str) -> list[str]:
    """Read the names of the columns: the first line, cut at every comma."""
    with open(file, "rb") as stream:
        line = stream.readline()
    try:
        return line.decode().replace("\r", "").strip().split(",")
    except UnicodeDecodeError as error:
        raise _bad(file, 1, str(error), "a header in UTF-8") from error


def blocks(file: str, size: int) -> Iterator[tuple[int, int]]:
    """Cut what follows the header into blocks of whole records: first byte, byte after the last."""
    with open(file, "rb") as stream:
        stream.readline()
        start = end = stream.tell()
        quotes = 0
        while data := stream.read(size):
            quotes += data.count(b'"')
            after, cut = quotes, len(data)
            while (line := data.rfind(b"\n", 0, cut)) >= 0:
                after -= data.count(b'"', line, cut)
                cut = line
                if after % 2 == 0:
                    yield start, end + line + 1
                    start = end + line + 1
                    break
            end += len(data)
        if start < end:
            yield start, end


def columns(
    data: bytes, names: Sequence[str], least: Sequence[Kind]
) -> tuple[list[Kind], list[Column]]:
    """Read a block's columns, each of the lowest kind from `least` on that holds its cells.

    Raises:
        ValueError: A record is no CSV, or has too many or too few cells.
    """
    kinds: list[Kind] = []
    found: list[Column] = []
    for name, lowest, cells in zip(names, least, _cells(data, len(names)), strict=True):
        encoded = cells.dictionary_encode()
        kind, values = _typed(encoded.dictionary.to_pylist(), lowest)
        kinds.append(kind)
        found.append(column(name, kind, values, encoded.indices, kind))
    return kinds, found


def check(file: str) -> None:
    """Read a file record by record, to say what is wrong with it.

    Raises:
        BadData: A record is no CSV, or has too many or too few cells.
    """
    names, line = header(file), 2
    with open(file, "rb") as stream:
        stream.readline()
        for record in _records(stream):
            try:
                cells = _parse([record.decode()])[0]
            except (ValueError, csv.Error) as error:
                raise _bad(file, line, str(error), "records of UTF-8 in CSV") from error
            if cells and len(cells) != len(names):
                given = f"{len(cells)} cells, but the header has {len(names)}"
                raise _bad(file, line, given, f"rows with the header's cells: {', '.join(names)}")
            line += record.count(b"\n")


def _bad(file: str, line: int, given: str, allowed: str) -> BadData:
    return BadData(
        given=f"{file}, line {line}: {given}",
        allowed=allowed,
        todo="mend the row; a cell with a comma, a quote or a line break in it needs quotes, "
        "and quotes within quotes are doubled",
    )


def _records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines until the number of quotes is even."""
    record = b""
    for line in lines:
        record += line
        if record.count(b'"') % 2 == 0:
            yield record
            record = b""
    if record:
        yield record


def _parse(records: list[str]) -> list[list[str]]:
    """Parse one record after the other.

    Raises:
        ValueError: A quote is open where a record ends.
    """
    csv.field_size_limit(sys.maxsize)
    *rows, end = csv.reader([*records, ""])
    if end or len(rows) != len(records) or "".join(records[-1:]).count('"') % 2:
        message = "a quote is opened, but not closed"
        raise ValueError(message)
    return rows


def _cells(data: bytes, width: int) -> list[Any]:
    """Parse a block into an array of bytes per column; empty cells are null."""
    is_plain = (
        b'"' not in data
        and data.count(b"\r") == data.count(b"\r\n")
        and not data.startswith(_BYTE_ORDER_MARK)
    )
    if is_plain:
        data.decode()
        return _split(data, width, ",")
    try:
        rows = [row for row in _parse([r.decode() for r in _records(io.BytesIO(data))]) if row]
    except csv.Error as error:
        raise ValueError(error) from error
    if any(len(row) != width for row in rows):
        message = "a record has too many or too few cells"
        raise ValueError(message)
    text = "".join(f"{_UNIT.join(row)}\n" for row in rows)
    is_plain = (
        text.count(_UNIT) == len(rows) * (width - 1)
        and text.count("\n") == len(rows)
        and "\r" not in text
        and not text.startswith("\ufeff")
    )
    if is_plain:
        return _split(text.encode(), width, _UNIT)
    return [
        pa.array([cell.encode() or None for cell in cells], pa.binary())
        for cells in zip(*rows, strict=True)
    ]


def _split(data: bytes, width: int, separator: str) -> list[Any]:
    """Parse lines without quotes with Arrow's reader, which is ten times as fast as Python's."""
    names = [str(i) for i in range(width)]
    if not data:
        return [pa.array([], pa.binary())] * width
    table = arrow.read_csv(
        pa.BufferReader(data),
        arrow.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
        arrow.ParseOptions(
            delimiter=separator, quote_char=False, ignore_empty_lines=separator == ","
        ),
        arrow.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    return [column.combine_chunks() for column in table.columns]


def _typed(cells: list[bytes], least: Kind) -> tuple[Kind, Sequence[Any]]:
    """Find the lowest kind from `least` on that holds all cells, and what they are as such."""
    if not cells or least is Kind.BYTES:
        return least, cells
    if least <= Kind.INT:
        try:
            numbers = [int(cell) for cell in cells]
        except ValueError:
            pass
        else:
            if min(numbers) >= -(2**63) and max(numbers) < 2**63:
                return Kind.INT, numbers
            return Kind.BYTES, cells
    try:
        floats = [float(cell) for cell in cells]
    except ValueError:
        return Kind.BYTES, cells
    if any(abs(f) >= 2**63 and _is_huge(cell) for f, cell in zip(floats, cells, strict=True)):
        return Kind.BYTES, cells
    return Kind.FLOAT, floats


def _is_huge(cell: bytes) -> bool:
    """Whether it is an integer that 64 bits do not hold."""
    try:
        return not -(2**63) <= int(cell) < 2**63
    except ValueError:
        return False
