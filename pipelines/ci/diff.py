"""What a change means to others: what main will do, the contract, and the objects in clusters."""

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ...serving.errors import NothingToCompare
from ...serving.kustomize import render
from ...serving.rollout.objects import difference, named
from .changes import Changes, commit, git_bytes

_HASH: Final = re.compile("-[2456789bcdfghkmt]{10}$")
"""What kustomize appends to the name of a ConfigMap, which changes with its content."""
Objects = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class OverlayDiff:
    """How the objects of one overlay differ."""

    overlay: str
    text: str
    """In the form of `diff -u`; empty if they are the same."""


def overlays_diff(root: Path, folder: str, since: str) -> tuple[OverlayDiff, ...]:
    """Render each overlay of a folder as a commit has it and as it is here, and compare.

    Raises:
        UnknownRevision: there is no such commit.
        MissingKustomize, KustomizeFailed: an overlay of today does not render.
    """
    base = commit(root, since)
    with TemporaryDirectory() as place:
        before = Path(place)
        _export(root, base, folder.split("/")[0], before)
        names = {path.parent.name for at in (root, before) for path in _overlays(at / folder)}
        old, new = before / folder, root / folder
        return tuple(
            OverlayDiff(name, _diff(_objects(old / name), _objects(new / name)))
            for name in sorted(names)
        )


def contract_diff(file: Path, since: str) -> str:
    """What callers of a model will notice, in Markdown.

    Raises:
        BadContract: one of the two cannot be read.
    """
    from ...serving.contract.diff.against import from_git
    from ...serving.contract.diff.contracts import diff
    from ...serving.contract.file import load
    from ...serving.contract.findings.finding import placed
    from ...serving.contract.findings.report import Report

    new = load(file)
    try:
        old = from_git(since, str(file)).value
    except NothingToCompare:
        return f"`{file}` is new."
    found = placed(diff(old, new.value, today=date.today()), new)
    title = f"{new.value.model} {old.version} -> {new.value.version}"
    return Report(title, found, "breaking").render("markdown")


def to_markdown(decided: Changes, contract: str, overlays: Sequence[OverlayDiff]) -> str:
    """All of it on one page, for whoever reviews the change."""
    lines = [f"# On main: {decided.action}", "", f"Because of {decided.why}.", ""]
    lines += ["## Contract", "", contract.strip(), "", "## Objects", ""]
    for one in overlays:
        lines += [f"### {one.overlay}", ""]
        lines += ["```diff", one.text, "```", ""] if one.text else ["No difference.", ""]
    return "\n".join(lines)


def _overlays(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/kustomization.yaml"))


def _export(root: Path, base: str, top: str, into: Path) -> None:
    """Put a folder there as a commit has it; nothing if it has none."""
    if not git_bytes(root, "ls-tree", base, "--", top):
        return
    archive = git_bytes(root, "archive", "--format=tar", base, "--", top)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        # Debian 12's Python 3.11.2 knows no filters; the archive is git's own.
        files.extraction_filter = getattr(tarfile, "data_filter", None)
        files.extractall(into)


def _objects(overlay: Path) -> Objects:
    if not (overlay / "kustomization.yaml").exists():
        return {}
    return {_HASH.sub("", named(one)): one for one in render(overlay)}


def _diff(before: Objects, after: Objects) -> str:
    names = sorted({*before, *after})
    found = (difference(_object(before, name), _object(after, name)) for name in names)
    return "\n".join(text.replace("--- live ", "--- main ", 1) for text in found if text)


def _object(objects: Objects, name: str) -> dict[str, Any] | None:
    return dict(objects[name]) if name in objects else None
