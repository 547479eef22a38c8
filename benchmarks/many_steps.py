# mypy: disable-error-code="untyped-decorator, no-any-return"
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# The chain is written in the language of kfp, which has no types.
"""The overhead of many small steps: `lockstep run` against kfp's own local runner.

    python benchmarks/many_steps.py [STEPS ...]

A chain of one-line Python components, which need no packages of their own. kfp.local's
SubprocessRunner is told not to make a virtual environment; it knows no cache.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from kfp import compiler, dsl

CASES = ("executed", "cached")
MOST_EXECUTED, MOST_CACHED = 0.3, 0.050
"""CPU seconds for each executed step, wall seconds for each cached one."""

PEER = """
import sys
from kfp import local
local.init(local.SubprocessRunner(use_venv=False))
sys.path.insert(0, {folder!r})
sys.argv = ["many_steps", {steps!r}]
import many_steps
many_steps.chain_of(int({steps!r}))()
"""


class Cost(NamedTuple):
    """What a command and all its processes took."""

    cpu: float
    wall: float


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def add(a: int) -> int:
    """Add one."""
    return a + 1


def chain_of(steps: int):  # type: ignore[no-untyped-def]  # kfp's pipelines have no type
    """Build a pipeline in which each step adds one to what the step before it gives."""

    @dsl.pipeline(name=f"chain-of-{steps}")
    def chain() -> int:
        last = add(a=0)
        for _ in range(steps - 1):
            last = add(a=last.output)
        return last.output

    return chain


def main() -> int:
    """Measure, and print a table; the exit code says whether the promises are kept."""
    counts = [int(argument) for argument in sys.argv[1:]] or [5, 50, 500]
    print(f"{'':28}{'steps':>6}{'CPU s':>9}{'wall s':>9}{'CPU ms/step':>13}{'wall ms/step':>13}")
    kept = [_measure(count) for count in counts]
    return int(not all(kept))


def _measure(count: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/chain.yaml"
        compiler.Compiler().compile(chain_of(count), file)
        peer = PEER.format(folder=str(Path(__file__).parent), steps=str(count))
        costs = {"kfp.local SubprocessRunner": _cost([sys.executable, "-c", peer], folder)}
        lockstep = str(Path(sys.executable).with_name("lockstep"))
        for case in CASES:
            costs[f"lockstep run, {case}"] = _cost([lockstep, "run", file], folder)
    for who, cost in costs.items():
        each = f"{1000 * cost.cpu / count:13.1f}{1000 * cost.wall / count:13.1f}"
        print(f"{who:28}{count:6}{cost.cpu:9.2f}{cost.wall:9.2f}{each}", flush=True)
    executed, cached = (costs[f"lockstep run, {case}"] for case in CASES)
    small = count < 50  # starting up is no overhead of a step
    return small or (executed.cpu / count <= MOST_EXECUTED and cached.wall / count <= MOST_CACHED)


def _cost(command: list[str], directory: str) -> Cost:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            sys.exit(f"{command} ended with {process.returncode}:\n{log.read().decode()[-4000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - start)


if __name__ == "__main__":
    sys.exit(main())
