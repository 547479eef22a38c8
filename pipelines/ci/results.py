"""What a build's steps tell each other: one JSON file for each step, in the workspace."""

import json
from pathlib import Path
from typing import Any, Final

from ..errors import MissingResult

FOLDER: Final = Path(".lockstep/ci")
"""Where they lie unless told otherwise; git ignores it."""


def write(folder: Path, name: str, result: Any) -> Path:
    """Write what a step has found; it replaces what was there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return path


def read(folder: Path, name: str) -> Any:
    """Read what the step before has found.

    Raises:
        MissingResult: it has not run here, or what it wrote is damaged.
    """
    path = folder / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingResult(
            given=f"{path} cannot be read: {error}",
            allowed=f"what the step before wrote there: lockstep ci {name}",
            todo="run that step first, in the same directory, or name its --folder",
        ) from error


def found(folder: Path, name: str) -> Any:
    """The same, or None where the step has left nothing."""
    return read(folder, name) if (folder / f"{name}.json").exists() else None


def version_of(folder: Path, name: str, model: str) -> tuple[str, str]:
    """A model and the version or alias that is meant: the one named, or else a step's result.

    Raises:
        MissingResult: none is named, and the step has not run here, or was about another model.
    """
    own, _, reference = model.partition("@")
    if reference:
        return own, reference
    result = read(folder, name)
    if result["model"] != own:
        raise MissingResult(
            given=f"lockstep ci {name} was about {result['model']}, not {own}",
            allowed=f"the same model in every step, or {own}@VERSION",
            todo="correct the name",
        )
    return own, str(result["version"])
