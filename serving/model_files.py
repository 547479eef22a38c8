"""A SavedModel's files: which they are, their digest, the papers that travel with them."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from .errors import BadModel, BadPaper
from .place import Place, open_place

GRAPHS: Final = ("saved_model.pb", "saved_model.pbtxt")
"""TF Serving reads either; a directory without one is no model."""

PAPERS: Final = "assets.extra"
"""Where a version's own papers lie: what TF Serving does not compute with, warm-up requests too."""


def digest(directory: str) -> str:
    """Sha256 (hex) of a SavedModel: of each file's relative path, size and bytes, sorted by path.

    All of `assets.extra/` is left out, the warm-up requests included: they change how a server
    starts, not what it answers. So a model keeps its digest whatever its papers.

    Raises:
        BadModel: the directory is empty, or no SavedModel.
    """
    place = open_place(directory)
    return digest_of(place, model_files(place))


def digest_of(place: Place, sizes: Mapping[str, int], relative: str = "") -> str:
    """The digest of the model at a place, given its files (see `model_files`)."""
    hasher = ModelHasher()
    for path, size in sizes.items():
        for _ in hasher.through(path, size, place.chunks(f"{relative}/{path}".lstrip("/"))):
            pass
    return hasher.hexdigest()


class ModelHasher:
    """The digest of a model whose files stream by in the order of their paths."""

    def __init__(self) -> None:
        """Start with no file."""
        self._sha256 = hashlib.sha256()
        self.hexdigest = self._sha256.hexdigest

    def through(self, path: str, size: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Hand on a file's bytes, having hashed them unless it is a paper."""
        counted = not path.startswith(PAPERS + "/")
        if counted:
            self._sha256.update(f"{path}\0{size}\n".encode(errors="surrogateescape"))
        for chunk in chunks:
            if counted:
                self._sha256.update(chunk)
            yield chunk


def model_files(place: Place, relative: str = "") -> dict[str, int]:
    """The size of every file of a SavedModel by its path, sorted.

    Raises:
        BadModel: the directory is missing, empty or no SavedModel, or holds something that is
            neither a file nor a directory.
    """
    entries = place.files(relative)
    where = place.url(relative)
    if not any(name in entries for name in GRAPHS):
        what = f"has {len(entries)} files, but no saved_model.pb" if entries else "holds no file"
        raise BadModel(
            given=f"{where} {what}",
            allowed="the directory of a SavedModel (saved_model.pb or saved_model.pbtxt in it)",
            todo="give the directory that the trainer exported: often .../Format-Serving",
        )
    for path, facts in entries.items():
        name = f"{relative}/{path}".lstrip("/")
        linked = bool(facts.get("islink"))
        if not (place.fs.isfile(place.path(name)) if linked else facts["type"] == "file"):
            raise BadModel(
                given=f"{where}/{path} is neither a file nor a directory",
                allowed="files, directories, and links to files",
                todo="put the files themselves there",
            )
    return {path: int(facts["size"]) for path, facts in entries.items()}


def papers_to_bytes(papers: Mapping[str, Any]) -> dict[str, bytes]:
    """The bytes of papers by their path: bytes as they are, everything else as JSON.

    Raises:
        BadPaper: a path leads elsewhere, or a value has no JSON.
    """
    return {paper_path(path): _paper_to_bytes(path, paper) for path, paper in papers.items()}


def paper_path(path: str) -> str:
    """A paper's path, if it is relative and stays where papers lie.

    Raises:
        BadPaper: it is absolute, empty, or contains `.` or `..`.
    """
    plain = path == str(PurePosixPath(path)) and path not in ("", ".")
    if plain and path[0] != "/" and not {"..", "\\", "\0"} & {*path.split("/"), *path}:
        return path
    raise BadPaper(
        given=f"the path of a paper: {path!r}",
        allowed="a relative path such as contract.json or evidence/evaluation.json",
        todo="name the paper without '..', '.', backslashes or a leading '/'",
    )


def _paper_to_bytes(path: str, paper: Any) -> bytes:
    if isinstance(paper, bytes):
        return paper
    try:
        text = json.dumps(paper, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadPaper(
            given=f"the paper {path}: {error}",
            allowed="bytes, or a value that JSON can hold (NaN and infinity are not)",
            todo="turn it into numbers, strings, lists and dictionaries first",
        ) from error
    return text.encode() + b"\n"
