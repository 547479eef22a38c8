"""`lockstep schedule`: what Kubeflow Pipelines or Vertex AI starts by itself, and when."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...components.catalogue import DEFAULT_IMAGE
from .runs import print_table
from .service import Bucket, Host, Namespace, Project, Region, Vertex, service
from .source import compiled_of, pairs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..ir import CompiledPipeline
    from ..remote.schedule import Delete, Scheduled, Scheduler, Step, Switch
    from ..remote.schedule_file import Change

app: Final = typer.Typer(
    help="What a pipeline service starts by itself, and when.", no_args_is_help=True
)

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be sent, and send nothing.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Named = Annotated[str, typer.Argument(metavar="NAME|ID", help="One of lockstep schedule list.")]
SourceRoot = Annotated[
    Path, typer.Option(help="The project's root: imports and module files start there.")
]
Image = Annotated[str, typer.Option(help="The runtime image that lockstep's components run in.")]
Target = Annotated[
    str, typer.Option(help="Refuse what this target would. [kfp or vertex; kfp-2.5, ...]")
]
_MARKS: Final = {"create": "+", "update": "~", "delete": "-", "keep": "="}


@app.command("create")
def create(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE.py[:NAME]|FILE.yaml",
            help="A pipeline's Python file, which is compiled first, or a compiled file.",
        ),
    ],
    name: Annotated[str, typer.Option(help="The schedule's name: a-z, 0-9 and -.")],
    host: Host = "",
    namespace: Namespace = "",
    vertex: Vertex = False,
    project: Project = "",
    region: Region = "",
    bucket: Bucket = "",
    cron: Annotated[
        str | None,
        typer.Option(help="minute hour day month weekday; or six fields, seconds first."),
    ] = None,
    interval: Annotated[
        str | None, typer.Option(help="Time from start to start, in place of --cron: 90s, 6h, 1d.")
    ] = None,
    time_zone: Annotated[
        str, typer.Option(help="Of --cron, such as Europe/Zurich; Vertex AI only.")
    ] = "UTC",
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="No run before: 2026-01-31T06:00:00Z.")
    ] = None,
    end: Annotated[str | None, typer.Option(metavar="TIME", help="No run after.")] = None,
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Make up for runs that were missed.")
    ] = False,
    max_concurrency: Annotated[int, typer.Option(help="So many runs at a time, 1 to 10.")] = 1,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A parameter of the pipeline; lists and structs in JSON. Repeat it for more.",
        ),
    ] = None,
    experiment: Annotated[str, typer.Option(help="Where its runs are listed.")] = "",
    service_account: Annotated[str, typer.Option(help="What its runs run as.")] = "",
    pipeline_root: Annotated[
        str, typer.Option(metavar="URL", help="Where its runs keep their artifacts.")
    ] = "",
    paused: Annotated[bool, typer.Option("--paused", help="Create it, but paused.")] = False,
    source_root: SourceRoot = Path(),
    image: Image = DEFAULT_IMAGE,
    target: Target = "",
    dry_run: DryRun = False,
) -> None:
    """Create a schedule; if just this one is there already, nothing is done."""
    from ..engine.parameters import from_text
    from ..remote.schedule import schedule_of, wanted_of
    from ..remote.schedule_file import COMMAND_LINE, creation

    scheduler = _scheduler(host, namespace, vertex, project, region, bucket)
    compiled = _compiled(source, image, source_root, target or _system(vertex))
    texts = pairs(param or [])
    schedule = schedule_of(
        name=name,
        pipeline=source,
        cron=cron,
        interval=interval,
        time_zone=time_zone,
        start=start,
        end=end,
        catch_up=catch_up,
        max_concurrency=max_concurrency,
        parameters=from_text(compiled.spec["root"].get("inputDefinitions", {}), texts),
        experiment=experiment,
        service_account=service_account,
        pipeline_root=pipeline_root,
        enabled=not paused,
    )
    change = creation(scheduler, wanted_of(schedule, compiled, COMMAND_LINE))
    if dry_run:
        typer.echo(json.dumps(_requests(scheduler, change.steps), indent=2))
        return
    scheduler.do(change.steps)
    _print_change(change)


@app.command("list")
def list_schedules(
    host: Host = "",
    namespace: Namespace = "",
    vertex: Vertex = False,
    project: Project = "",
    region: Region = "",
    as_json: AsJson = False,
) -> None:
    """List the schedules of the place, whoever has made them."""
    scheduler = _scheduler(host, namespace, vertex, project, region, "")
    found = sorted(scheduler.scheduled(), key=lambda one: one.schedule.name)
    if as_json:
        typer.echo(json.dumps([_facts(one) for one in found], indent=2, default=str))
    elif not found:
        typer.echo("no schedules")
    else:
        titles = ("name", "state", "when", "pipeline", "owner", "next run", "id")
        print_table(titles, map(_row, found))


@app.command("pause")
def pause(
    name: Named,
    host: Host = "",
    namespace: Namespace = "",
    vertex: Vertex = False,
    project: Project = "",
    region: Region = "",
    dry_run: DryRun = False,
) -> None:
    """Start no more runs; those that run go on."""
    from ..remote.schedule import Switch

    scheduler = _scheduler(host, namespace, vertex, project, region, "")
    _do(scheduler, Switch(_find(scheduler, name), enabled=False), dry_run, "paused")


@app.command("resume")
def resume(
    name: Named,
    host: Host = "",
    namespace: Namespace = "",
    vertex: Vertex = False,
    project: Project = "",
    region: Region = "",
    dry_run: DryRun = False,
) -> None:
    """Start runs again; those that were missed are made up for if the schedule says catch_up."""
    from ..remote.schedule import Switch

    scheduler = _scheduler(host, namespace, vertex, project, region, "")
    found = _find(scheduler, name)
    _do(scheduler, Switch(found, True, found.schedule.catch_up), dry_run, "resumed")


@app.command("delete")
def delete(
    name: Named,
    host: Host = "",
    namespace: Namespace = "",
    vertex: Vertex = False,
    project: Project = "",
    region: Region = "",
    dry_run: DryRun = False,
) -> None:
    """Delete a schedule; its runs stay."""
    from ..remote.schedule import Delete

    scheduler = _scheduler(host, namespace, vertex, project, region, "")
    _do(scheduler, Delete(_find(scheduler, name)), dry_run, "deleted")


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="See docs/schedule.md.")],
    host: Host = "",
    namespace: Namespace = "",
    vertex: Vertex = False,
    project: Project = "",
    region: Region = "",
    bucket: Bucket = "",
    source_root: SourceRoot = Path(),
    image: Image = DEFAULT_IMAGE,
    target: Target = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what differs, and change nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --dry-run: print the requests, too.")
    ] = False,
) -> None:
    """Let a service keep just the schedules of a file: create, update, and delete its owner's rest.

    What another owner has made, or nobody with lockstep, is left alone.
    """
    from ..remote.schedule import wanted_of
    from ..remote.schedule_file import changes, read_file

    given = read_file(file)
    scheduler = _scheduler(host, namespace, vertex, project, region, bucket)
    pipelines = {
        one.pipeline: _compiled(
            str(file.parent / one.pipeline), image, source_root, target or _system(vertex)
        )
        for one in given.schedules
    }
    wanted = [wanted_of(one, pipelines[one.pipeline], given.owner) for one in given.schedules]
    planned = changes(scheduler, wanted, list(scheduler.scheduled()), given.owner)
    if dry_run and as_json:
        facts = [
            {**vars(change), "steps": _requests(scheduler, change.steps)} for change in planned
        ]
        typer.echo(json.dumps(facts, indent=2, default=str))
        return
    for change in planned:
        if not dry_run:
            scheduler.do(change.steps)
        _print_change(change)
    if dry_run:
        typer.echo("nothing was changed", err=True)


def _scheduler(
    host: str, namespace: str, vertex: bool, project: str, region: str, bucket: str
) -> "Scheduler":
    where: Any = service(host, namespace, vertex, project, region, bucket)
    if vertex:
        from ..remote.schedule_vertex import VertexSchedules

        return VertexSchedules(where)
    from ..remote.schedule_kubeflow import KubeflowSchedules

    return KubeflowSchedules(where)


def _system(vertex: bool) -> str:
    return "vertex" if vertex else "kfp"


def _compiled(source: str, image: str, source_root: Path, target: str) -> "CompiledPipeline":
    """Compile a pipeline, or take a compiled file; both must pass the target's lint."""
    from ..lint import check

    compiled = compiled_of(source, image, source_root, (target,))
    check(compiled, (target,), portable=False)
    return compiled


def _find(scheduler: "Scheduler", name: str) -> "Scheduled":
    from ..remote.schedule_file import find

    return find(scheduler.scheduled(), name)


def _do(scheduler: "Scheduler", step: "Switch | Delete", dry_run: bool, done: str) -> None:
    """Do one step, or print its requests."""
    if dry_run:
        typer.echo(json.dumps(_requests(scheduler, [step]), indent=2))
        return
    scheduler.do((step,))
    assert step.old
    typer.echo(f"{done} {step.old.schedule.name}")


def _requests(scheduler: "Scheduler", steps: "Iterable[Step]") -> list[dict[str, Any]]:
    return [vars(request) for step in steps for request in scheduler.plan(step)]


def _print_change(change: "Change") -> None:
    typer.echo(f"{_MARKS[change.verb]} {change.name}  {change.verb}")
    for field, old, new in change.differences:
        typer.echo(f"    {field}: {_text(old, field)} -> {_text(new, field)}")


def _row(one: "Scheduled") -> tuple[str, ...]:
    schedule = one.schedule
    zone = f" {schedule.time_zone}" if schedule.time_zone != "UTC" else ""
    return (
        schedule.name,
        "completed" if one.completed else "enabled" if schedule.enabled else "paused",
        f"{schedule.cron}{zone}"
        if schedule.cron
        else f"every {_text(schedule.interval, 'interval')}",
        schedule.pipeline[: schedule.pipeline.find(":") + 13],
        one.owner,
        _text(one.next or ""),
        one.id.rpartition("/")[2],
    )


def _facts(one: "Scheduled") -> dict[str, Any]:
    facts = {name: getattr(one, name) for name in ("id", "owner", "next", "completed")}
    return facts | {name: getattr(one.schedule, name) for name in type(one.schedule).model_fields}


def _text(value: Any, field: str = "") -> str:
    """Write a value as in the file."""
    from ..remote.schedule import interval_to_text

    if field == "interval" and value:
        return interval_to_text(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return value if isinstance(value, str) else json.dumps(value)
