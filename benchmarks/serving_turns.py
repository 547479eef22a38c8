"""lockstep and KServe over gRPC, taking turns within one run: rates and CPU time for each request.

    chrt -r 10 python benchmarks/serving_turns.py [ROUNDS] [SECONDS]

Both servers run all the time and are asked one after the other, so that other work on the machine
meets both. Needs what `serving.py` makes: run that first. Prints medians over the rounds.
"""

import os
import sys
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

# Both stand beside this file; checkers look for them elsewhere.
serving: Any = import_module("serving")
serving_load: Any = import_module("serving_load")

PAIR = (serving.Server("lockstep", "v1", "tfs"), serving.Server("KServe", "v1", "v2"))
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "lockstep/serving-benchmark")


def main() -> int:
    """Measure and print."""
    rounds, seconds = (int(text) for text in (*sys.argv[1:], "3", "2")[:2])
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        ports = [stack.enter_context(serving.running(one, CACHE, log))["grpc"] for one in PAIR]
        servers = [process_at(port, s) for port, s in zip(ports, PAIR, strict=True)]
        print("| rows, concurrency | lockstep/s | KServe/s | ratio | CPU ms | CPU ms | ratio |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for rows, concurrency in ((r, c) for r in (1, 128) for c in (1, 8, 64)):
            rates: list[list[float]] = [[], []]
            costs: list[list[float]] = [[], []]
            for _ in range(rounds):
                for side, server in enumerate(PAIR):
                    rate, cost = ask(server, ports[side], servers[side], rows, concurrency, seconds)
                    rates[side].append(rate)
                    costs[side].append(cost)
            (ours, theirs), (cheap, dear) = map(median, rates), map(median, costs)
            print(
                f"| {rows}, {concurrency} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} "
                f"| {cheap:.2f} | {dear:.2f} | {dear / cheap:.2f} |",
                flush=True,
            )
    return 0


def process_at(port: int, server: Any) -> int:
    """Find the child of this process that was told to listen at a port."""
    process: int
    for process in serving.family(os.getpid()):
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        if any(word in (b"%d" % port, b"--port=%d" % port) for word in words):
            return process
    sys.exit(f"{server} does not run")


def ask(
    server: Any, port: int, process: int, rows: int, concurrency: int, seconds: int
) -> tuple[float, float]:
    """Load a server for a second and then for so long; requests a second and CPU ms for each."""
    protocol = f"grpc {server.grpc}"
    x, y = (np.load(CACHE / f"mlp/{name}-{rows}.npy") for name in "xy")
    body = serving_load.request_of(protocol, x)
    size = serving_load.wait(protocol, port, body, y)
    serving_load.load(protocol, port, body, concurrency, 1, size)
    before = cpu_of(process)
    found = serving_load.load(protocol, port, body, concurrency, seconds, size)
    if found is None:
        sys.exit(f"{server}: too few answers in {seconds} seconds")
    return found[0], 1000 * (cpu_of(process) - before) / (found[0] * seconds)


def cpu_of(process: int) -> float:
    """Say how many CPU seconds a process has taken, all its threads together."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
