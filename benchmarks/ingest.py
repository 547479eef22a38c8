"""Ingest, statistics, schema, validation: TFX's executors, called directly, against lockstep's.

    python benchmarks/ingest.py [ROWS ...] [--tfx-up-to ROWS] [--plot FILE.png]

Rows like those of the Chicago taxi data are generated and streamed to a file. Each side runs its
four steps in a fork of one process that has imported everything, so imports and byte-compiling do
not count; Beam runs in memory, as TFX runs it if nothing else is asked for. Memory is the peak of
what the processes of a side take from the machine (proportional set size), sampled.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

LEAST: Final = 20
"""The ratio of throughputs that is promised at a million rows."""
MOST: Final = 2
"""Gigabytes that lockstep may take, for any number of rows."""
MILLION: Final = 1_000_000
COMPANIES: Final = [f"Taxi Company {i}" for i in range(60)]
PLACES: Final = [f"{41.65 + i * 0.0018:.9f},{-87.9 + i * 0.0017:.9f}" for i in range(200)]
COLUMNS: Final = (
    "pickup_community_area,fare,trip_start_month,trip_start_hour,trip_start_day,"
    "trip_start_timestamp,pickup_latitude,pickup_longitude,dropoff_latitude,dropoff_longitude,"
    "trip_miles,pickup_census_tract,dropoff_census_tract,payment_type,company,trip_seconds,"
    "dropoff_community_area,tips"
)


@dataclass(frozen=True)
class Cost:
    """What one side took."""

    rows: int
    wall: float
    cpu: float
    peak: float
    """Gigabytes."""

    @property
    def throughput(self) -> float:
        """Rows per second."""
        return self.rows / self.wall


def write_trips(file: Path, rows: int) -> None:
    """Stream trips to a CSV file, the same ones each time."""
    draw = random.Random(20240229)
    with file.open("w") as stream:
        stream.write(COLUMNS + "\n")
        for _ in range(rows):
            stream.write(trip(draw))


def trip(draw: random.Random) -> str:
    """Draw one row; a third of the trips end nowhere, and no trip starts in a census tract."""
    start = draw.randrange(1356998400, 1483228800, 900)
    day, fare, card = time.gmtime(start), draw.lognormvariate(2.2, 0.7), draw.random() < 0.4
    end, tract, area = ",", "", ""
    if draw.random() < 0.7:
        end = draw.choice(PLACES)
        tract, area = f"{17031000000 + draw.randrange(200)}", f"{draw.randrange(1, 78)}"
    return (
        f"{draw.randrange(1, 78)},{fare:.2f},{day.tm_mon},{day.tm_hour},{day.tm_wday + 1},{start},"
        f"{draw.choice(PLACES)},{end},{draw.expovariate(0.3):.1f},,{tract},"
        f"{'Credit Card' if card else 'Cash'},{draw.choice(COMPANIES)},"
        f"{draw.randrange(0, 7200, 60)}.0,{area},{fare * 0.2 if card else 0:.2f}\n"
    )


def lockstep(data: Path, root: Path) -> None:
    """Run the four steps as the entrypoint does, pages and counts included."""
    from lockstep.components.executors import ingestion, validation

    chain(
        {
            "csv_example_gen": ingestion.csv_example_gen,
            "statistics_gen": validation.statistics_gen,
            "schema_gen": validation.schema_gen,
            "example_validator": validation.example_validator,
        },
        data,
        root,
    )


def tfx(data: Path, root: Path) -> None:
    """Run TFX's four executors."""
    from tfx.components.example_gen.csv_example_gen.component import CsvExampleGen
    from tfx.components.example_validator.component import ExampleValidator
    from tfx.components.schema_gen.component import SchemaGen
    from tfx.components.statistics_gen.component import StatisticsGen

    from lockstep.components.executors import tfx_step

    def run(component: Any, **changes: Any) -> Callable[[Any], Any]:
        return lambda step: tfx_step.run(step, tfx_step.construct(step, component, **changes))

    chain(
        {
            "csv_example_gen": run(CsvExampleGen, input_base=str(data)),
            "statistics_gen": run(StatisticsGen),
            "schema_gen": run(SchemaGen),
            "example_validator": run(ExampleValidator),
        },
        data,
        root,
    )


def chain(steps: dict[str, Callable[[Any], Any]], data: Path, root: Path) -> None:
    """Run steps one after the other, each with what those before it left."""
    from lockstep.components.step import Artifact, Step

    made: dict[str, Artifact] = {}
    for name, run in steps.items():
        output = {"csv_example_gen": "examples", "statistics_gen": "statistics"}.get(
            name, "schema" if name == "schema_gen" else "anomalies"
        )
        outputs = {key: Artifact(key, str(root / name / key)) for key in (output, "html")}
        (root / name).mkdir(parents=True)
        parameters = {} if made else {"input_base": str(data)}
        results = run(Step(name, parameters, dict(made), outputs, {}, str(root / "output.json")))
        made[output] = Artifact(output, outputs[output].uri, results.metadata[output])


class Watcher(threading.Thread):
    """Looks now and then at how much memory a family of processes takes."""

    def __init__(self, process: int) -> None:
        """Watch a process and all that come from it."""
        super().__init__()
        self.process, self.peak, self.done = process, 0, threading.Event()

    def run(self) -> None:
        """Look, and rest twenty times as long: looking is slow, and must not slow what it sees."""
        while not self.done.is_set():
            began = time.perf_counter()
            self.peak = max(self.peak, sum(map(memory, family(self.process))))
            self.done.wait(max(0.1, 20 * (time.perf_counter() - began)))


def measure(side: Callable[[Path, Path], None], data: Path, root: Path, rows: int) -> Cost:
    """Run a side in a fork of this process, and watch it."""
    start = time.perf_counter()
    child = os.fork()
    if not child:
        log, code = os.open(root.parent / f"{side.__name__}.log", os.O_CREAT | os.O_WRONLY), 1
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            side(data, root)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    watcher = Watcher(child)
    watcher.start()
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - start
    watcher.done.set()
    watcher.join()
    if status:
        sys.exit(f"{side.__name__} failed: {(root.parent / f'{side.__name__}.log').read_text()}")
    shutil.rmtree(root)
    return Cost(rows, wall, used.ru_utime + used.ru_stime, watcher.peak / 2**30)


def family(process: int) -> Iterator[int]:
    """Yield a process and all that come from it."""
    yield process
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from family(int(child))


def memory(process: int) -> int:
    """Read how many bytes a process takes; what several share is divided among them."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def plot(costs: dict[str, list[Cost]], file: Path) -> None:
    """Draw throughput and memory over the number of rows."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for axis, what in zip(axes, ("wall", "cpu", "peak"), strict=True):
        for side, of in costs.items():
            values = [getattr(cost, what) for cost in of]
            axis.loglog([cost.rows for cost in of], values, marker="o", label=side)
        axis.set_xlabel("rows")
        axis.set_title({"wall": "seconds", "cpu": "CPU seconds", "peak": "peak memory, GiB"}[what])
        axis.legend()
    figure.savefig(file, dpi=150)
    print(f"plot: {file}")


def main() -> int:
    """Measure, print a table, and fail if a promise is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", type=int, nargs="*", default=[10_000, MILLION, 5 * MILLION])
    parser.add_argument("--tfx-up-to", type=int, default=MILLION, help="rows TFX is given at most")
    parser.add_argument("--plot", type=Path, help="a PNG file")
    arguments = parser.parse_args()
    import_module("lockstep.components.executors.warm")
    costs: dict[str, list[Cost]] = {"TFX": [], "lockstep": []}
    print(f"{'rows':>9} {'':9}{'wall s':>9}{'CPU s':>9}{'rows/s':>9}{'GiB':>7}{'ratio':>7}")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "data").mkdir()
        for rows in arguments.rows:
            write_trips(root / "data/trips.csv", rows)
            for side, run in (("lockstep", lockstep), ("TFX", tfx)):
                if side == "lockstep" or rows <= arguments.tfx_up_to:
                    costs[side].append(measure(run, root / "data", root / side, rows))
                    show(side, costs)
    if arguments.plot:
        plot(costs, arguments.plot)
    ratio = compare(costs, MILLION)
    is_slow = ratio is not None and ratio < LEAST
    return int(is_slow or any(cost.peak > MOST for cost in costs["lockstep"]))


def show(side: str, costs: dict[str, list[Cost]]) -> None:
    """Print a line of the table."""
    cost = costs[side][-1]
    ratio = compare(costs, cost.rows)
    print(
        f"{cost.rows:9,} {side:9}{cost.wall:9.1f}{cost.cpu:9.1f}{cost.throughput:9,.0f}"
        f"{cost.peak:7.2f}{f'{ratio:.1f}' if ratio else '':>7}",
        flush=True,
    )


def compare(costs: dict[str, list[Cost]], rows: int) -> float | None:
    """Divide lockstep's throughput by TFX's, where both have run."""
    found = [cost.throughput for of in costs.values() for cost in of if cost.rows == rows]
    return found[1] / found[0] if len(found) == 2 else None


if __name__ == "__main__":
    sys.exit(main())
