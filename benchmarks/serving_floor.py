# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# TensorFlow says its types wrongly.
"""What serving the model cannot beat: the same model called in-process, with and without JSON.

    python benchmarks/serving_floor.py MODEL

Writes the model, a multi-layer perceptron 784-256-10, if there is none, and samples of what goes in
and comes out. For each line `rest|grpc ROWS SECONDS` it calls the model and prints, as JSON, calls
a second, the p50 and p99 of their milliseconds, and CPU milliseconds for each.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import tensorflow as tf

PIXELS, HIDDEN, CLASSES = 784, 256, 10


def write_model(directory: Path) -> None:
    """Write a SavedModel with one signature: x float[batch, 784] -> y float[batch, 10]."""
    random = np.random.default_rng(0)
    module = tf.Module()
    module.first = first = tf.Variable(random.normal(0, 0.05, (PIXELS, HIDDEN)).astype(np.float32))
    module.second = second = tf.Variable(
        random.normal(0, 0.1, (HIDDEN, CLASSES)).astype(np.float32)
    )

    @tf.function(input_signature=[tf.TensorSpec([None, PIXELS], tf.float32, name="x")])
    def classify(x: Any) -> dict[str, Any]:
        return {"y": tf.nn.softmax(tf.nn.relu(x @ first) @ second)}

    tf.saved_model.save(module, str(directory), signatures=classify)


def main() -> int:
    """Write the model, and call it as often as it is told to."""
    model = Path(sys.argv[1])
    if not (model / "1/saved_model.pb").exists():
        write_model(model / "1")
    signature = tf.saved_model.load(str(model / "1")).signatures["serving_default"]

    def call(x: Any) -> Any:
        return signature(x=tf.constant(x))["y"].numpy()

    calls = {}
    for rows in (1, 128):
        x = np.random.default_rng(rows).random((rows, PIXELS), np.float32)
        np.save(model / f"x-{rows}.npy", x)
        np.save(model / f"y-{rows}.npy", call(x))
        body = orjson.dumps({"instances": x}, option=orjson.OPT_SERIALIZE_NUMPY)
        calls["grpc", rows] = partial(call, x)
        calls["rest", rows] = partial(call_parsed, call, body)
    for line in sys.stdin:
        protocol, number, seconds = line.split()
        print(json.dumps(timed(calls[protocol, int(number)], float(seconds))), flush=True)
    return 0


def call_parsed(call: Callable[[Any], Any], body: bytes) -> Any:
    """Make a tensor of what a client sends, and call the model."""
    return call(np.asarray(orjson.loads(body)["instances"], np.float32))


def timed(call: Callable[[], object], seconds: float) -> tuple[float, float, float, float]:
    """Call again and again; calls a second, p50, p99 and CPU milliseconds."""
    times: list[float] = []
    cpu = 0.0
    for part in (seconds / 4, seconds):  # the first part warms up
        times.clear()
        end, cpu = time.perf_counter() + part, time.process_time()
        while (start := time.perf_counter()) < end:
            call()
            times.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu
    p50, p99 = np.percentile(times, (50, 99))
    rate = len(times) / sum(times)
    return rate, 1000 * float(p50), 1000 * float(p99), 1000 * cpu / len(times)


if __name__ == "__main__":
    sys.exit(main())
