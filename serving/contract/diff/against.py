"""The contract to compare with: a file, what a commit holds, or the papers of a stored version."""

import subprocess
from pathlib import Path
from typing import Final

from ...errors import BadPaper, NothingToCompare, UnknownRevision
from ...store import ModelStore
from ..file import Document, load, loads
from ..model import Contract

__all__ = ["PAPER", "contract_of", "from_git", "from_store"]

PAPER: Final = "contract.json"
"""The path of the contract among a version's papers."""


def contract_of(reference: str, path: str, store: str) -> Document[Contract]:
    """The contract that `git:REF`, `MODEL@ALIAS`, `MODEL@VERSION` or a file's path names.

    Args:
        reference: What to look for.
        path: The contract that it is compared with; a commit is asked for the same path.
        store: The base directory of the model store.

    Raises:
        NothingToCompare: the commit or the version has none.
        UnknownRevision, StoreError: there is no such commit or version.
        BadContract: it cannot be read.
    """
    if reference.startswith("git:"):
        return from_git(reference.removeprefix("git:"), path)
    if "@" in reference and not Path(reference).exists():
        model, _, version = reference.partition("@")
        return from_store(ModelStore.open(store, model), version)
    return load(reference)


def from_git(revision: str, path: str) -> Document[Contract]:
    """The contract as a commit has it, in the repository that its path lies in.

    Raises:
        UnknownRevision: no git, no repository, or no such commit.
        NothingToCompare: the commit has no such file.
    """
    folder, name = Path(path).resolve().parent, Path(path).name
    found = _git(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        said = (found.stderr.decode(errors="replace").strip().splitlines() or ["no commit"])[-1]
        raise UnknownRevision(
            given=f"git:{revision} from {folder}: {said}",
            allowed="a branch, a tag or a commit of the repository that the contract is in",
            todo="fetch it first if this is a shallow clone: git fetch origin main",
        )
    done = _git(folder, "show", f"{found.stdout.decode().strip()}:./{name}")
    if done.returncode:
        raise _nothing(given=f"{name} at {revision}", allowed="a commit that has this file")
    return loads(done.stdout, f"{name}@{revision}")


def _git(folder: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UnknownRevision(
            given="git is not installed",
            allowed="git on the PATH",
            todo="install it, or compare two files",
        ) from error


def from_store(store: ModelStore, reference: str) -> Document[Contract]:
    """The contract among the papers of the version that an alias or a number names.

    Raises:
        NothingToCompare: the version has no contract.
        StoreError: there is no such version.
    """
    version = store.resolve(reference).number
    name = f"{store.model}@{reference}"
    try:
        return loads(store.read_paper(version, PAPER), name)
    except BadPaper as error:
        raise _nothing(
            given=f"{name} has no {PAPER}", allowed="a version pushed with its contract"
        ) from error


def _nothing(*, given: str, allowed: str) -> NothingToCompare:
    return NothingToCompare(
        given=given,
        allowed=allowed,
        todo="name another one, or give --first if there is none before this one",
    )
