"""How a run looks in a terminal and in a log: its progress, and what came of it."""

import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...serving.errors import Exit
from ..engine.result import RunResult, State, TaskResult

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
    out = Console(highlight=False, soft_wrap=True)
    out.print(_summary(result))
    if metrics := list(_metrics(result)):
        table = Table("task", "metric", "value", box=None, pad_edge=False)
        for row in metrics:
            table.add_row(*row)
        out.print()
        out.print(table)
    for name, value in result.outputs.parameters.items():
        out.print(f"output {name}: {value}", markup=False)
    for failed in (task for task in result.tasks if task.state is State.FAILED):
        log = f"\n  log: {failed.log}" if failed.log else ""
        print(f"\nerror: {failed.path}: {failed.message}{log}", file=sys.stderr)  # noqa: T201
    out.print(f"\n{result.run} {result.state.value.lower()}: {result.directory}", markup=False)
    return int(result.exit_code or _pushed(result, out))


def _summary(result: RunResult) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("task")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    table.add_column("peak memory", justify="right")
    for task in result.tasks:
        ran = task.tries > 0
        memory = f"{task.peak_memory / 2**20:.0f} MiB" if ran else ""
        seconds = f"{task.seconds:.1f}" if ran else ""
        table.add_row(task.path, _state(task), seconds, memory)
    return table


def _metrics(result: RunResult) -> Iterator[tuple[str, str, str]]:
    for task, artifact in _artifacts(result):
        if artifact["type"].get("schemaTitle") == "system.Metrics":
            for key, value in artifact["metadata"].items():
                if isinstance(value, float):
                    yield task.path, key, f"{value:g}"


def _pushed(result: RunResult, out: Console) -> Exit:
    """Say where the pushed models are, or why there are none."""
    verdict = Exit.OK
    for task, artifact in _artifacts(result):
        metadata = artifact["metadata"]
        if metadata.get("tfx_type") != "PushedModel":
            continue
        if metadata.get("pushed"):
            destination = metadata.get("pushed_destination", artifact["uri"])
            out.print(f"{task.path} pushed the model to {destination}", markup=False)
            out.print(f"next: saved_model_cli show --dir {destination} --all", markup=False)
        else:
            reason = metadata.get("reason") or "no reason is given"
            out.print(f"{task.path} pushed nothing, not blessed: {reason}", markup=False)
            verdict = Exit.NOT_BLESSED
    return verdict


def _artifacts(result: RunResult) -> Iterator[tuple[TaskResult, dict[str, Any]]]:
    for task in result.tasks:
        for artifacts in task.outputs.artifacts.values():
            for artifact in artifacts:
                yield task, artifact


def _state(task: TaskResult) -> Text:
    tries = f" (try {task.tries})" if task.tries > 1 else ""
    return Text(f"{task.state.value.lower()}{tries}", style=_STYLES[task.state])


def _first_line(message: str) -> str:
    return message.splitlines()[0] if message else ""
