"""`lockstep runs`: what has run and runs, on this machine, Kubeflow Pipelines or Vertex AI."""

import json
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from .service import Host, Namespace, Project, Region, Root, Vertex, runs_of

if TYPE_CHECKING:
    from ..remote.service import Run, TaskState

app: Final = typer.Typer(
    help="Runs on this machine, on Kubeflow Pipelines (--host) or on Vertex AI (--vertex).",
    no_args_is_help=True,
)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Its id; see `lockstep runs list`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_command(
    host: Host = "",
    namespace: Namespace = "",
    vertex: Vertex = False,
    project: Project = "",
    region: Region = "",
    root: Root = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest runs, newest first."""
    found = list(runs_of(host, namespace, vertex, project, region, root).newest(limit))
    if as_json:
        _print_json([{k: v for k, v in _plain(run).items() if k != "tasks"} for run in found])
        return
    rows = (
        (
            run.id,
            run.name,
            _state(run),
            _moment(run.created),
            _took(run.created, run.ended),
            run.labels.get("why", ""),
        )
        for run in found
    )
    print_table(("run", "name", "state", "started", "took", "why"), rows)


@app.command("show")
def show_command(
    run: RunId,
    host: Host = "",
    namespace: Namespace = "",
    vertex: Vertex = False,
    project: Project = "",
    region: Region = "",
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Show one run and its tasks."""
    found = runs_of(host, namespace, vertex, project, region, root).get(run)
    if as_json:
        _print_json(_plain(found))
        return
    typer.echo(f"{found.id}  {found.name}  {_state(found)}")
    took = _took(found.created, found.ended)
    typer.echo(f"started {_moment(found.created)}, took {took}, at {found.url}")
    for label, value in found.labels.items():
        typer.echo(f"{label}: {value}")
    for name, value in found.parameters.items():
        typer.echo(f"parameter {name}: {json.dumps(value, ensure_ascii=False)}")
    if found.message:
        typer.echo(found.message)
    typer.echo()
    rows = (
        (t.name, *_progress(t, t.started), t.message.partition("\n")[0][:200])  # its log follows
        for t in found.tasks
    )
    print_table(("task", "state", "started", "took", "message"), rows)


@app.command("cancel")
def cancel_command(
    run: RunId,
    host: Host = "",
    namespace: Namespace = "",
    vertex: Vertex = False,
    project: Project = "",
    region: Region = "",
    root: Root = None,
) -> None:
    """Cancel a run; one that has ended stays as it is."""
    where = runs_of(host, namespace, vertex, project, region, root)
    before = where.get(run)
    after = before if before.state.ended else where.cancel(run)
    ended = ": it had ended before" if before.state.ended else ""
    typer.echo(f"{after.id} {_state(after)}{ended}")


@app.command("logs")
def logs_command(
    run: RunId,
    task: Annotated[str, typer.Argument(help="Only this task.", show_default=False)] = "",
    host: Host = "",
    namespace: Namespace = "",
    vertex: Vertex = False,
    project: Project = "",
    region: Region = "",
    root: Root = None,
) -> None:
    """Print what a run's tasks have printed, each line behind its task's name."""
    where = runs_of(host, namespace, vertex, project, region, root)
    for line in where.logs(run, task):
        sys.stdout.write(f"{line}\n")


def _plain(run: "Run") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(run)


def _print_json(value: Any) -> None:
    def text(one: object) -> str:
        return one.isoformat() if isinstance(one, datetime) else str(one)

    typer.echo(json.dumps(value, indent=2, default=text))


def print_table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows under their titles; what is not a terminal is wide."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    width = None if sys.stdout.isatty() else 240
    Console(highlight=False, width=width).print(table)


def _state(one: "Run | TaskState") -> str:
    return str(one.state.value).lower()


def _progress(one: "Run | TaskState", started: datetime | None) -> tuple[str, str, str]:
    return _state(one), _moment(started), _took(started, one.ended)


def _moment(when: datetime | None) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S") if when else ""


def _took(started: datetime | None, ended: datetime | None) -> str:
    if started is None:
        return ""
    seconds = ((ended or datetime.now(timezone.utc)) - started).total_seconds()
    minutes, rest = divmod(int(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
