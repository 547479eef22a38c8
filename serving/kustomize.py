"""Kubernetes objects as kustomize renders them from an overlay."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from .errors import Exit, LockstepError

OLDEST_KUBECTL: Final = (1, 27)
"""The first whose kustomize (5.0) knows all that the manifests say."""
OLDEST_KUSTOMIZE: Final = (5, 0)

GET_ONE: Final = (
    "install kustomize >= 5.0 or kubectl >= 1.27 (kubernetes.io/docs/tasks/tools); "
    "the kubernetes-client of Debian 12 is too old"
)


class MissingKustomize(LockstepError):
    """Neither kustomize nor kubectl is installed here, or both are too old."""

    exit_code = Exit.ENVIRONMENT


class BadOverlay(LockstepError):
    """kustomize refuses an overlay."""

    exit_code = Exit.DEFINITION


def render(overlay: Path) -> list[dict[str, Any]]:
    """The objects of an overlay, in the order in which they are applied.

    Raises:
        MissingKustomize: there is no kustomize, nor a kubectl that brings one.
        BadOverlay: it cannot be rendered; kustomize's own words say why.
    """
    ran = subprocess.run([*command(), str(overlay)], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise BadOverlay(
            given=f"{overlay}: {ran.stderr.strip()}",
            allowed="a directory with a kustomization.yaml that renders",
            todo="mend what kustomize names",
        )
    return [found for found in yaml.load_all(ran.stdout, Loader=_loader()) if found]


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def command() -> list[str]:
    """The command that renders the directory given as its last argument.

    Raises:
        MissingKustomize: there is none, or it is too old.
    """
    found: list[str] = []
    for name, ask, oldest, build in (
        ("kustomize", ["version"], OLDEST_KUSTOMIZE, "build"),
        ("kubectl", ["version", "--client"], OLDEST_KUBECTL, "kustomize"),
    ):
        if path := shutil.which(name):
            ran = subprocess.run([path, *ask], capture_output=True, text=True, check=False)
            version = re.search(r"v(\d+)\.(\d+)", ran.stdout)
            if version and (int(version[1]), int(version[2])) >= oldest:
                return [path, build]
            found.append(f"{name} {version[0] if version else 'of unknown version'}")
    raise MissingKustomize(
        given=f"to render manifests there is only {', '.join(found)}"
        if found
        else "there is no kustomize and no kubectl on the PATH",
        allowed="kustomize >= 5.0, or kubectl >= 1.27, which brings it",
        todo=GET_ONE,
    )
