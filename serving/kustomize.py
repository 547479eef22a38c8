"""The objects of a kustomize overlay, by whichever kustomize is installed."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from .errors import KustomizeFailed, MissingKustomize

__all__ = ["render"]

_OLDEST: Final = (1, 27)


def render(overlay: Path) -> list[dict[str, Any]]:
    """The objects of an overlay, in kustomize's order.

    Raises:
        MissingKustomize: there is neither a kustomize nor a kubectl 1.27 or newer.
        KustomizeFailed: the overlay does not render.
    """
    import yaml

    done = subprocess.run([*_command(), str(overlay)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise KustomizeFailed(
            given=f"{overlay}: {done.stderr.strip()[-1000:]}",
            allowed="a directory with a kustomization.yaml that renders",
            todo=f"kubectl kustomize {overlay}",
        )
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def _command() -> list[str]:
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    found = "none"
    if shutil.which("kubectl"):
        said = subprocess.run(
            ["kubectl", "version", "--client", "-o", "json"],
            capture_output=True,
            text=True,
            check=False,
        )
        version = json.loads(said.stdout or "{}").get("clientVersion", {})
        numbers = [re.sub(r"\D", "", version.get(part, "")) or "0" for part in ("major", "minor")]
        if tuple(map(int, numbers)) >= _OLDEST:
            return ["kubectl", "kustomize"]
        found = f"kubectl {'.'.join(numbers)}"
    raise MissingKustomize(
        given=f"no kustomize on the PATH, and {found}",
        allowed="kustomize 5, or kubectl 1.27 or newer (Debian 12's own is 1.20)",
        todo="install one of them: https://kubernetes.io/docs/tasks/tools",
    )
