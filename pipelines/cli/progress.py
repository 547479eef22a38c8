"""How a run looks in a terminal and in a log: its progress, and what came of it."""

import shlex
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...serving.errors import Exit
from ..engine.result import RunResult, State, TaskResult
from ..engine.values import text

_STYLES = {
    State.RUNNING: "cyan",
    State.SUCCEEDED: "green",
    State.FAILED: "bold red",
    State.SKIPPED: "dim",
    State.CANCELLED: "yellow",
}
_RECENT = 12


@contextmanager
def progress() -> Generator[Callable[[TaskResult], None]]:
    """Give the listener that shows a run's progress: a live table, or a line for each event."""
    console = Console(highlight=False)
    if not console.is_terminal:
        yield _say
        return
    board = _Board()
    with Live(get_renderable=board.table, console=console, transient=True, refresh_per_second=4):
        yield board.tell


def _say(result: TaskResult) -> None:
    print(_line(result), flush=True)  # noqa: T201 - the log of a run is what it is for


def _line(result: TaskResult) -> str:
    match result.state:
        case State.RUNNING:
            again = f" again (try {result.tries})" if result.tries > 1 else ""
            return f"{result.path}  started{again}"
        case State.SUCCEEDED if result.cached:
            return f"{result.path}  cached: the outputs of {result.cached}"
        case State.SUCCEEDED:
            return f"{result.path}  done {result.seconds:.1f} s"
        case _:
            return f"{result.path}  {result.state.value.lower()}: {_first_line(result.message)}"


class _Board:
    """The running tasks and the latest ones that have ended, as a table."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running: dict[str, tuple[float, TaskResult]] = {}
        self.ended: list[TaskResult] = []

    def tell(self, result: TaskResult) -> None:
        with self.lock:
            if result.state is State.RUNNING:
                self.running[result.path] = (time.monotonic(), result)
            else:
                self.running.pop(result.path, None)
                self.ended.append(result)

    def table(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        with self.lock:
            hidden = len(self.ended) - _RECENT
            if hidden > 0:
                table.add_row(Text(f"... {hidden} more have ended", style="dim"))
            for result in self.ended[-_RECENT:]:
                table.add_row(result.path, _state(result), f"{result.seconds:.1f} s")
            for started, result in self.running.values():
                table.add_row(result.path, _state(result), f"{time.monotonic() - started:.0f} s")
        return table


def conclude(result: RunResult) -> int:
    """Print what came of a run, and give the exit code of the command."""
    width = None if sys.stdout.isatty() else 200
    out = Console(highlight=False, markup=False, soft_wrap=True, width=width)
    out.print(_table(_summary(result), "task", "state", "waited", "seconds", "cpu", "peak memory"))
    for task in result.tasks:
        for note in task.notes:
            out.print(f"note: {task.path}: {note}")
    out.print(f"\n{_processor(result)}")
    if metrics := list(_metrics(result)):
        out.print()
        out.print(_table(metrics, "task", "metric", "value"))
    for name, value in result.outputs.parameters.items():
        out.print(f"output {name}: {text(value)}")
    for task in result.tasks:
        if task.state is State.FAILED:
            log = f"\n  log: {task.log}" if task.log else ""
            print(f"\nerror: {task.path}: {task.message}{log}", file=sys.stderr)  # noqa: T201
    out.print(f"\n{result.run} {result.state.value.lower()}: {result.directory}")
    if result.state is not State.SUCCEEDED:
        root = str(result.directory.parents[1])
        again = shlex.join(["lockstep", "run", "--resume", result.run, "--root", root])
        out.print(f"to go on with it: {again}")
    verdict = Exit.OK
    for line, code in _pushed(result):
        out.print(line)
        verdict = max(verdict, code)
    return int(result.exit_code or verdict)


def _summary(result: RunResult) -> Iterator[tuple[str | Text, ...]]:
    for task in result.tasks:
        memory = f"{task.peak_memory / 2**20:.0f} MiB"
        measured = (f"{task.waited:.1f}", f"{task.seconds:.1f}", f"{task.cpu:.1f}", memory)
        yield task.path, _state(task, result.run), *(measured if task.tries else ("",) * 4)


def _processor(result: RunResult) -> str:
    """Where the processor's time went: to this process, to imports (once for all), to steps."""
    steps = sum(task.cpu for task in result.tasks)
    parts = {"engine": time.process_time(), "imports": sum(result.imports.values()), "steps": steps}
    return "CPU seconds: " + ", ".join(f"{name} {spent:.1f}" for name, spent in parts.items())


def _metrics(result: RunResult) -> Iterator[tuple[str, ...]]:
    for task, artifact in _artifacts(result):
        if artifact["type"].get("schemaTitle") == "system.Metrics":
            for key, value in artifact["metadata"].items():
                if isinstance(value, float):
                    yield task.path, key, f"{value:g}"


def _pushed(result: RunResult) -> Iterator[tuple[str, Exit]]:
    """Say where each pushed model is, or why there is none."""
    for task, artifact in _artifacts(result):
        metadata = artifact["metadata"]
        if metadata.get("tfx_type") != "PushedModel":
            continue
        if metadata.get("pushed") and metadata.get("reason", "blessed") != "blessed":
            where = metadata.get("pushed_destination", artifact["uri"])
            yield f"{task.path} pushed nothing new: {metadata['reason']}, at {where}", Exit.OK
        elif metadata.get("pushed"):
            directory = metadata.get("pushed_destination", artifact["uri"])
            store, model, version = directory.rsplit("/", 2)
            yield f"{task.path} pushed the model to {directory}", Exit.OK
            show = shlex.join(
                ["lockstep", "models", "show", f"{model}@{version}", "--store", store]
            )
            yield f"next: {show}", Exit.OK
        else:
            reason = metadata.get("reason") or "no reason is given"
            yield f"{task.path} pushed nothing, not blessed: {reason}", Exit.NOT_BLESSED


def _table(rows: Iterable[tuple[str | Text, ...]], *titles: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in titles:
        numeric = title in ("waited", "seconds", "cpu", "peak memory", "value")
        table.add_column(title, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _artifacts(result: RunResult) -> Iterator[tuple[TaskResult, dict[str, Any]]]:
    for task in result.tasks:
        for artifacts in task.outputs.artifacts.values():
            for artifact in artifacts:
                yield task, artifact


def _state(task: TaskResult, run: str = "") -> Text:
    if task.cached:
        return Text("kept" if task.cached == run else "cached", style="green")
    tries = f" (try {task.tries})" if task.tries > 1 else ""
    return Text(f"{task.state.value.lower()}{tries}", style=_STYLES[task.state])


def _first_line(message: str) -> str:
    return message.splitlines()[0] if message else ""
