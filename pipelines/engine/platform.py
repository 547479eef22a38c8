"""What a task asks of Kubernetes, on a machine that is none.

A timeout is kept. What says where a pod goes and how its image comes means nothing here, and is
said. A step without its secret or its volume would be wrong, so these are looked for on this
machine under the names that the step knows: a variable in the caller's environment, a path. What is
not there is refused before anything starts, with a way to put it there.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import CannotRunHere
from .values import Json

_HINTS: Final = (
    "enabledSharedMemory",
    "imagePullPolicy",
    "imagePullSecret",
    "nodeAffinity",
    "nodeSelector",
    "podAffinity",
    "podMetadata",
    "securityContext",
    "tolerations",
)
_VARIABLES: Final = {"secretAsEnv": "secret", "configMapAsEnv": "config map"}
_PATHS: Final = {
    "secretAsVolume": "secret",
    "configMapAsVolume": "config map",
    "pvcMount": "volume claim",
    "genericEphemeralVolume": "volume",
    "emptyDirMounts": "directory",
}
_NAMES: Final = ("secretName", "configMapName", "volumeName", "constant")
_TIMEOUT: Final = "activeDeadlineSeconds"


@dataclass(frozen=True)
class Granted:
    """What a task gets here of what it asks Kubernetes for."""

    timeout: float | None = None
    borrowed: tuple[str, ...] = ()
    """Variables that it takes from the caller's environment; their values are written nowhere."""
    places: tuple[str, ...] = ()
    """Paths of this machine that stand for its secrets, config maps and volumes."""
    notes: tuple[str, ...] = ()
    """One sentence for everything that is otherwise than on Kubernetes."""


def grant(
    path: str,
    settings: Json,
    environment: Mapping[str, str] = os.environ,
    is_there: Callable[[str], bool] = os.path.exists,
) -> Granted:
    """Say what a task gets on this machine.

    Args:
        path: The task.
        settings: What its platform document says, as kfp-kubernetes writes it.
        environment: Where a variable is looked for.
        is_there: Whether a path is there.

    Raises:
        CannotRunHere: it needs something that is not here.
    """
    known = {*_HINTS, *_VARIABLES, *_PATHS, _TIMEOUT, "fieldPathAsEnv"}
    for key in sorted(settings.keys() - known):
        raise CannotRunHere(
            given=f"task {path} asks Kubernetes for {key}",
            allowed="a timeout, secrets, config maps and volumes; of no effect: "
            + ", ".join(_HINTS),
            todo="submit the pipeline to a cluster, or leave the setting out for local runs",
        )
    notes = [f"{key} means nothing on this machine" for key in settings if key in _HINTS]
    borrowed: list[str] = []
    places: list[str] = []
    for variable, source, optional in _variables(settings):
        if variable in environment:
            borrowed.append(variable)
            notes.append(f"{variable} is the caller's own variable, not that of {source}")
        elif optional:
            notes.append(f"{variable} is not set: {source} may be missing")
        else:
            raise _missing(path, f"{variable} from {source}", f"export {variable}=...")
    for place, source, optional in _places(settings):
        if is_there(place):
            places.append(place)
            notes.append(f"{place} is this machine's own, not that of {source}")
        elif optional:
            notes.append(f"{place} is not there: {source} may be missing")
        else:
            todo = f"make {place} here with what the step needs in it"
            raise _missing(path, f"{source} at {place}", todo)
    deadline = settings.get(_TIMEOUT)
    timeout = float(deadline) if deadline else None
    return Granted(timeout, tuple(borrowed), tuple(places), tuple(notes))


def refuse_claims(path: str, image: str) -> None:
    """Refuse a task that makes or removes a volume claim: the driver does it, in no container.

    Raises:
        CannotRunHere: it is one.
    """
    if image.startswith("argostub/"):
        raise CannotRunHere(
            given=f"task {path} makes or removes a volume claim of its cluster",
            allowed="volumes that are there: mount_pvc of a path that this machine has",
            todo="name an existing claim in the pipeline, or submit it to a cluster",
        )


def unmet(resources: Json, *, contained: bool) -> Iterator[str]:
    """Say which of a container's resources are not what they would be on a cluster.

    Args:
        resources: What its executor says; a limit of memory is kept everywhere.
        contained: It runs in a container, which keeps a limit of processors, too.
    """
    for kind in ("CpuLimit", "CpuRequest", "MemoryRequest"):
        asked = resources.get(f"resource{kind}") or resources.get(kind[0].lower() + kind[1:])
        if asked and not (contained and kind == "CpuLimit"):
            yield f"resource{kind} {asked} is not enforced on this machine"
    if accelerator := resources.get("accelerator"):
        kind = accelerator.get("resourceType") or accelerator.get("type")
        yield f"accelerator {kind} is not arranged for: the step finds what this machine has"


def _variables(settings: Json) -> Iterator[tuple[str, str, bool]]:
    """Each variable, where it comes from, and whether that may be missing."""
    for key, kind in _VARIABLES.items():
        for item in settings.get(key, ()):
            for pair in item.get("keyToEnv", ()):
                yield pair["envVar"], _called(kind, item), bool(item.get("optional"))
    for item in settings.get("fieldPathAsEnv", ()):
        yield item["name"], f"the pod's {item['fieldPath']}", False


def _places(settings: Json) -> Iterator[tuple[str, str, bool]]:
    """Each path that is mounted, what it holds, and whether that may be missing."""
    for key, kind in _PATHS.items():
        for item in settings.get(key, ()):
            yield item["mountPath"], _called(kind, item), bool(item.get("optional"))


def _called(kind: str, item: Json) -> str:
    """A secret, map or claim with its name, if the file says it."""
    names: list[Any] = [value for key, value in item.items() if key in _NAMES]
    for key, value in item.items():
        if key.endswith("NameParameter"):
            names.append(value.get("runtimeValue", {}).get("constant"))
    name = next((name for name in names if isinstance(name, str)), "")
    return f"the {kind} {name}".rstrip()


def _missing(path: str, what: str, todo: str) -> CannotRunHere:
    return CannotRunHere(
        given=f"task {path} needs {what}, which only its cluster has",
        allowed="a variable of that name in the caller's environment, or a file or directory at "
        "that path, in its place",
        todo=f"{todo}, then run again; or submit the pipeline to a cluster",
    )
