"""What changed between two commits, and so whether to retrain, to redeploy, or neither."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import yaml

from ...serving.errors import UnknownRevision, one_of
from ..errors import BadChanges

ACTIONS: Final = ("nothing", "redeploy", "retrain")
"""Each includes those before it: what is retrained is deployed, too."""
MEANS: Final[Mapping[str, str]] = {
    "docs": "nothing",
    "tests": "nothing",
    "serving": "redeploy",
    "data": "retrain",
    "model": "retrain",
    "pipeline": "retrain",
}
"""What follows from a change of each kind of file."""
UNKNOWN: Final = "pipeline"
"""The kind of a file that no pattern fits: to retrain once too often does no harm."""

Kinds = Mapping[str, Sequence[str]]
_SHOWN: Final = 5


@dataclass(frozen=True)
class Changes:
    """What changed since a commit, by kind, and what follows from it."""

    action: str
    """One of `ACTIONS`."""
    why: str
    since: str
    """The commit to compare with; empty if there is none, and all counts as changed."""
    to: str
    kinds: Mapping[str, tuple[str, ...]]


def load_kinds(path: Path) -> Kinds:
    """Read which files are of which kind: patterns by kind, where `*` stands for `/` as well.

    Raises:
        BadChanges: it cannot be read, or a kind is unknown.
    """
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _bad(path, f"cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise _bad(path, type(found).__name__)
    for kind, patterns in found.items():
        if kind not in MEANS:
            raise _bad(path, f"the kind {kind!r}: {one_of(MEANS, str(kind))}")
        if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
            raise _bad(path, f"{kind}: {patterns!r}")
    return found


def kind_of(file: str, kinds: Kinds) -> str:
    """The kind whose pattern fits first.

    >>> kind_of("docs/ci.md", {"docs": ["*.md"], "tests": ["docs/*"]})
    'docs'
    """
    fitting = (k for k, patterns in kinds.items() if any(fnmatchcase(file, p) for p in patterns))
    return next(fitting, UNKNOWN)


def decide(files: Iterable[str], kinds: Kinds, *, since: str, to: str) -> Changes:
    """Say what follows from a change of these files: the most that one of them asks for."""
    sorted_out: dict[str, tuple[str, ...]] = {}
    for file in sorted({*files}):
        kind = kind_of(file, kinds)
        sorted_out[kind] = (*sorted_out.get(kind, ()), file)
    action = max((MEANS[kind] for kind in sorted_out), key=ACTIONS.index, default=ACTIONS[0])
    deciding = {kind: some for kind, some in sorted_out.items() if MEANS[kind] == action}
    why = "; ".join(f"{kind}: {_shown(some)}" for kind, some in deciding.items())
    return Changes(action, why or "no file differs", since, to, sorted_out)


def changes(root: Path, since: str, kinds: Kinds, to: str = "HEAD") -> Changes:
    """Compare two commits of a repository; without a first one all counts as changed.

    Raises:
        UnknownRevision: no git, no repository, or no such commit.
    """
    head = commit(root, to)
    if not since:
        return Changes("retrain", "there is no commit to compare with", "", head, {})
    base = commit(root, since)
    listed = git(root, "diff", "--name-only", "--no-renames", "-z", base, head)
    return decide((file for file in listed.split("\0") if file), kinds, since=base, to=head)


def commit(root: Path, reference: str) -> str:
    """The id of the commit that a branch, a tag, or `HEAD^` names."""
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
    return git(root, *words).strip()


def known(root: Path, reference: str) -> bool:
    """Whether the repository has such a commit."""
    try:
        return bool(commit(root, reference))
    except UnknownRevision:
        return False


def deepen(root: Path, since: str = "") -> None:
    """Fetch what a shallow clone, such as Cloud Build makes, has left out."""
    if git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        git(root, "fetch", "--quiet", "--unshallow", "origin")
    remote, _, branch = since.partition("/")
    if remote == "origin" and branch and not known(root, since):
        git(root, "fetch", "--quiet", "origin", f"+refs/heads/{branch}:refs/remotes/{since}")


def git(root: Path, *words: str) -> str:
    """Run git in a repository; what it says.

    Raises:
        UnknownRevision: it is missing, this is no repository, or it refuses.
    """
    return git_bytes(root, *words).decode(errors="surrogateescape")


def git_bytes(root: Path, *words: str) -> bytes:
    """The same, where what it says is no text."""
    try:
        command = ["git", "-C", str(root), *words]
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        said = "git is not installed"
    else:
        if not done.returncode:
            return done.stdout
        said = done.stderr.decode(errors="replace").strip() or "no such commit"
    raise UnknownRevision(
        given=f"git {' '.join(words)} in {root}: {said}",
        allowed="a branch, a tag or a commit of a repository, and git on the PATH",
        todo="fetch it first if this is a shallow clone: git fetch --unshallow",
    )


def _shown(files: Sequence[str]) -> str:
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return ", ".join(files[:_SHOWN]) + more


def _bad(path: Path, what: str) -> BadChanges:
    return BadChanges(
        given=f"{path}: {what}",
        allowed=f"lists of patterns by kind: {', '.join(MEANS)}",
        todo="correct the file; docs/ci.md explains it",
    )
