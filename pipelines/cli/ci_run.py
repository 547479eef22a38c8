"""`lockstep ci run`: the steps of a Cloud Build file, on this machine."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .source import pairs

if TYPE_CHECKING:
    from ..ci.build import Build
    from ..ci.command import Command, Place
    from ..ci.execute import BuildResult


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The Cloud Build file.")] = Path(
        "cloudbuild.yaml"
    ),
    substitution: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="In place of the file's default, or of what Cloud Build sets. Repeat it for more.",
        ),
    ] = None,
    commit: Annotated[str, typer.Option(help="What is built: never what is uncommitted.")] = "HEAD",
    docker: Annotated[
        bool, typer.Option("--docker", help="Each step in a container of its image.")
    ] = False,
    volume: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="With --docker: containers see and write it, under the same path; repeat it.",
        ),
    ] = None,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Each build has a folder of its own in it.")
    ] = Path(".lockstep/builds"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the workspace even if all went well.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be run, and run nothing.")
    ] = False,
) -> None:
    """Run the steps of a Cloud Build file on this machine, in a clone of a commit.

    Steps that do not wait for each other run side by side, as processes or with --docker in
    containers. Secrets are taken from the environment, by the names that the steps know them by.

    Exit codes: 0 all went well, 2 a wrong substitution or commit, 3 the file is wrong, 4 a step
    failed or took too long, 7 this machine cannot run a step, 130 interrupted.
    """
    from ..ci.build import load, substituted
    from ..ci.command import Place, command_of, volumes_of
    from ..ci.execute import execute
    from ..ci.workspace import collect, prepare, source, uncommitted

    if volume and not docker:
        raise typer.BadParameter(message="--volume is for --docker")
    written, given = load(file), pairs(substitution or [])
    found = source(Path(), commit, given.get("BUILD_ID") or str(uuid.uuid4()), given)
    build = _unmapped(substituted(written, _marked(found.substitutions)))
    name = found.substitutions["BUILD_ID"]
    home = (folder / name).absolute()
    shared = tuple(str(one.absolute()) for one in volume or ())
    place = Place(home / "workspace", home, name, docker, _socket(), shared)
    secrets = _secrets(build, dry_run)
    commands = [
        command_of(build, number, place, os.environ, secrets) for number in range(len(build.steps))
    ]
    _all_known(build, commands)
    if dry_run:
        _print_plan(build, commands, place)
        return
    if count := uncommitted(found.root):
        typer.echo(f"{count} files that are not committed are not part of this build", err=True)
    prepare(found, home)
    typer.echo(f"build {name} of {found.commit} in {home}")
    try:
        result = execute(build, commands, home / "logs", _tell)
    finally:
        for made in volumes_of(build, place):
            subprocess.run(["docker", "volume", "rm", made], capture_output=True, check=False)
    _conclude(build, result, name)
    for path in collect(build, place.workspace, home):
        typer.echo(f"artifact {path}")
    if build.images:
        typer.echo(f"not pushed, as Cloud Build would: {', '.join(build.images)}")
    if not keep:
        shutil.rmtree(place.workspace)


def _tell(step: str, line: str) -> None:
    typer.echo(f"{step} | {line}")


def _marked(known: Mapping[str, str]) -> dict[str, str]:
    """Values for substitutions, where what is not known is marked: it may be of no use."""
    from ..ci.workspace import UNKNOWN

    return {**{key: f"\0{key}\0" for key in UNKNOWN}, **known}


def _unmapped(build: "Build") -> "Build":
    """Without what automapSubstitutions has put into environments although nobody knows it."""
    from ..ci.workspace import UNKNOWN

    marked = {f"{key}=\0{key}\0" for key in UNKNOWN}
    steps = (
        step.model_copy(update={"env": tuple(one for one in step.env if one not in marked)})
        for step in build.steps
    )
    return build.model_copy(update={"steps": tuple(steps)})


def _all_known(build: "Build", commands: "list[Command]") -> None:
    from ..errors import BadSubstitution

    for number, command in enumerate(commands):
        for text in (*command.words, *command.own.values()):
            if "\0" in text:
                key = text.split("\0")[1]
                raise BadSubstitution(
                    given=f"step {build.label(number)} uses ${key}, which nobody knows here",
                    allowed="the value that it would have on Cloud Build, or other values for the "
                    "substitutions that use it",
                    todo=f"--substitution {key}=...",
                )


def _secrets(build: "Build", dry_run: bool) -> dict[str, str]:
    from ..ci.command import secret_names
    from ..errors import CannotRunStep

    names = secret_names(build)
    missing = [name for name in names if name not in os.environ]
    if missing and not dry_run:
        raise CannotRunStep(
            given=f"the secret {missing[0]} is not in the environment",
            allowed=f"all of the build's secrets, as variables: {', '.join(names)}",
            todo=f"{missing[0]}=... lockstep ci run ...; anything, if what it is for asks for none",
        )
    return {name: os.environ.get(name, "") for name in names}


def _socket() -> str:
    from ..ci.command import SOCKET

    scheme, _, path = os.environ.get("DOCKER_HOST", "").partition("://")
    return path if scheme == "unix" else SOCKET


def _print_plan(build: "Build", commands: "list[Command]", place: "Place") -> None:
    from ..ci.build import waits
    from ..ci.execute import LIMIT

    typer.echo(f"in {place.workspace}, at most {build.timeout or LIMIT:g} s")
    for number, (command, earlier) in enumerate(zip(commands, waits(build), strict=True)):
        step = build.steps[number]
        after = ", ".join(build.label(one) for one in sorted(earlier)) or "nothing"
        facts = [f"after {after}"]
        facts += [f"at most {step.timeout:g} s"] if step.timeout else []
        facts += [f"secret {one}" for one in (*build.options.secret_env, *step.secret_env)]
        facts += ["may fail"] if step.allow_failure else []
        facts += [f"may end with {code}" for code in step.allow_exit_codes]
        typer.echo(f"\n{build.label(number)}: {'; '.join(facts)}\n  {command}")


def _conclude(build: "Build", result: "BuildResult", name: str) -> None:
    """Print what came of it.

    Raises:
        StepFailed: not what it should.
    """
    from ..ci.execute import LIMIT
    from ..errors import StepFailed
    from .runs import print_table

    typer.echo("")
    rows = []
    for step in result.steps:
        code = "" if step.code is None else str(step.code)
        log = str(step.log) if step.log.exists() else ""
        rows.append((step.name, step.state.value, code, f"{step.seconds:.1f}", log))
    print_table(("step", "state", "code", "seconds", "log"), rows)
    typer.echo("")
    if result.passed:
        typer.echo(f"build {name}: succeeded in {result.seconds:.1f} s")
        return
    limit = build.timeout or LIMIT
    what = [
        f"step {s.name} {s.state.value}{f' ({s.code})' if s.code else ''}" for s in result.failed
    ]
    what += [f"it took longer than {limit:g} s"] if result.late else []
    logs = [str(step.log) for step in result.failed]
    raise StepFailed(
        given=f"build {name}: {'; '.join(what)}",
        allowed="every step ends with 0, or as it may, in its time",
        todo=f"read {', '.join(logs)}" if logs else "give it more time, or its steps less to do",
    )
