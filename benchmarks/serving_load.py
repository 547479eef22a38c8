"""Load on a server of the model of `serving_floor.py`, and what it bears.

A protocol is `rest v1` (KServe's, TF Serving's), `rest v2` (the Open Inference Protocol),
`grpc tfs` (TF Serving's PredictionService) or `grpc v2`. `h2load` sends the same request on as many
connections as are asked for, one at a time on each.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import orjson
from numpy.typing import NDArray

PATIENCE = 90
"""Seconds until a server must answer."""
PATHS = {
    "rest v1": "/v1/models/mlp:predict",
    "rest v2": "/v2/models/mlp/infer",
    "grpc tfs": "/tensorflow.serving.PredictionService/Predict",
    "grpc v2": "/inference.GRPCInferenceService/ModelInfer",
}
DATA = re.compile(r"traffic: .*, .* \((\d+)\) data")

Array = NDArray[np.float32]


class NoAnswer(Exception):
    """A server does not answer, or wrongly."""


def request_of(protocol: str, x: Array) -> bytes:
    """Write a request's body."""
    if protocol == "rest v1":
        return orjson.dumps({"instances": x}, option=orjson.OPT_SERIALIZE_NUMPY)
    if protocol == "rest v2":
        tensor = {"name": "x", "shape": x.shape, "datatype": "FP32", "data": x.ravel()}
        return orjson.dumps({"inputs": [tensor]}, option=orjson.OPT_SERIALIZE_NUMPY)
    rows, pixels = x.shape
    if protocol == "grpc tfs":
        shape = message((2, message((1, rows))), (2, message((1, pixels))))
        tensor_proto = message((1, 1), (2, shape), (4, x.tobytes()))
        named = message((1, b"x"), (2, tensor_proto))
        return message((1, message((1, b"mlp"))), (2, named))
    header = message((1, b"x"), (2, b"FP32"), (3, rows), (3, pixels))
    return message((1, b"mlp"), (5, header), (7, x.tobytes()))


def answer_in(protocol: str, body: bytes) -> Array:
    """Read a response's body, as one flat array."""
    if protocol.startswith("rest"):
        answer = json.loads(body)
        if protocol == "rest v2":
            answer = answer["outputs"][0]["data"]
        elif isinstance(answer, dict):
            answer = answer["predictions"]
        return np.ravel(np.asarray(answer, np.float32))
    if protocol == "grpc v2":
        return np.frombuffer(first(body, 6), np.float32)
    tensor_proto = first(first(body, 1), 2)
    return np.frombuffer(first(tensor_proto, 4) or first(tensor_proto, 5), np.float32)


def message(*fields: tuple[int, int | bytes]) -> bytes:
    """Write fields in protobuf's wire format: so much of it needs no generated code."""
    parts = [
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
        for number, value in fields
    ]
    return b"".join(parts)


def varint(value: int) -> bytes:
    """Write a number, seven bits a byte, the low ones first."""
    head = bytearray()
    while value > 127:
        head.append(value & 127 | 128)
        value >>= 7
    return bytes([*head, value])


def first(data: bytes, number: int) -> bytes:
    """Find the first field of bytes with a number; nothing if there is none."""
    at = 0

    def read() -> int:
        nonlocal at
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                return value

    while at < len(data):
        key, value = read(), read()
        if key & 7 == 2:
            if key >> 3 == number:
                return data[at : at + value]
            at += value
    return b""


def wait(
    protocol: str, port: int, body: bytes, y: Array, runs: Callable[[], bool] = lambda: True
) -> int:
    """Ask a server that runs until the answer is right; say how many bytes it has."""
    end, error = time.monotonic() + PATIENCE, "no answer"
    while runs() and time.monotonic() < end:
        try:
            answer = ask(protocol, port, body)
            np.testing.assert_allclose(answer_in(protocol, answer), y.ravel(), rtol=1e-3, atol=1e-6)
        except (OSError, grpc.RpcError, AssertionError) as e:
            error = repr(e)
            time.sleep(0.3)
        else:
            return len(answer)
    message = f"{protocol} on port {port}: {error}"
    raise NoAnswer(message)


def ask(protocol: str, port: int, body: bytes) -> bytes:
    """Send one request."""
    if protocol.startswith("rest"):
        url = f"http://127.0.0.1:{port}{PATHS[protocol]}"
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            answer: bytes = response.read()
        return answer
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        metadata = (("application", "mlp"),)  # by which Ray Serve routes
        call: Any = channel.unary_unary(PATHS[protocol])
        answer = call(body, timeout=10, metadata=metadata)
    return answer


def load(
    protocol: str, port: int, body: bytes, concurrency: int, seconds: int, size: int
) -> tuple[float, float, float] | None:
    """Let h2load send a request again and again; each answer has about `size` bytes.

    Gives requests a second, and the p50 and p99 of their milliseconds. Nothing is found out if not
    even one connection in two was answered.
    """
    with tempfile.TemporaryDirectory() as folder:
        log, data = Path(folder, "log"), Path(folder, "data")
        command = ["h2load", f"--clients={concurrency}", f"--duration={seconds}"]
        command += [f"--data={data}", f"--log-file={log}"]
        if protocol.startswith("rest"):
            data.write_bytes(body)
            command += ["--h1", "--header=content-type: application/json"]
        else:
            data.write_bytes(b"\0" + len(body).to_bytes(4, "big") + body)
            command += ["--header=content-type: application/grpc", "--header=te: trailers"]
            command += ["--header=application: mlp"]
        command.append(f"http://127.0.0.1:{port}{PATHS[protocol]}")
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        lines = [line.split("\t") for line in log.read_text().splitlines()]
    bad = {status for _, status, _ in lines if status != "200"}
    received = DATA.search(done.stdout)
    if bad or not received or int(received[1]) < 0.8 * size * len(lines):
        sys.exit(f"{' '.join(command)}: not every answer is right\n{done.stdout}")
    if 2 * len(lines) < concurrency:
        return None
    times = np.asarray([int(micros) for _, _, micros in lines]) / 1000
    p50, p99 = np.percentile(times, (50, 99))
    return len(lines) / seconds, float(p50), float(p99)
