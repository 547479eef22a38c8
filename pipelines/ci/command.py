"""A step as a process: in a container of its image, or on this machine as it is."""

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..errors import CannotRunStep
from .build import Build, Step

WORKSPACE: Final = "/workspace"
HOME: Final = "/builder/home"
SOCKET: Final = "/var/run/docker.sock"
SCRIPT: Final = "/builder/script"
"""Where a container finds these."""

_OWN_COMMAND: Final = re.compile(r"gcr\.io/cloud-builders/([a-z0-9-]+)(:[\w.-]+)?(@sha256:\w+)?")
"""The images of Google's whose entrypoint is the command of their name."""
_NOT_PASSED: Final = re.compile("LOCKSTEP_.*|VIRTUAL_ENV|PYTHONPATH|PYTHONDONTWRITEBYTECODE")
"""What a step does not get from whoever starts it: on Cloud Build nobody would give it either."""


@dataclass(frozen=True)
class Place:
    """Where a build runs."""

    workspace: Path
    folder: Path
    """For what is beside the workspace: the home directory, scripts, logs."""
    build: str
    """Its id."""
    docker: bool = False
    socket: str = SOCKET
    shared: tuple[str, ...] = ()
    """Folders of this machine that containers see under the same path."""


@dataclass(frozen=True)
class Command:
    """What is to be started for a step."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    """The whole of it, for a process of this machine."""
    directory: Path
    own: Mapping[str, str]
    """What the step itself asks to have in its environment, less secrets."""
    script: str = ""
    """What has to lie in `script_file` before."""
    script_file: Path | None = None
    end: tuple[str, ...] = ()
    """Ends it, where a signal is not enough."""

    def __str__(self) -> str:
        """As one would type it, without secrets."""
        words = [*(f"{key}={value}" for key, value in self.own.items()), *self.words]
        return shlex.join(words)


def command_of(
    build: Build, number: int, place: Place, environ: Mapping[str, str], secrets: Mapping[str, str]
) -> Command:
    """Say what is to be started for a step of a build whose substitutions are made.

    Args:
        build: The whole build, for what holds for all steps.
        number: Which step.
        place: Where it runs.
        environ: The environment of whoever starts the build.
        secrets: The values of all secrets, by name.

    Raises:
        CannotRunStep: it needs its image, and there is to be no container.
    """
    step = build.steps[number]
    own = dict(_pairs((*build.options.env, *step.env)))
    taken = {name: secrets[name] for name in (*build.options.secret_env, *step.secret_env)}
    known = {
        name: value
        for name, value in environ.items()
        if name not in secrets and not _NOT_PASSED.fullmatch(name)
    }
    label = file_name(build.label(number))
    file = place.folder / "scripts" / label if step.script else None
    made = Command((), known | taken, place.workspace, own, _with_shebang(step.script), file)
    if place.docker:
        return _contained(build, step, place, made, label)
    return _here(build, number, place, made)


def _here(build: Build, number: int, place: Place, made: Command) -> Command:
    step = build.steps[number]
    if volumes := (*build.options.volumes, *step.volumes):
        raise _refused(build, number, f"mounts the volume {volumes[0].name}")
    builder = _OWN_COMMAND.fullmatch(step.name)
    entrypoint = made.script_file or step.entrypoint or (builder and builder[1])
    if not entrypoint:
        raise _refused(build, number, f"leaves its entrypoint to its image {step.name}")
    path = f"{place.workspace / '.venv/bin'}:{made.environment.get('PATH', os.defpath)}"
    environment = {**made.environment, "PATH": path, "PYTHONUNBUFFERED": "1", **made.own}
    words = (str(entrypoint), *step.args)
    return replace(made, words=words, environment=environment, directory=_inside(place, step))


def _inside(place: Place, step: Step) -> Path:
    """The step's directory; an absolute one in the workspace is meant to be in this one."""
    if step.dir == WORKSPACE or step.dir.startswith(WORKSPACE + "/"):
        return place.workspace / step.dir.removeprefix(WORKSPACE).lstrip("/")
    return place.workspace / step.dir


def _contained(build: Build, step: Step, place: Place, made: Command, label: str) -> Command:
    name = f"lockstep-{place.build}-{label}"
    directory = str(Path(WORKSPACE, step.dir))
    mounts = [f"{place.workspace}:{WORKSPACE}", f"{place.folder / 'home'}:{HOME}"]
    mounts.append(f"{place.socket}:{SOCKET}")
    mounts += [f"{one}:{one}" for one in place.shared]
    volumes = (*build.options.volumes, *step.volumes)
    mounts += [f"lockstep-{place.build}-{one.name}:{one.path}" for one in volumes]
    if made.script_file:
        mounts.append(f"{made.script_file}:{SCRIPT}:ro")
    entrypoint = SCRIPT if made.script_file else step.entrypoint
    environment = [f"{key}={value}" for key, value in {"HOME": HOME, **made.own}.items()]
    environment += [*build.options.secret_env, *step.secret_env]  # values: not on a command line
    words = (
        *("docker", "run", "--rm", "--name", name, "--network", "host"),
        *(word for mount in mounts for word in ("--volume", mount)),
        *("--workdir", directory),
        *(word for one in environment for word in ("--env", one)),
        *(("--entrypoint", entrypoint) if entrypoint else ()),
        *(step.name, *step.args),
    )
    end = ("docker", "kill", name)
    return replace(made, words=words, own={}, end=end)


def file_name(label: str) -> str:
    """A step's label as files and containers may be called.

    >>> file_name("#3"), file_name("build the image")
    ('3', 'build-the-image')
    """
    return re.sub(r"[^\w.-]+", "-", label).strip("-.")


def volumes_of(build: Build, place: Place) -> tuple[str, ...]:
    """The volumes that containers of a build make, to be removed after it."""
    if not place.docker:
        return ()
    volumes = (*build.options.volumes, *(one for step in build.steps for one in step.volumes))
    return tuple(sorted({f"lockstep-{place.build}-{one.name}" for one in volumes}))


def secret_names(build: Build) -> tuple[str, ...]:
    """What the steps of a build want to have as secrets."""
    own = {name for step in build.steps for name in step.secret_env}
    return tuple(sorted({*build.options.secret_env, *own}))


def _pairs(lines: tuple[str, ...]) -> list[tuple[str, str]]:
    split = (line.partition("=") for line in lines)
    return [(name, value) for name, _, value in split]


def _with_shebang(script: str) -> str:
    if not script or script.startswith("#!"):
        return script
    return f"#!/usr/bin/env bash\n{script}"


def _refused(build: Build, number: int, what: str) -> CannotRunStep:
    return CannotRunStep(
        given=f"step {build.label(number)} {what}",
        allowed="without containers: steps with an entrypoint or a script, and no volumes",
        todo="run the build where Docker is: --docker",
    )
