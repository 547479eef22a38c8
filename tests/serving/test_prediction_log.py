"""The log of predictions: complete, out of the way, and whole after a crash."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, strategies as st

from lockstep.serving.errors import BadTarget, UnreachableStore
from lockstep.serving.prediction_log import PredictionLog, features_digest

np: Any = numpy  # its stubs do not say that np.float32([1]) is an array
INPUTS = {"x": np.float32([[1, 2], [3, np.nan]]), "s": np.array([b"a", b"\xff"], object)}
OUTPUTS = {"y": np.float32([0.5, 0.25])}


def records(place: Path) -> list[dict[str, Any]]:
    """Every line of every file, in the order of the files' names."""
    lines = (
        line for file in sorted(place.rglob("*.jsonl")) for line in file.read_text().splitlines()
    )
    return [json.loads(line) for line in lines]


def add(log: PredictionLog, name: str = "a") -> None:
    """Log a request of two instances."""
    log.add("taxi", 3, "challenger", [f"{name}.0", f"{name}.1"], INPUTS, OUTPUTS)


def test_each_instance_has_a_line(tmp_path: Path) -> None:
    """A line says which prediction it was, who answered, when, and of which features."""
    with PredictionLog(str(tmp_path)) as log:
        add(log)
    first, second = records(tmp_path)
    assert (first["prediction_id"], second["prediction_id"]) == ("a.0", "a.1")
    assert (first["model"], first["version"], first["arm"]) == ("taxi", 3, "challenger")
    age = datetime.now(timezone.utc) - datetime.fromisoformat(first["time"])
    assert 0 <= age.total_seconds() < 60
    assert first["features_digest"] == features_digest(INPUTS, 0) != second["features_digest"]
    assert "inputs" not in first


def test_values_are_written_when_they_are_asked_for(tmp_path: Path) -> None:
    """Inputs and outputs stand in the line, a missing number as null, whatever bytes there were."""
    with PredictionLog(str(tmp_path), values=True) as log:
        add(log)
    _, second = records(tmp_path)
    assert second["inputs"] == {"x": [3.0, None], "s": "\\xff"}
    assert second["outputs"] == {"y": 0.25}


def test_parquet_has_the_same_columns(tmp_path: Path) -> None:
    """Every write is a whole Parquet file; times are times."""
    with PredictionLog(str(tmp_path), format="parquet", values=True) as log:
        add(log)
        log.flush()
        add(log, "b")
    files = sorted(tmp_path.rglob("*.parquet"))
    rows = [row for file in files for row in parquet.ParquetFile(file).read().to_pylist()]
    assert [row["prediction_id"] for row in rows] == ["a.0", "a.1", "b.0", "b.1"]
    assert len(files) == 2
    assert rows[0]["time"].tzinfo is not None
    assert rows[0]["version"] == 3
    assert json.loads(rows[0]["outputs"]) == {"y": 0.5}


def test_any_filesystem_will_do() -> None:
    """Where nothing can be appended to, every write makes a file."""
    import fsspec

    files = fsspec.filesystem("memory")
    with PredictionLog("memory://log-of-a-test") as log:
        add(log)
        log.flush()
        add(log)
    assert len(files.glob("/log-of-a-test/date=*/*.jsonl")) == 2


def test_the_callers_arrays_may_change_afterwards(tmp_path: Path) -> None:
    """What is logged is what was sent, even if its array is used again at once."""
    array = np.float32([1.0])
    with PredictionLog(str(tmp_path), values=True) as log:
        log.add("m", None, "", ["a"], {"x": array}, {})
        array[0] = 2
    assert records(tmp_path)[0]["inputs"] == {"x": 1.0}


def test_it_is_written_within_the_interval(tmp_path: Path) -> None:
    """Nobody has to flush: the thread does, and goes on."""
    log = PredictionLog(str(tmp_path), interval=0.05)
    for name in ("a", "b"):
        add(log, name)
        deadline = time.monotonic() + 10
        while f"{name}.1" not in [r["prediction_id"] for r in records(tmp_path)]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    log.close()
    assert len(list(tmp_path.rglob("*.jsonl"))) == 1


def test_files_are_rotated(tmp_path: Path) -> None:
    """A file that has become large is closed, and the next one begun; nothing is lost between."""
    with PredictionLog(str(tmp_path), file_bytes=500) as log:
        for number in range(6):
            add(log, str(number))
            log.flush()
    assert len(list(tmp_path.rglob("*.jsonl"))) > 1
    assert [r["prediction_id"] for r in records(tmp_path)] == [
        f"{n // 2}.{n % 2}" for n in range(12)
    ]


def test_what_does_not_fit_is_dropped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full queue never blocks: predictions are dropped, counted, and the number is told."""
    log = PredictionLog(str(tmp_path), interval=3600, capacity=2000)
    add(log, "fits")
    log.add("taxi", 3, "challenger", ["0", "1", "2"], {"x": np.zeros((3, 1000))}, OUTPUTS)
    with caplog.at_level(logging.WARNING):
        log.close()
    assert (log.dropped, [r["prediction_id"] for r in records(tmp_path)]) == (
        3,
        ["fits.0", "fits.1"],
    )
    assert "3 predictions were not logged" in caplog.text
    add(log)
    assert (log.dropped, len(records(tmp_path))) == (5, 2)


def test_a_place_that_fails_ends_no_program(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """If nothing can be written, that is told and counted; predictions go on."""
    (tmp_path / "log").write_text("a file where the directory should be")
    log = PredictionLog(str(tmp_path / "log"))
    with caplog.at_level(logging.WARNING):
        add(log)
        log.flush()
        log.close()
    assert log.dropped == 2
    assert "predictions cannot be written" in caplog.text


@pytest.mark.parametrize(
    ("place", "options", "error"),
    [("nowhere://x", {}, UnreachableStore), ("x", {"format": "csv"}, BadTarget)],
)
def test_a_wrong_place_or_format_is_refused_at_once(
    place: str, options: Any, error: type[Exception]
) -> None:
    """A log that could never be written is an error where it is opened."""
    with pytest.raises(error):
        PredictionLog(place, **options)


PROGRAM = """
import os, sys, signal, time
import numpy as np
from lockstep.serving.prediction_log import PredictionLog
log = PredictionLog(sys.argv[1], interval=0.2)
def add(name): log.add("m", 1, "", [name], {"x": np.float32([1])}, {})
"""


def program(place: Path, code: str) -> int:
    """Run a program with a log, and return how it ended."""
    return subprocess.run([sys.executable, "-c", PROGRAM + code, place], timeout=60).returncode


def test_the_end_of_a_program_loses_nothing(tmp_path: Path) -> None:
    """Who does not close the log has all of it written at the program's exit."""
    assert program(tmp_path, "for n in range(1000): add(str(n))\n") == 0
    assert len(records(tmp_path)) == 1000


def test_a_crash_loses_the_last_interval_at_most(tmp_path: Path) -> None:
    """What was there before the last interval is whole after SIGKILL."""
    code = (
        "for n in range(100): add(str(n))\n"
        "time.sleep(1)\n"
        "add('late')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert program(tmp_path, code) == -signal.SIGKILL
    assert [r["prediction_id"] for r in records(tmp_path)][:100] == [str(n) for n in range(100)]


def test_a_fork_writes_files_of_its_own(tmp_path: Path) -> None:
    """Parent and child log at once; each line is there once, and no file has two writers."""
    code = (
        "add('before')\n"
        "pid = os.fork()\n"
        'for n in range(50): add(f\'{"parent" if pid else "child"}-{n}\')\n'
        "if pid: os.waitpid(pid, 0)\n"
    )
    assert program(tmp_path, code) == 0
    names = [r["prediction_id"] for r in records(tmp_path)]
    assert len(names) == len(set(names)) == 101
    assert len(list(tmp_path.rglob("*.jsonl"))) == 2


@given(st.lists(st.floats(width=32), min_size=1, max_size=5), st.binary(max_size=8))
def test_equal_features_have_equal_digests(numbers: list[float], text: bytes) -> None:
    """The digest is of name, type and bytes, whichever the batch was and the order of the names."""
    x, s = np.float32([numbers]), np.array([text], object)
    other = np.float32([numbers, numbers])
    alone = features_digest({"x": x, "s": s}, 0)
    batch = {"s": np.array([b"?", text], object), "x": other}
    assert alone == features_digest(batch, 1)
    assert alone != features_digest({"x": x.astype(np.float64), "s": s}, 0)
    assert alone != features_digest({"x": x, "s": np.array([text + b"!"], object)}, 0)


def test_the_cost_of_a_call_is_told(tmp_path: Path, record_property: Any) -> None:
    """Taking a prediction takes microseconds; the report has the number of this machine."""
    with PredictionLog(str(tmp_path)) as log:
        begin = time.process_time()
        for number in range(2000):
            log.add("m", 1, "", [str(number)], {"x": INPUTS["x"][:1]}, {})
        cost = (time.process_time() - begin) / 2000 * 1e6
    record_property("microseconds_per_prediction", round(cost, 1))
    print(f"\n{cost:.1f} µs of CPU per prediction, writing included")  # noqa: T201 - the report
    assert len(records(tmp_path)) + log.dropped == 2000
    assert os.listdir(tmp_path)
