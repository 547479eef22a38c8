"""The workspace of a build: a clone of one commit, so that nothing uncommitted is built."""

import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...serving.errors import UnknownRevision
from ..errors import BadCommit
from .build import Build
from .changes import commit, git

BUILDS: Final = Path(".lockstep/builds")
"""Where builds lie; git ignores it."""
UNKNOWN: Final = (
    *("PROJECT_ID", "PROJECT_NUMBER", "LOCATION"),
    *("_BASE_BRANCH", "_HEAD_BRANCH", "_HEAD_REPO_URL", "_PR_NUMBER"),
)
"""What Cloud Build always knows, or knows of a pull request, and nobody here."""


@dataclass(frozen=True)
class Source:
    """What is built."""

    root: Path
    """The repository."""
    commit: str
    substitutions: Mapping[str, str]
    """What Cloud Build would set, as far as it is known here."""


def source(root: Path, reference: str, build: str, given: Mapping[str, str]) -> Source:
    """Say what a commit of a repository gives to a build.

    Raises:
        BadCommit: there is no such commit, or the build has an id that no folder can have.
    """
    try:
        top = Path(git(root, "rev-parse", "--show-toplevel").strip())
        sha = commit(top, reference)
    except UnknownRevision as error:
        raise BadCommit(
            given=error.given,
            allowed="a commit of the repository that this is called in",
            todo="git log tells the commits; --commit names one",
        ) from error
    if not re.fullmatch(r"[\w][\w.-]*", build):
        raise BadCommit(
            given=f"the build's id {build!r}",
            allowed="letters, digits, dots, dashes and underscores",
            todo="correct BUILD_ID",
        )
    branch = ""
    with suppress(UnknownRevision):
        branch = git(top, "symbolic-ref", "--short", "--quiet", "HEAD").strip()
    known = {
        "BUILD_ID": build,
        "COMMIT_SHA": sha,
        "BRANCH_NAME": branch,
        "REF_NAME": branch,
        "REPO_NAME": top.name,
    }
    return Source(top, sha, known | dict(given))


def prepare(found: Source, folder: Path) -> Path:
    """Clone the commit below a build's folder; the workspace.

    Raises:
        BadCommit: the folder is there already.
    """
    workspace = folder / "workspace"
    if folder.exists():
        raise BadCommit(
            given=f"{folder} is there already",
            allowed="a new id for each build",
            todo="leave out --substitution BUILD_ID=..., or remove the folder",
        )
    (folder / "home").mkdir(parents=True)
    git(found.root, "clone", "--quiet", "--no-checkout", str(found.root), str(workspace))
    git(workspace, "checkout", "--quiet", "--detach", found.commit)
    return workspace


def uncommitted(root: Path) -> int:
    """How many files are not as the last commit has them."""
    listed = git(root, "status", "--porcelain", "-z")
    return len([one for one in listed.split("\0") if one])


def collect(build: Build, workspace: Path, folder: Path) -> tuple[Path, ...]:
    """Copy what the build calls its artifacts to its folder, as Cloud Build uploads them."""
    patterns: list[str] = build.artifacts.get("objects", {}).get("paths", [])
    files = {path for one in patterns for path in workspace.glob(one) if path.is_file()}
    into = folder / "artifacts"
    for path in files:
        into.mkdir(exist_ok=True)
        shutil.copy2(path, into / path.name)
    return tuple(into / path.name for path in sorted(files))
