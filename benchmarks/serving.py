"""Model servers under load: the embedded server against the Python servers one could take instead.

    chrt -r 10 python benchmarks/serving.py [--only NAME ...] [--rounds 5] [--seconds 2]
        [--plot PLOT.png]

One model, one load generator (`h2load`, from Debian's nghttp2-client: a C++ program that speaks
HTTP/1.1 and the HTTP/2 of gRPC). All servers run all the time and are loaded one after the other,
round after round, so that other work on the machine meets all of them; medians are compared. Each
peer runs in an environment of its own, made with uv from the versions that its program in
`serving_peers/` pins. Answers are compared with the model's own before each measurement.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import IO, Any, NamedTuple

import numpy as np

serving_load: Any = import_module("serving_load")  # beside this file; checkers look elsewhere

HERE = Path(__file__).parent
POINTS = [(p, r, c) for p in ("rest", "grpc") for r in (1, 128) for c in (1, 8, 64)]
"""Protocol, rows, concurrency."""
LEAST = 1.5
"""Times the throughput of the best peer."""
MOST = {"rest": 1.3, "grpc": 2.0}
"""Times the seconds of the floor, for a request of 128 rows."""
BATCHING = """
max_batch_size {{ value: {} }}
batch_timeout_micros {{ value: 0 }}
max_enqueued_batches {{ value: 100 }}
"""

Point = tuple[str, int, int]


class Server(NamedTuple):
    """A server with one choice of settings."""

    name: str
    rest: str
    """What it reads over REST: `v1` (TF Serving's) or `v2` (the Open Inference Protocol)."""
    grpc: str = ""
    """Likewise: `tfs` (TF Serving's PredictionService) or `v2`; nothing if it has no gRPC."""
    workers: int = 1
    batch: int = 0
    """Requests, or rows, to put together at most; 0 for no batching."""

    def __str__(self) -> str:
        """Say which, as the results do."""
        batching = f"batches of {self.batch}" if self.batch else "no batching"
        return f"{self.name}, workers {self.workers}, {batching}"


SERVERS = [
    Server("lockstep", "v1", "tfs"),
    Server("lockstep", "v1", "tfs", 1, 512),
    Server("KServe", "v1", "v2"),
    Server("MLServer", "v2", "v2", 0),
    Server("MLServer", "v2", "v2", 2),
    Server("BentoML", "v1", "", 2),
    Server("BentoML", "v1", "", 1, 64),
    Server("LitServe", "v1", "", 1, 64),
    Server("LitServe", "v1", "", 2),
    Server("Ray Serve", "v1", "tfs", 1),
    Server("Ray Serve", "v1", "tfs", 2, 64),
]
"""Each as its documentation recommends for two cores: a process for each core, or batches."""


class Rate(NamedTuple):
    """What was measured at one point."""

    rate: float
    """Requests a second."""
    p50: float
    p99: float
    """Milliseconds."""
    cpu: float
    """Milliseconds of the server's processes for each request."""


class Running(NamedTuple):
    """A server that runs."""

    ports: dict[str, int]
    process: "subprocess.Popen[bytes]"
    log: IO[bytes]


Found = dict[Server, dict[Point, Rate]]
Floor = dict[tuple[str, int], Rate]


def main() -> int:
    """Measure, print tables, and fail if a promise is broken."""
    arguments = told()
    if not shutil.which("h2load"):
        sys.exit("There is no h2load. Install it: apt-get install nghttp2-client")
    chosen = [s for s in SERVERS if not arguments.only or s.name in arguments.only]
    for name in dict.fromkeys(server.name for server in chosen):
        environment_of(name, arguments.cache)
    with ExitStack() as stack:
        floor = stack.enter_context(floor_of(arguments.cache / "mlp"))
        servers: dict[Server, Running] = {}
        for server in chosen:
            started = stack.enter_context(running(server, arguments.cache))
            if answers(server, started, arguments.cache):
                servers[server] = started
        found, floors = measure(servers, floor, arguments)
    print(*tables(found, floors), sep="\n")
    if arguments.plot:
        plot(found, floors, arguments.plot)
    broken = list(promises_broken(found, floors))
    print(*broken, sep="\n")
    return int(bool(broken))


def told() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="servers to measure")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server at each point")
    parser.add_argument("--seconds", type=int, default=2, help="how long a turn is")
    parser.add_argument("--plot", type=Path, help="a PNG file")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--cache", type=Path, default=cache / "lockstep/serving-benchmark")
    return parser.parse_args()


def environment_of(name: str, cache: Path) -> None:
    """Make a peer's environment, or look that it has what the peer's program asks for."""
    if name == "lockstep":
        return
    key = name.split()[0].lower()
    uv = os.environ.get("UV") or shutil.which("uv") or str(HERE.parent / ".uv/bin/uv")
    python = cache / key / "bin/python"
    compiled = os.environ | {"UV_COMPILE_BYTECODE": "1"}
    if not python.exists():
        command = [uv, "venv", "--quiet", "--python", "3.11", str(cache / key)]
        subprocess.run(command, check=True, env=compiled)
    command = [uv, "pip", "install", "--quiet", "--python", str(python)]
    command += ["--requirements", str(HERE / f"serving_peers/with_{key}.py")]
    subprocess.run(command, check=True, env=compiled)


@contextmanager
def floor_of(model: Path) -> Generator["subprocess.Popen[str]"]:
    """Start the process that calls the model itself; it writes the model if there is none."""
    command = [sys.executable, str(HERE / "serving_floor.py"), str(model)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, env=environment()
    ) as process:
        ask_floor(process, "grpc", 1, 0.1)
        yield process
        if process.stdin:
            process.stdin.close()


def ask_floor(process: "subprocess.Popen[str]", protocol: str, rows: int, seconds: float) -> Rate:
    """Let it call the model for some seconds."""
    if not process.stdin or not process.stdout:
        sys.exit("the floor has no pipes")
    print(protocol, rows, seconds, file=process.stdin, flush=True)
    return Rate(*json.loads(process.stdout.readline()))


def environment() -> dict[str, str]:
    """Make the environment variables of a server."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}


def measure(
    servers: dict[Server, Running], floor: "subprocess.Popen[str]", arguments: argparse.Namespace
) -> tuple[Found, Floor]:
    """Let the servers take turns at each point; the medians of what each bore."""
    found: Found = {server: {} for server in servers}
    floors: dict[tuple[str, int], list[Rate]] = {}
    for point in POINTS:
        doors = [server for server in servers if dialect(server, point[0])]
        rates: dict[Server, list[Rate]] = {server: [] for server in doors}
        for _ in range(arguments.rounds):
            turn = ask_floor(floor, *point[:2], seconds=arguments.seconds / 2)
            floors.setdefault(point[:2], []).append(turn)
            for server in doors:
                taken = turn_of(server, servers[server], point, arguments)
                rates[server].append(taken)
        for server, turns in rates.items():
            rate = found[server][point] = middle(turns)
            numbers = f"{rate.rate:.1f}/s, p50 {rate.p50:.2f} ms, p99 {rate.p99:.2f} ms"
            where = f"{server}: {point[0]}, rows {point[1]}, concurrency {point[2]}"
            print(f"{where}: {numbers}, CPU {rate.cpu:.2f} ms", flush=True)
    return found, {place: middle(turns) for place, turns in floors.items()}


def middle(turns: list[Rate]) -> Rate:
    """The medians."""
    return Rate(*(median(numbers) for numbers in zip(*turns, strict=True)))


def dialect(server: Server, protocol: str) -> str:
    """What a server understands over a protocol; nothing if it has no such door."""
    return server.rest if protocol == "rest" else server.grpc


def turn_of(server: Server, started: Running, point: Point, arguments: argparse.Namespace) -> Rate:
    """Load a server for a second, and then for as long as a turn is, or longer if it is slow."""
    protocol, rows, concurrency = point
    spoken, port = f"{protocol} {dialect(server, protocol)}", started.ports[protocol]
    x, y = (np.load(arguments.cache / f"mlp/{name}-{rows}.npy") for name in "xy")
    body = serving_load.request_of(spoken, x)
    size = serving_load.wait(spoken, port, body, y)
    serving_load.load(spoken, port, body, concurrency, 1, size)
    seconds = arguments.seconds
    while True:
        before = cpu_of(started.process.pid)
        found = serving_load.load(spoken, port, body, concurrency, seconds, size)
        if found:
            rate, p50, p99 = found
            cpu = cpu_of(started.process.pid) - before
            return Rate(rate, p50, p99, 1000 * cpu / (rate * seconds))
        seconds *= 3


def cpu_of(process: int) -> float:
    """Say how many CPU seconds a process has taken, and all that come from it."""
    ticks = 0
    for one in family(process):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def answers(server: Server, started: Running, cache: Path) -> bool:
    """Wait until each door of a server answers rightly; show its log if it does not."""
    x, y = (np.load(cache / f"mlp/{name}-1.npy") for name in "xy")
    try:
        for protocol, port in started.ports.items():
            if dialect(server, protocol):
                spoken = f"{protocol} {dialect(server, protocol)}"
                body = serving_load.request_of(spoken, x)
                serving_load.wait(spoken, port, body, y, lambda: started.process.poll() is None)
    except serving_load.NoAnswer as error:
        started.log.seek(0)
        print(f"{server}: {error}\n{started.log.read().decode()[-4000:]}", flush=True)
        return False
    return True


@contextmanager
def running(server: Server, cache: Path) -> Generator[Running]:
    """Start a server; end it, and all that it started, by their ids."""
    ports = {"rest": free_port(), "grpc": free_port()}
    command = command_of(server, cache, ports)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment(), cwd=folder)
        try:
            yield Running(ports, process, log)
        finally:
            started = list(family(process.pid))
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            for one in started:
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            process.wait()


def command_of(server: Server, cache: Path, ports: dict[str, int]) -> list[str]:
    """Write the command that starts a server."""
    if server.name == "lockstep":
        command = [sys.executable, "-m", "lockstep.serving.server", "--model_name=mlp"]
        command += [f"--port={ports['grpc']}", f"--rest_api_port={ports['rest']}"]
        command.append(f"--model_base_path={cache / 'mlp'}")
        if server.batch:
            file = cache / "batching.txt"
            file.write_text(BATCHING.format(server.batch))
            command += ["--enable_batching", f"--batching_parameters_file={file}"]
        return command
    key = server.name.split()[0].lower()
    command = [str(cache / key / "bin/python"), str(HERE / f"serving_peers/with_{key}.py")]
    command += ["--saved_model", str(cache / "mlp/1")]
    command += ["--http_port", str(ports["rest"]), "--grpc_port", str(ports["grpc"])]
    return [*command, "--workers", str(server.workers), "--batch", str(server.batch)]


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def family(process: int) -> Iterator[int]:
    """Yield a process and all that come from it."""
    yield process
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))


def best(found: Found, name: str, point: Point) -> Rate | None:
    """Find the rate of a server's best settings at a point; nothing if it has no such door."""
    rates = [of[point] for server, of in found.items() if server.name == name and point in of]
    return max(rates, default=None)


def tables(found: Found, floor: Floor) -> Iterator[str]:
    """Write a table for each protocol: requests a second (p50 / p99 / CPU in milliseconds)."""
    names = list(dict.fromkeys(server.name for server in found))
    for protocol, title in (("rest", "REST"), ("grpc", "gRPC")):
        header = [f"{title}: rows, concurrency", *names, "in-process", "to the best peer"]
        yield f"\n| {' | '.join(header)} |"
        yield "|---|" + "---:|" * (len(names) + 2)
        for point in (point for point in POINTS if point[0] == protocol):
            cells = [cell(best(found, name, point)) for name in names]
            ratio = ratio_at(found, point)
            cells += [cell(floor[point[:2]]), f"{ratio:.2f}" if ratio else ""]
            yield f"| {point[1]}, {point[2]} | {' | '.join(cells)} |"


def cell(rate: Rate | None) -> str:
    """Write a rate."""
    if not rate:
        return "-"
    return f"{rate.rate:,.0f} ({rate.p50:.2f} / {rate.p99:.2f} / {rate.cpu:.2f})"


def ratio_at(found: Found, point: Point) -> float | None:
    """Divide lockstep's throughput by that of the best peer at a point."""
    ours = best(found, "lockstep", point)
    names = {server.name for server in found} - {"lockstep"}
    theirs = [rate.rate for name in names if (rate := best(found, name, point))]
    return ours.rate / max(theirs) if ours and theirs else None


def promises_broken(found: Found, floor: Floor) -> Iterator[str]:
    """Name each promise of benchmarks/README.md that does not hold."""
    for point in POINTS:
        protocol, rows, concurrency = point
        where = f"{protocol}, rows {rows}, concurrency {concurrency}"
        ratio = ratio_at(found, point)
        if ratio is not None and ratio < LEAST:
            yield f"BROKEN: {where}: {ratio:.2f} times the best peer (at least {LEAST})"
        ours, most = best(found, "lockstep", point), MOST[protocol]
        if rows == 128 and ours and floor[protocol, rows].rate > most * ours.rate:
            times = floor[protocol, rows].rate / ours.rate
            yield f"BROKEN: {where}: {times:.2f} times the in-process seconds (at most {most})"


def plot(found: Found, floor: Floor, file: Path) -> None:
    """Draw throughput at each point, with the in-process call as a line."""
    from matplotlib import pyplot

    names = list(dict.fromkeys(server.name for server in found))
    figure, grid = pyplot.subplots(2, 2, figsize=(13, 8), layout="constrained")
    kinds = [(p, r) for p in ("rest", "grpc") for r in (1, 128)]
    for axes, (protocol, rows) in zip(grid.flat, kinds, strict=True):
        for index, name in enumerate(names):
            rates = [best(found, name, (protocol, rows, c)) for c in (1, 8, 64)]
            places = [place + index * 0.13 for place in range(3)]
            axes.bar(places, [r.rate if r else 0 for r in rates], width=0.12, label=name)
        axes.axhline(floor[protocol, rows].rate, color="black", linestyle=":", label="in-process")
        axes.set(yscale="log", title=f"{protocol}, {rows} rows", ylabel="requests a second")
        axes.set_xticks([place + 0.06 * (len(names) - 1) for place in range(3)], ["1", "8", "64"])
        axes.set_xlabel("concurrency")
    grid[0, 0].legend(fontsize="small")
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
