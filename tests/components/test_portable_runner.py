"""Beam's portable runner: the way that Flink, Spark and Dataflow take."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lockstep.components.executors import records

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Arguments for Beam's own job server and a pool of workers, both on this machine."""
    logs = tmp_path_factory.mktemp("beam")
    job, pool = _free_port(), _free_port()
    portability = "apache_beam.runners.portability.local_job_service_main"
    worker = "apache_beam.runners.worker.worker_pool_main"
    with (
        _server(portability, f"--port={job}", job, logs / "job.txt"),
        _server(worker, f"--service_port={pool}", pool, logs / "pool.txt"),
    ):
        yield [
            "--runner=PortableRunner",
            f"--job_endpoint=127.0.0.1:{job}",
            "--environment_type=EXTERNAL",
            f"--environment_config=127.0.0.1:{pool}",
        ]


def test_ingest_on_a_portable_runner_gives_the_same_examples(
    arguments: list[str], tmp_path: Path
) -> None:
    """With beam_pipeline_args workers elsewhere do the work, and the splits are the same."""
    here = _ingest(tmp_path / "here", [])
    there = _ingest(tmp_path / "there", arguments)
    assert here == there
    assert sum(map(len, here.values())) == 500


def _ingest(directory: Path, beam_pipeline_args: list[str]) -> dict[str, list[list[bytes]]]:
    """Run csv_example_gen on 500 trips: split -> its examples, sorted."""
    data = directory / "data"
    data.mkdir(parents=True)
    rows = [f"{i},{i / 7},{'cash' if i % 3 else 'card'}\n" for i in range(500)]
    (data / "trips.csv").write_text("".join(["seconds,fare,payment\n", *rows]))
    message = {
        "inputs": {
            "parameterValues": {
                "input_base": str(data),
                "beam_pipeline_args": beam_pipeline_args,
            }
        },
        "outputs": {
            "artifacts": {"examples": {"artifacts": [{"name": "e", "uri": str(directory / "e")}]}},
            "outputFile": str(directory / "output.json"),
        },
    }
    command = [sys.executable, "-m", "lockstep.components", "csv_example_gen"]
    done = subprocess.run(
        [*command, "--executor_input", json.dumps(message)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    folders = {split: directory / "e" / f"Split-{split}" for split in ("train", "eval")}
    return {s: sorted(map(_features, records.read(folder))) for s, folder in folders.items()}


def _features(example: bytes) -> list[bytes]:
    """Take a tf.Example apart: its features in order; a proto's map has none of its own."""
    (features,) = _fields(example)
    return sorted(_fields(features))


def _fields(message: bytes) -> Iterator[bytes]:
    """Read a message whose only field is number 1, of bytes (protobuf's wire format)."""
    at = 0
    while at < len(message):
        assert message[at] == 0x0A
        length, shift, at = 0, 0, at + 1
        while True:
            length |= (message[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if message[at - 1] < 0x80:
                break
        yield message[at : at + length]
        at += length


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _server(module: str, argument: str, port: int, log: Path) -> Generator[None]:
    """Run a module as a server until the test is over."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, argument],
            env={**os.environ, "PATH": path},  # the pool starts `python` from there
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 120
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
