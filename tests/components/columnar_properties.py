"""Hold columnar executors against TFX's own code: `python columnar_properties.py PROPERTY COUNT`.

In a process of its own: the tests themselves never import TensorFlow. TFX's functions are called
row by row, without a Beam pipeline, so that thousands of files take seconds.
"""

import csv
import io
import signal
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa
import tensorflow as tf
from hypothesis import HealthCheck, given, settings, strategies as st
from pyarrow import parquet as arrow
from tfx.components.example_gen import base_example_gen_executor
from tfx.components.example_gen.csv_example_gen import executor
from tfx.proto import example_gen_pb2
from tfx.utils import io_utils
from tfx_bsl.coders import csv_decoder
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from lockstep.components.errors import BadData, StepError
from lockstep.components.executors import parquet, records
from lockstep.components.executors.columnar import cells, decoding, ingest
from lockstep.components.executors.columnar.splits import Splits, directory, name_parts

TFX: Any = executor
PARTITION: Any = base_example_gen_executor
Rows = dict[str, list[bytes]]

BUCKETS: Final = {"train": 2, "eval": 1}
CALM: Final = settings(
    max_examples=int(sys.argv[2]),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
NUMBERS: Final = (
    *("0", "7", "-3", "007", "+1", "1_000", " 5", "5 ", "0x10", "1e5", "1.", ".5", "-0.0", "1_0.5"),
    *(
        "nan",
        "-nan",
        "NaN",
        "inf",
        "-Infinity",
        "infinity",
        "1e39",
        "-1e39",
        "1e400",
        "3.4028236e38",
    ),
    *(str(2**63 - 1), str(-(2**63)), str(2**63), str(-(2**63) - 1), "9" * 30, "9" * 5000, "9e18"),
    *(
        "9223372036854775807.0",
        "\u0663",
        "1\u00a0",
        "\u2003",
        "0b1",
        "1__0",
        "_1",
        "--1",
        "1e",
        "e5",
    ),
)
CELLS: Final = st.one_of(
    st.just(""),
    st.sampled_from(NUMBERS),
    st.integers(-(2**65), 2**65).map(str),
    st.floats(width=32).map(repr),
    st.floats().map(repr),
    st.text(max_size=5),
    st.sampled_from(("a,b", 'say "hi"', '"', "two\nlines", "\r", "\r\n", " x ", "\ufeff", "\x1f")),
)
NAMES: Final = st.lists(
    st.sampled_from(("a", "ab", "abc", "b", " c", "é", "", '"q"', "\ufeffa", "z" * 130)),
    min_size=1,
    max_size=5,
)
RAW: Final = st.text(alphabet='a1.,,"\n\n\r -_e\ufeffé\x00\x1f', max_size=60)


@st.composite
def written(draw: st.DrawFn) -> list[bytes]:
    """Write one or two files with the same header, as some export might."""
    names = draw(NAMES)
    files: list[bytes] = []
    for _ in range(draw(st.integers(1, 2))):
        text = io.StringIO()
        ending = draw(st.sampled_from(("\n", "\r\n")))
        quoted: Any = csv.QUOTE_ALL if draw(st.booleans()) else csv.QUOTE_MINIMAL
        writer = csv.writer(text, lineterminator=ending, quoting=quoted)
        text.write(",".join(names) + ending)
        columns = [draw(st.one_of(CELLS.map(st.just), st.just(CELLS))) for _ in names]
        for _ in range(draw(st.integers(0, 8))):
            writer.writerow([draw(column) for column in columns])
            text.write(draw(st.sampled_from(("", "", "", ending, "\n"))))
        files.append(text.getvalue().encode())
    return files


@CALM
@given(written(), st.sampled_from((1, 30, 100, 10_000)), st.sampled_from((None, "a", "b", "none")))
def csv_files(files: list[bytes], block: int, partition: str | None) -> None:
    """What a CSV writer writes becomes what TFX makes of it, whatever the size of the blocks."""
    compare(files, block, partition)


@CALM
@given(
    st.sampled_from(("a", "a,b", "a,a", "a,b,c")),
    RAW,
    st.sampled_from((1, 10, 10_000)),
    st.sampled_from((b"", b"\xff", b'"', b"\xef\xbb\xbf")),
)
def garbage(header: str, text: str, block: int, more: bytes) -> None:
    """Any text at all: what TFX reads is read alike, and what TFX refuses is refused by name."""
    compare([f"{header}\n{text}".encode() + more], block, None)


@CALM
@given(st.data())
def parquet_files(data: st.DataObject) -> None:
    """Parquet columns of every type become what the Beam executor makes of their rows."""
    kinds = {
        pa.int64(): st.integers(-(2**63), 2**63 - 1),
        pa.uint8(): st.integers(0, 255),
        pa.uint64(): st.integers(0, 2**63 - 1),
        pa.float32(): st.floats(width=32),
        pa.float64(): st.floats(),
        pa.bool_(): st.booleans(),
        pa.string(): st.text(max_size=4),
        pa.binary(): st.text(max_size=4).map(str.encode),
        pa.list_(pa.int64()): st.lists(st.integers(-9, 9), max_size=3),
        pa.list_(pa.string()): st.lists(st.text(max_size=3), max_size=3),
        pa.null(): st.none(),
    }
    chosen = data.draw(st.lists(st.sampled_from(list(kinds)), min_size=1, max_size=4))
    count = data.draw(st.integers(1, 6))
    table = pa.table(
        {
            f"f{i}": pa.array([data.draw(st.none() | kinds[kind]) for _ in range(count)], kind)
            for i, kind in enumerate(chosen)
        }
    )
    with TemporaryDirectory() as name:
        root = Path(name)
        arrow.write_table(table, root / "x.parquet", row_group_size=data.draw(st.integers(1, 4)))
        read = arrow.read_table(root / "x.parquet").to_pylist()
        expected = deal(map(parquet.to_example, read), None)
        source = ingest.Source([str(root / "x.parquet")], splits(None))
        ingest.from_parquet(source, root)
        assert examples(root) == expected


FEATURES: Final = {
    "int64_list": st.integers(-(2**63), 2**63 - 1),
    "float_list": st.floats(width=32),
    "bytes_list": st.binary(max_size=200),
}


@st.composite
def rows_alike(draw: st.DrawFn) -> list[Any]:
    """Draw tf.Examples; most have the same features, with one value each."""
    kinds = draw(st.dictionaries(st.text(max_size=20), st.sampled_from(list(FEATURES)), max_size=4))
    size = st.sampled_from((0, 1, 1, 1, 1, 1, 1, draw(st.integers(0, 3))))
    found: list[Any] = []
    for _ in range(draw(st.integers(1, 4))):
        example: Any = tf.train.Example()
        for name, kind in kinds.items():
            feature, count = example.features.feature[name], draw(size)
            if count or draw(st.booleans()):
                getattr(feature, kind).value.extend(draw(FEATURES[kind]) for _ in range(count))
                getattr(feature, kind).SetInParent()
        found.append(example)
    return found


@CALM
@given(rows_alike(), st.data())
def decoded(examples: list[Any], data: st.DataObject) -> None:
    """Rows become the columns that tfx_bsl makes of them, and broken ones are refused alike."""
    rows: list[bytes] = [e.SerializeToString(deterministic=True) for e in examples]
    if data.draw(st.booleans()):
        last = bytearray(rows[-1])
        for at in data.draw(st.lists(st.integers(0, max(0, len(last) - 1)), max_size=3)):
            last[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
        rows[-1] = bytes(last)[: data.draw(st.integers(0, len(last)) | st.just(len(last)))]
    try:
        expected = ExamplesToRecordBatchDecoder().DecodeBatch(rows)
    except RuntimeError:
        try:
            decoding.decode(rows)
        except RuntimeError:
            return
        raise
    found = decoding.decode(rows)
    found.validate(full=True)
    assert columns(found) == columns(expected)


def columns(batch: Any) -> list[tuple[str, str, str]]:
    """Give name, type and values of every column, sorted: two may have the same name."""
    pairs = zip(batch.schema.names, batch.columns, strict=True)
    return sorted((name, str(array.type), repr(array.to_pylist())) for name, array in pairs)


def parts() -> None:
    """Several processes, each with parts of the file, give the same examples in the same order.

    The last row says that a column of whole numbers is one of numbers.
    """
    lines = [f"{i},{i % 7},text {i % 11}" for i in range(400)]
    with TemporaryDirectory() as name:
        root = Path(name)
        (root / "x.csv").write_text("\n".join(["a,b,c", *lines, "0.5,1,last"]))
        paths = [str(root / "x.csv")]
        expected = deal(by_tfx(paths), None)
        ingest.from_csv(ingest.Source(paths, splits(None)), root, block=500, part=1500)
        assert examples(root) == expected
        count = len(list(directory(root, "train").iterdir()))
        assert count > 2
        names = {f"data_tfrecord-{i:05}-of-{count:05}.gz" for i in range(count)}
        assert {file.name for file in directory(root, "train").iterdir()} == names


def compare(files: Sequence[bytes], block: int, partition: str | None) -> None:
    """Ingest files with TFX's functions and with ours; where TFX fails, ours must say why."""
    with TemporaryDirectory() as name:
        root = Path(name)
        paths = [str(root / f"{i}.csv") for i in range(len(files))]
        for path, content in zip(paths, files, strict=True):
            Path(path).write_bytes(content)
        try:
            with patience():
                expected = deal(by_tfx(paths), partition)
        except Exception as error:
            refused(paths, root, block, partition, error)
            return
        if not any(expected.values()):
            return  # whatever the executor makes of it, the step refuses it
        counts = ingest.from_csv(ingest.Source(paths, splits(partition)), root, block=block)
        found = examples(root)
        assert found == expected, (found, expected)
        assert counts == Counter({split: len(rows) for split, rows in expected.items()})


def refused(paths: list[str], root: Path, block: int, partition: str | None, why: Any) -> None:
    """Ingest what TFX has refused: an error with a name, or one that a check of the rows names."""
    try:
        ingest.from_csv(ingest.Source(paths, splits(partition)), root, block=block)
    except StepError:
        return
    except Exception:
        try:
            for path in paths:
                cells.check(path)
        except BadData:
            return
        raise
    raise AssertionError(f"TFX refuses it: {why!r}")


def by_tfx(paths: Sequence[str]) -> Iterator[Any]:
    """Yield the tf.Examples of CsvExampleGen."""
    names = io_utils.load_csv_column_names(paths[0])
    assert all(io_utils.load_csv_column_names(path) == names for path in paths), "headers"
    parser = csv_decoder.ParseCSVLine(delimiter=",")
    parser.setup()
    inferrer = csv_decoder.ColumnTypeInferrer(names, skip_blank_lines=True)
    rows: list[Any] = []
    types = inferrer.create_accumulator()
    for path in paths:
        for line in TFX._ReadCsvRecordsFromTextFile().process(path):
            rows += [row for row, _ in parser.process(line)]
    for row in rows:
        types = inferrer.add_input(types, row)
    to_example = TFX._ParsedCsvToTfExample()
    for row in rows:
        yield from to_example.process(row, inferrer.extract_output(types))


def deal(found: Iterator[Any], partition: str | None) -> Rows:
    """Deal examples out as TFX does; give their deterministic serializations."""
    config: Any = example_gen_pb2
    split_config = config.SplitConfig(partition_feature_name=partition)
    names, bounds = list(BUCKETS), splits(None).bounds
    dealt: Rows = {name: [] for name in names}
    for example in found:
        index = PARTITION._PartitionFn(example, len(names), list(bounds), split_config)
        dealt[names[index]].append(example.SerializeToString(deterministic=True))
    return dealt


def splits(partition: str | None) -> Splits:
    """Say the same in our words."""
    return Splits(tuple(BUCKETS), (2, 3), partition)


def examples(root: Path) -> Rows:
    """Read what was written."""
    name_parts(root, BUCKETS)
    return {name: list(records.read(directory(root, name))) for name in BUCKETS}


@contextmanager
def patience(seconds: float = 1) -> Generator[None]:
    """Interrupt TFX: with some quotes its reader never comes to an end."""

    def interrupt(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    {
        "csv_files": csv_files,
        "garbage": garbage,
        "parquet_files": parquet_files,
        "decoded": decoded,
        "parts": parts,
    }[sys.argv[1]]()
