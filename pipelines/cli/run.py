"""`lockstep run`: execute a pipeline on this machine, from its compiled form."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ...components.catalogue import DEFAULT_IMAGE
from .source import compiled_of, pairs

app: Final = typer.Typer()


class Runner(str, Enum):
    """Who runs the steps."""

    HOST = "host"
    DOCKER = "docker"


@app.command("run")
def run_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE.py[:NAME]|FILE.yaml",
            help="A pipeline's Python file, which is compiled first, or a compiled file.",
            show_default=False,
        ),
    ] = "",
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A parameter of the pipeline; lists and structs in JSON. Repeat it for more.",
        ),
    ] = None,
    root: Annotated[Path, typer.Option(help="Where runs are kept, each in runs/RUN.")] = Path(
        ".lockstep"
    ),
    project: Annotated[
        Path, typer.Option(help="The project's root: imports and module files start there.")
    ] = Path(),
    image: Annotated[
        str, typer.Option(help="The runtime image to compile for, which --runner docker uses.")
    ] = DEFAULT_IMAGE,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="At most so many steps at once. [processors]")
    ] = None,
    cache: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Take outputs of earlier runs where they fit."),
    ] = True,
    resume: Annotated[
        str,
        typer.Option(
            metavar="RUN", help="Go on with a run that was interrupted, in place of a new one."
        ),
    ] = "",
    runner: Annotated[
        Runner, typer.Option(help="Run steps on this host, or each in a container of its image.")
    ] = Runner.HOST,
    volume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH[:rw]",
            help="What containers see besides the project and --root, read-only or for writing.",
        ),
    ] = None,
    network: Annotated[
        str, typer.Option(help="The Docker network of the containers. [Docker's default]")
    ] = "",
    openlineage: Annotated[
        str, typer.Option(metavar="FILE|URL", help="Where OpenLineage events go.")
    ] = "",
) -> None:
    """Run a pipeline on this machine.

    Exit codes: 0 done, 2 wrong parameter, 3 broken pipeline, 4 a step failed, 5 not blessed and so
    not pushed, 6 model store, 7 this machine cannot, 8 data refused, 130 interrupted.
    """
    from ..engine.engine import resume as resume_run, run
    from ..engine.parameters import from_text
    from .progress import conclude, progress

    contained = runner is Runner.DOCKER
    if bool(source) == bool(resume) or (resume and (param or contained)):
        message = "either a pipeline with parameters and runner, or --resume RUN, which has them"
        raise typer.BadParameter(message)
    if (volume or network) and not contained:
        message = "--volume and --network are for --runner docker"
        raise typer.BadParameter(message)
    manner: dict[str, Any] = {
        "root": root,
        "jobs": jobs,
        "cache": cache,
        "openlineage": openlineage,
    }
    if resume:
        with progress() as listen:
            result = resume_run(resume, listen=listen, **manner)
        raise typer.Exit(conclude(result))
    if contained:
        from ..engine.docker import Docker

        manner["docker"] = Docker(tuple(volume or ()), network)
    compiled = compiled_of(source, image, project)
    inputs = compiled.spec["root"].get("inputDefinitions", {})
    values = {**compiled.here, **from_text(inputs, pairs(param or []))}
    with progress() as listen:
        result = run(compiled, values, project=project, listen=listen, **manner)
    raise typer.Exit(conclude(result))
