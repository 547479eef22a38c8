"""`lockstep submit`: start a run on Kubeflow Pipelines or Vertex AI."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...components.catalogue import DEFAULT_IMAGE
from ...serving.errors import Exit
from .service import Bucket, Host, Namespace, Project, Region, Vertex, flags, service
from .source import compiled_of, pairs

if TYPE_CHECKING:
    from ..engine.result import TaskResult
    from ..ir import CompiledPipeline
    from ..remote.service import Run, Service, TaskState

app: Final = typer.Typer()


@app.command("submit")
def submit_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE.py[:NAME]|FILE.yaml",
            help="A pipeline's Python file, which is compiled first, or a compiled file.",
        ),
    ],
    host: Host = "",
    namespace: Namespace = "",
    vertex: Vertex = False,
    project: Project = "",
    region: Region = "",
    bucket: Bucket = "",
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A parameter of the pipeline; lists and structs in JSON. Repeat it for more.",
        ),
    ] = None,
    experiment: Annotated[
        str,
        typer.Option(
            envvar="KF_PIPELINES_DEFAULT_EXPERIMENT_NAME",
            help="What the run belongs to; it is added if need be. [Kubeflow: Default]",
        ),
    ] = "",
    name: Annotated[
        str,
        typer.Option(help="The run's name; the same name, the same run. [PIPELINE-TIME-...]"),
    ] = "",
    why: Annotated[str, typer.Option(help="Why the run is started: one of its labels.")] = "",
    service_account: Annotated[
        str, typer.Option(help="The account that the steps run as, if not the service's default.")
    ] = "",
    pipeline_root: Annotated[
        str, typer.Option(metavar="URL", help="Where artifacts go, if not to the default place.")
    ] = "",
    cache: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Take outputs of earlier runs."),
    ] = True,
    source_root: Annotated[
        Path, typer.Option(help="The project's root: imports and module files start there.")
    ] = Path(),
    image: Annotated[
        str, typer.Option(help="The runtime image that lockstep's components run in.")
    ] = DEFAULT_IMAGE,
    target: Annotated[
        str, typer.Option(help="Refuse what this target would. [kfp or vertex; kfp-2.5, ...]")
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the run, and end with its verdict.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.01, help="Seconds between two looks at the run, with --wait.")
    ] = 5.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be sent, as JSON, and send nothing.")
    ] = False,
) -> None:
    """Submit a pipeline: upload it as a version named by its digest, and start a run of it.

    Exit codes: 0 done, 2 wrong parameter, 3 refused by the lint, 9 service unavailable, 10 service
    refused; with --wait: 4 a step failed, 5 not blessed and so not pushed, 11 cancelled.
    """
    from ..lint import check
    from ..remote.submission import submission_of

    where = service(host, namespace, vertex, project, region, bucket)
    targets = (target or ("vertex" if vertex else "kfp"),)
    compiled = compiled_of(source, image, source_root, targets)
    check(compiled, targets, portable=False)
    submission = submission_of(
        compiled,
        pairs(param or []),
        name=name,
        why=why,
        directory=Path(source.partition(":")[0]).parent,
        experiment=experiment,
        pipeline_root=pipeline_root,
        cache=cache,
        service_account=service_account,
    )
    if dry_run:
        typer.echo(json.dumps([vars(request) for request in where.plan(submission)], indent=2))
        return
    run = where.submit(submission)
    typer.echo(f"{run.name}  sha256:{submission.pipeline.digest}")
    typer.echo(f"run {run.id}: {run.url}")
    here = flags(host, namespace, vertex, project, region)
    if wait:
        raise typer.Exit(_wait(where, run, compiled, every, here))
    typer.echo(f"next: lockstep runs show {run.id}{here}")


def _wait(
    where: "Service", run: "Run", compiled: "CompiledPipeline", every: float, here: str
) -> int:
    """Show a run's progress until it ends, and what came of it; interrupted, the run goes on."""
    from ..remote.follow import follow
    from .progress import progress

    try:
        with progress() as listen:
            ended = follow(where, run.id, _told(listen), every=every)
    except KeyboardInterrupt:
        typer.echo(f"the run goes on; to end it: lockstep runs cancel {run.id}{here}", err=True)
        raise
    typer.echo(f"\n{ended.name} {ended.state.value.lower()}: {ended.url}")
    for task in ended.tasks:
        if task.state.value == "FAILED":
            log = f"lockstep runs logs {run.id} {task.name}{here}"
            typer.echo(f"error: {task.name}: {task.message or 'failed'}\n  log: {log}", err=True)
    return _verdict(where, ended, compiled)


def _verdict(where: "Service", ended: "Run", compiled: "CompiledPipeline") -> Exit:
    from ..errors import RunError, ServiceError
    from ..remote.follow import verdict

    try:
        code, reason = verdict(where, ended, compiled)
    except (ServiceError, RunError) as error:
        print(f"whether the model was blessed is not known: {error}", file=sys.stderr)  # noqa: T201
        return Exit.OK
    if code is Exit.NOT_BLESSED:
        typer.echo(f"nothing was pushed: {reason or 'the model was not blessed'}")
    return code


def _told(listen: "Callable[[TaskResult], None]") -> "Callable[[TaskState], None]":
    """Tell a service's tasks as the local engine's are told."""
    from ..engine.result import State, TaskResult

    def tell(task: "TaskState") -> None:
        if task.state.value in State.__members__:
            took = task.ended - task.started if task.ended and task.started else None
            seconds = took.total_seconds() if took else 0.0
            listen(TaskResult(task.name, State(task.state.value), task.message, seconds))

    return tell
