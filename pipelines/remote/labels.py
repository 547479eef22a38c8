"""What a run is labelled with: which commit, which compiled file, and why it was started."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

LONGEST: Final = 255
"""Characters that a description may have: Kubeflow before 2.15 keeps it as MySQL's varchar(255)."""


def labels_of(digest: str, why: str, directory: Path) -> dict[str, str]:
    """The labels of a submission; what is not known is left out."""
    given = {"digest": digest, "commit": commit_of(directory), "why": " ".join(why.split())}
    return {name: value for name, value in given.items() if value}


def commit_of(directory: Path) -> str:
    """The commit that git has checked out around a directory, `-dirty` if files differ from it."""
    commit = _git(directory, "rev-parse", "HEAD")
    changed = commit and _git(directory, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def dump_labels(labels: Mapping[str, str]) -> str:
    """Write labels as one line of JSON that every Kubeflow can hold: `why` is cut to fit.

    >>> dump_labels({"why": "new data"})
    '{"why": "new data"}'
    """
    text, why = json.dumps(dict(labels)), labels.get("why", "")
    while len(text) > LONGEST and why:
        why = why[:-1]
        text = json.dumps({**labels, "why": f"{why}..."})
    return text


def load_labels(text: str) -> dict[str, str]:
    """Read labels; a description that somebody else has written has none.

    >>> load_labels('{"why": "new data"}'), load_labels("by hand")
    ({'why': 'new data'}, {})
    """
    try:
        labels: Any = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(labels, dict):
        return {}
    return {str(name): value for name, value in labels.items() if isinstance(value, str)}
