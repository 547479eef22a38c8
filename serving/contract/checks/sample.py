"""A sample of data: rows of CSV or JSON, or tf.Examples in TFRecords."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ...errors import BadSample
from ...tensorflow import tensorflow
from ..dtypes import FLOATS, INTEGERS
from ..model import MISSING, Contract, Input

__all__ = ["Row", "read_rows"]

Row = dict[str, Any]
"""A row's values by the name of their input; what is missing is not there."""

Inputs = Mapping[str, Input]

_GZIP: Final = b"\x1f\x8b"
_BOOLS: Final = {"true": True, "1": True, "false": False, "0": False}


def read_rows(path: str | Path, contract: Contract, *, most: int | None = None) -> list[Row]:
    """The first rows of a file, or of a directory's files in the order of their names.

    `.csv` has a header; `.json` is a list of objects, or `{"instances": [...]}`; `.jsonl` has an
    object a line; anything else is TFRecords of tf.Examples, which take TensorFlow. Columns that
    are no inputs are left out. An empty cell, null, and a feature without values are missing.

    Raises:
        BadSample: there is no such file, it cannot be read, or it has no row.
        MissingTensorFlow: it is not installed here.
    """
    place = Path(path)
    try:
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        rows = (row for file in files if _is_data(file) for row in _read(file, contract.inputs))
        some = list(islice(rows, most))
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror or error}") from error
    except (csv.Error, ValueError, RecursionError) as error:
        raise _bad(path, f"cannot be read: {error}") from error
    if not some:
        raise _bad(path, "has no row")
    return some


def _is_data(file: Path) -> bool:
    return not file.is_dir() and file.name[0] not in "._"


def _read(file: Path, inputs: Inputs) -> Iterator[Row]:
    readers: dict[str, Callable[[Path, Inputs], Iterator[Row]]] = {
        ".csv": _csv,
        ".json": _json,
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
    }
    return readers.get(file.suffix, _examples)(file, inputs)


def _csv(file: Path, inputs: Inputs) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text, strict=True)
        for row in reader:
            if None in row:
                message = f"line {reader.line_num} has more cells than the header"
                raise csv.Error(message)
            yield {n: _parsed(cell, inputs[n]) for n, cell in row.items() if cell and n in inputs}


def _json(file: Path, inputs: Inputs) -> Iterator[Row]:
    tree = json.loads(file.read_bytes())
    rows = tree.get("instances") if isinstance(tree, dict) else tree
    if not isinstance(rows, list):
        message = 'neither a list of objects nor {"instances": [...]}'
        raise ValueError(message)
    for number, row in enumerate(rows, 1):
        yield _object(row, f"row {number}", inputs)


def _json_lines(file: Path, inputs: Inputs) -> Iterator[Row]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _object(json.loads(line), f"line {number}", inputs)


def _object(row: Any, where: str, inputs: Inputs) -> Row:
    if not isinstance(row, dict):
        message = f"{where} is no object: {json.dumps(row)[:40]}"
        raise ValueError(message)
    return {n: _native(v, inputs[n]) for n, v in row.items() if v is not None and n in inputs}


def _examples(file: Path, inputs: Inputs) -> Iterator[Row]:
    from google.protobuf.message import DecodeError

    tf = tensorflow(f"{file} is read as TFRecords")
    with file.open("rb") as stream:
        compression = "GZIP" if stream.read(2) == _GZIP else ""
    try:
        for record in tf.data.TFRecordDataset(str(file), compression).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            lists = {n: _values(one) for n, one in features.items() if n in inputs}
            yield {n: _feature(values, inputs[n]) for n, values in lists.items() if values}
    except (tf.errors.OpError, DecodeError) as error:
        message = f"no TFRecords of tf.Examples: {str(error).splitlines()[0]}"
        raise ValueError(message) from error


def _values(feature: Any) -> list[Any]:
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    return [v.decode(errors="replace") if isinstance(v, bytes) else v for v in values]


def _feature(values: list[Any], one: Input) -> Any:
    """A feature's values, in the input's shape; a list of another size stays one, to be told."""
    if not one.shape and len(values) == 1:
        return _native(values[0], one)
    for size in reversed([size for size in one.shape[1:] if size > 0]):
        values = [values[at : at + size] for at in range(0, len(values), size)]
    return _native(values, one)


def _parsed(text: str, one: Input) -> Any:
    """A cell as a value; text that is none stays text, to be told."""
    try:
        if one.shape:
            return _native(json.loads(text), one)
        if one.dtype == "bool":
            return _BOOLS.get(text.lower(), text)
        if one.dtype in INTEGERS and text.lstrip("+-").isdecimal():
            return int(text)  # a float would lose digits
        return text if one.dtype == "string" else _native(float(text), one)
    except ValueError:
        return text


def _native(value: Any, one: Input) -> Any:
    """A value as a contract writes it: NaN by its name, whole numbers of an integer as such."""
    if isinstance(value, list):
        return [_native(inner, one) for inner in value]
    if isinstance(value, float) and one.dtype in FLOATS and value != value:
        return MISSING
    if isinstance(value, float) and one.dtype in INTEGERS and value.is_integer():
        return int(value)
    return bool(value) if one.dtype == "bool" and value in (0, 1) else value


def _bad(path: str | Path, what: str) -> BadSample:
    return BadSample(
        given=f"{path} {what}",
        allowed="rows in .csv, .json or .jsonl, or TFRecords of tf.Examples: a file or a directory",
        todo="give a file that others can read, with a row at least",
    )
