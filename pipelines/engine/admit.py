"""Which tasks may run on this machine, and as which program: never another image's command."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement

from ...components.catalogue import COMPONENTS, ENTRYPOINT
from ..errors import CannotRunHere
from .limits import limit_of
from .plan import Container, Plan, Task
from .platform import grant, refuse_claims, unmet

_LIGHTWEIGHT: Final = (
    'program_path=$(mktemp -d) printf "%s" "$0" > "$program_path/ephemeral_component.py" '
    "_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main --component_module_path "
    '"$program_path/ephemeral_component.py" "$@"'
)
"""The shell script of kfp's lightweight Python components, with single spaces."""

_PIP: Final = re.compile(r"-m pip install (.*?)(?=&&|\n|$)")
_PIP_VALUES: Final = ("--index-url", "--extra-index-url", "--trusted-host")


@dataclass(frozen=True)
class Program:
    """What a container task is on this machine: a Python module with arguments.

    In a container of its own image it may be any command line: then there is no module.
    """

    module: str
    arguments: tuple[str, ...]
    source: str | None = None
    """The code of a lightweight component, to be written beside its outputs."""
    environment: tuple[tuple[str, str], ...] = ()
    timeout: float | None = None
    memory: str = ""
    """The most that it may hold, as Kubernetes writes it."""
    notes: tuple[str, ...] = ()
    """What was asked for and means nothing here, one sentence each."""
    image: str = ""
    """What it runs in, as the pipeline says; empty on the host."""
    image_id: str = ""
    """The digest of exactly that image."""
    cpu: str = ""
    """The processors that it may use, as Kubernetes writes it."""
    borrowed: tuple[str, ...] = ()
    """Variables of the caller's environment that it needs."""
    places: tuple[str, ...] = ()
    """Paths of this machine that it needs."""


def admit(plan: Plan) -> dict[str, Program]:
    """Give every container task of a plan its program, by path.

    Raises:
        CannotRunHere: for the first task that this machine cannot run, and why.
    """
    return {
        task.path: _program(task, task.work)
        for task in plan.walk()
        if isinstance(task.work, Container)
    }


def admit_containers(plan: Plan, identify: Callable[[str, str], str]) -> dict[str, Program]:
    """Give every container task of a plan its command line in its own image, by path.

    Args:
        plan: What to run.
        identify: Gives the digest of an image, which the task of that path wants; asked once.

    Raises:
        CannotRunHere: for the first task that cannot be run so, and why.
    """
    ids: dict[str, str] = {}
    programs: dict[str, Program] = {}
    for task in plan.walk():
        if isinstance(task.work, Container):
            program = _contained(task, task.work)
            if program.image not in ids:
                ids[program.image] = identify(program.image, task.path)
            programs[task.path] = replace(program, image_id=ids[program.image])
    return programs


def _contained(task: Task, container: Container) -> Program:
    spec, image = container.spec, container.spec.get("image", "")
    refuse_claims(task.path, image)
    command, arguments = tuple(spec.get("command", ())), tuple(spec.get("args", ()))
    if not command:
        raise CannotRunHere(
            given=f"task {task.path} has no command, only the image {image}",
            allowed="a command: Kubeflow's launcher takes the place of the image's own entrypoint",
            todo="write it out in dsl.ContainerSpec(command=[...])",
        )
    own = command[:-1] == ENTRYPOINT and command[-1] in COMPONENTS
    resources, granted = spec.get("resources", {}), grant(task.path, container.settings)
    return Program(
        module=ENTRYPOINT[-1] if own else "",
        arguments=(*(command[-1:] if own else command), *arguments),
        environment=tuple((env["name"], env.get("value", "")) for env in spec.get("env", ())),
        timeout=granted.timeout,
        memory=limit_of(resources),
        notes=(*granted.notes, *unmet(resources, contained=True)),
        image=image,
        cpu=str(resources.get("resourceCpuLimit") or resources.get("cpuLimit") or ""),
        borrowed=granted.borrowed,
        places=granted.places,
    )


def _program(task: Task, container: Container) -> Program:
    spec = container.spec
    refuse_claims(task.path, spec.get("image", ""))
    command, arguments = tuple(spec.get("command", ())), tuple(spec.get("args", ()))
    granted = grant(task.path, container.settings)
    notes = (*granted.notes, *unmet(spec.get("resources", {}), contained=False))
    environment = tuple((env["name"], env.get("value", "")) for env in spec.get("env", ()))
    memory = limit_of(spec.get("resources", {}))
    if command[:-1] == ENTRYPOINT and command[-1] in COMPONENTS:
        component = (command[-1], *arguments)
        return Program(ENTRYPOINT[-1], component, None, environment, granted.timeout, memory, notes)
    if not _is_lightweight(command):
        raise CannotRunHere(
            given=f"task {task.path} runs a command of the image {spec.get('image')!r}",
            allowed="lockstep's components and kfp's lightweight Python components; "
            "another image's command is never run on the host",
            todo="run it in its image with --runner docker, submit the pipeline to a cluster, or "
            "write the task as a @dsl.component",
        )
    for requirement, problem in _missing(command):
        raise CannotRunHere(
            given=f"task {task.path} wants the package {requirement!r}, {problem}",
            allowed="packages_to_install that this environment already has",
            todo="install it here, then run again; or run in containers: --runner docker",
        )
    environment = (("_KFP_RUNTIME", "true"), *environment)
    return Program(
        "kfp.dsl.executor_main", arguments, command[-1], environment, granted.timeout, memory, notes
    )


def _is_lightweight(command: tuple[str, ...]) -> bool:
    *before, shell, flag, script, _source = command if len(command) >= 4 else ("",) * 4
    installs = len(before) == 3 and before[:2] == ["sh", "-c"] and '"$0" "$@"' in before[2]
    return (
        (not before or installs)
        and (shell, flag) == ("sh", "-ec")
        and " ".join(script.replace("\\\n", " ").split()) == _LIGHTWEIGHT
    )


def _missing(command: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Give each package that the component would install and this environment lacks."""
    for install in _PIP.findall(command[2]) if len(command) > 4 else ():
        words = iter(shlex.split(install))
        wanted = [word for word in words if not (word in _PIP_VALUES and next(words))]
        own = "--no-deps" in wanted  # kfp's own line: any kfp that is installed serves
        for word in wanted:
            if not word.startswith("--") and (problem := _lacks(word, own)):
                yield word, problem


@cache
def _lacks(word: str, any_version: bool) -> str:
    try:
        requirement = Requirement(word)
    except InvalidRequirement:
        return "which is no plain requirement"
    if requirement.url:
        return "which comes from a URL"
    if requirement.marker and not requirement.marker.evaluate():
        return ""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return "which is not installed"
    fits = any_version or requirement.specifier.contains(version, prereleases=True)
    return "" if fits else f"but {version} is installed"
