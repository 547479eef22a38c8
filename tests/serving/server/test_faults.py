"""What goes wrong around a model server: it stays up, answers all else and keeps nothing."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest

from lockstep.serving.client.protos import message

from ...conformance.serving.servers import OWN, Server, start, wait_until_ready
from ...conformance.serving.warm import Warm
from .load import BODY, Usage, clients, predicting, rest_client, settled, until

LARGE: Final = 100_000_000
CONFIG: Final = """model_config_list {
  config { name: "m" base_path: "BASE/m" model_platform: "tensorflow" }
  config { name: "t" base_path: "MODELS/t" model_platform: "tensorflow" }
}"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """A directory with the model m, which has version 1."""
    base = tmp_path_factory.mktemp("faults")
    shutil.copytree(models / "constant" / "1", base / "m" / "1")
    return base


@pytest.fixture(scope="module")
def server(base: Path, models: Path, forks: Warm) -> Iterator[Server]:
    """A server of m, which has faults, and of t, which has none."""
    config = CONFIG.replace("BASE", str(base)).replace("MODELS", str(models))
    (base / "models.config").write_text(config)
    flags = [f"--model_config_file={base / 'models.config'}", "--load_retry_interval_micros=500000"]
    server = start(OWN, flags, base / "log", forks)
    try:
        wait_until_ready(server, ["m", "t"])
        yield server
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def nothing_is_kept(server: Server, base: Path) -> Iterator[None]:
    """After each test there is version 1 again, and no more memory, threads or files in use."""
    with clients(server.address, "m", 4):
        time.sleep(0.2)
    before = Usage.of(server.process.pid)
    yield
    for directory in (base / "m").iterdir():
        if directory.name != "1":
            shutil.rmtree(directory)
    if not (base / "m" / "1").exists():
        shutil.copytree(base / "again", base / "m" / "1")
    assert until(lambda: answer(server) == 1.0)
    after = settled(server.process.pid, before)
    assert not after.is_more_than(before), (before, after)


def answer(server: Server, model: str = "m", path: str = "") -> float | None:
    """What the model answers: its version; None if it is not served."""
    client = rest_client(server.address, f"{model}{path}")
    try:
        return next(client)[0]
    except (RuntimeError, OSError):
        return None
    finally:
        client.close()  # type: ignore[attr-defined] # it is a generator


def status(server: Server, version: int) -> str:
    """The status API's words for a version of m."""
    return get(server, f"/v1/models/m/versions/{version}")


def get(server: Server, path: str) -> str:
    """The body of a GET."""
    connection = HTTPConnection(server.address.host, server.address.rest, timeout=10)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def test_a_version_is_copied_file_by_file(server: Server, base: Path, models: Path) -> None:
    """Each stage of a slow copy leaves the old version answering; the whole one is taken."""
    source, target = models / "constant" / "2", base / "m" / "2"
    files = [file for file in sorted(source.rglob("*")) if file.is_file()]
    with clients(server.address, "m", 4) as tally:
        for file in files:
            data = file.read_bytes()
            path = target / file.relative_to(source)
            path.parent.mkdir(parents=True, exist_ok=True)
            for part in (len(data) // 2, len(data)):
                path.write_bytes(data[:part])
                time.sleep(0.6)
        assert until(lambda: 2.0 in tally.versions), status(server, 2)
    assert not tally.wrong, tally.wrong[:3]
    assert set(tally.versions) == {1.0, 2.0}


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_graph_is_corrupt(server: Server, base: Path, models: Path, share: float) -> None:
    """A saved_model.pb that is empty, cut off or overwritten is skipped, with a reason."""
    target = base / "m" / "3"
    shutil.copytree(models / "constant" / "3", base / "aside")
    graph = base / "aside" / "saved_model.pb"
    data = graph.read_bytes()
    whole = int(len(data) * share)
    graph.write_bytes(data[:whole] + (b"\xff" * (len(data) - whole) if share > 0.5 else b""))
    with clients(server.address, "m", 4) as tally:
        (base / "aside").rename(target)
        assert until(lambda: '"END"' in status(server, 3).replace(" ", "")), status(server, 3)
    assert not tally.wrong, tally.wrong[:3]
    assert set(tally.versions) == {1.0}


def test_a_version_is_deleted(server: Server, base: Path, models: Path) -> None:
    """A version that is deleted while it answers is replaced by the one before."""
    shutil.copytree(models / "constant" / "2", base / "aside")
    (base / "aside").rename(base / "m" / "2")
    assert until(lambda: answer(server) == 2.0)
    with clients(server.address, "m", 4) as tally:
        shutil.rmtree(base / "m" / "2")
        assert until(lambda: 1.0 in tally.versions)
    assert not tally.wrong, tally.wrong[:3]


def test_all_versions_are_deleted(server: Server, base: Path) -> None:
    """If the only version is deleted, the server lives and other models answer."""
    shutil.copytree(base / "m" / "1", base / "again", dirs_exist_ok=True)
    shutil.rmtree(base / "m" / "1")
    time.sleep(1.5)
    assert '"AVAILABLE"' in get(server, "/v1/models/t")
    assert server.process.poll() is None


def test_a_directory_has_leading_zeros(server: Server, base: Path, models: Path) -> None:
    """A directory 00000123 is version 123, by any spelling."""
    shutil.copytree(models / "constant" / "3", base / "aside")
    (base / "aside").rename(base / "m" / "00000123")
    assert until(lambda: answer(server) == 3.0)
    assert answer(server, path="/versions/123") == 3.0
    assert answer(server, path="/versions/00000123") == 3.0


def test_clients_are_slow(server: Server) -> None:
    """Two hundred clients that never finish what they say keep nobody else waiting."""
    address = (server.address.host, server.address.rest)
    head = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n"
    sockets = [socket.create_connection(address, timeout=10) for _ in range(200)]
    try:
        for number, slow in enumerate(sockets):
            slow.sendall((head + b"\r\n" + BODY)[: 1 + number])
        began = time.monotonic()
        with clients(server.address, "m", 4) as tally:
            time.sleep(1)
        assert not tally.wrong, tally.wrong[:3]
        assert sum(tally.versions.values()) > 50
        assert time.monotonic() - began < 5
    finally:
        for slow in sockets:
            slow.close()


def test_a_slow_reader_gets_its_answer(server: Server) -> None:
    """A client that reads little by little gets the whole answer."""
    rows = 200_000
    body = b'{"instances":[' + b",".join([b"1"] * rows) + b"]}"
    connection = socket.create_connection((server.address.host, server.address.rest), timeout=30)
    head = f"POST /v1/models/m:predict HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    received = b""
    for pause in (0.3, 0.3, 0.3, *([0.0] * 100_000)):
        time.sleep(pause)
        data = connection.recv(65536)
        received += data
        if received.count(b"1.0") >= rows and received.rstrip().endswith(b"}"):
            break
    connection.close()
    assert received.count(b"1.0") == rows


def test_a_body_of_100_megabytes(server: Server) -> None:
    """A huge body is answered or refused; meanwhile others are answered, and memory comes back."""
    request: Any = message("PredictRequest")
    request.model_spec.name = "m"
    item = request.inputs.add(key="x")
    item.value.dtype = 1
    item.value.tensor_content = bytes(LARGE)
    item.value.tensor_shape.dim.add(size=LARGE // 4)

    def over_rest() -> None:
        connection = HTTPConnection(server.address.host, server.address.rest, timeout=120)
        body = b'{"instances":[' + b"0," * (LARGE // 2) + b"0]"  # the brace is missing
        connection.request("POST", "/v1/models/m:predict", body)
        assert connection.getresponse().status in (400, 413)
        connection.close()

    def over_grpc() -> None:
        with predicting(server.address) as predict:
            response = predict(request, timeout=120)
            assert len(response.outputs[0].value.float_val) == LARGE // 4

    with clients(server.address, "m", 2) as tally:
        for send in (over_rest, over_grpc):
            send()
    assert not tally.wrong, tally.wrong[:3]
    assert sum(tally.versions.values()) > 10


def test_a_server_is_told_to_end_under_load(models: Path, forks: Warm, tmp_path: Path) -> None:
    """SIGTERM: what was accepted is answered, then it ends with 0."""
    flags = ["--model_name=m", f"--model_base_path={models / 'constant'}"]
    server = start(OWN, flags, tmp_path / "log", forks)
    try:
        wait_until_ready(server, ["m"])
        with clients(server.address, "m", 16) as tally:
            time.sleep(1)
            stopper = threading.Thread(target=server.process.terminate)
            stopper.start()
            assert server.process.wait(40) == 0
            stopper.join()
    finally:
        server.stop()
    lost = [error for error in tally.wrong if not closed(error)]
    assert not lost, lost[:5]
    assert sum(tally.versions.values()) > 16


def closed(error: str) -> bool:
    """Whether a client only found the door closed."""
    return "ConnectionRefusedError" in error or "UNAVAILABLE" in error
