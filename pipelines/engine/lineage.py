"""Where an artifact comes from, and what was made of it: read from the record of runs."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...serving.errors import StoreError
from ..errors import RunError
from .history import to_json
from .record import open_existing
from .values import Json


class UnknownArtifact(RunError):
    """No run here has made or imported such an artifact."""


@dataclass(frozen=True)
class Made:
    """One execution in a lineage."""

    id: int
    run: str
    task: str
    program: str
    started: float
    parameters: Json
    code: dict[str, str]
    inputs: dict[str, list[str]]
    """Addresses of artifacts by the input's name."""
    outputs: dict[str, list[str]]


@dataclass(frozen=True)
class Lineage:
    """An artifact with all that is behind it, and all that was made of it, in order."""

    artifact: str
    behind: tuple[Made, ...]
    """Executions from the first to the one that has made it."""
    beyond: tuple[Made, ...]
    artifacts: dict[str, Json] = field(default_factory=dict[str, Any])
    """What is known of every artifact in it, by address."""


def trace(root: Path, artifact: str) -> Lineage:
    """Follow an artifact, given by its address, to both sides.

    Raises:
        UnknownArtifact: nobody here has made it.
    """
    with closing(open_existing(root)) as database:
        made = {one.id: one for one in _executions(database)}
        makers = {uri: one for one in made.values() for uri in _flat(one.outputs)}
        if artifact not in makers:
            raise _unknown(database, artifact)
        behind: dict[int, Made] = {}
        _climb(makers[artifact], makers, behind)
        beyond: dict[int, Made] = {}
        _descend(artifact, list(made.values()), beyond)
        involved = [*behind.values(), *beyond.values()]
        wanted = {uri for one in involved for uri in (*_flat(one.inputs), *_flat(one.outputs))}
        return Lineage(
            artifact,
            tuple(behind.values()),
            tuple(sorted(beyond.values(), key=lambda one: one.id)),
            {uri: found for uri, found in _artifacts(database).items() if uri in wanted},
        )


def artifact_of_model(root: Path, store: str, model: str, reference: str) -> str:
    """The address of the artifact that a version of a model in the store was pushed from.

    The version's `lineage.json` names it; if it was made elsewhere, its digest does.

    Raises:
        UnknownModel, UnknownVersion, UnknownAlias: the store has no such version.
        UnknownArtifact: no run here has made it.
    """
    from ...serving.store import ModelStore

    opened = ModelStore.open(store, model)
    version = opened.resolve(reference) if reference else opened.newest()
    try:
        paper: Json = json.loads(opened.read_paper(version.number, "lineage.json"))
        claimed = paper["inputs"]["model"]["uri"]
    except (StoreError, KeyError, TypeError, ValueError):
        claimed = ""
    with closing(open_existing(root)) as database:
        known = _artifacts(database)
        if claimed in known:
            return str(claimed)
        for uri, facts in known.items():
            if facts["metadata"].get("digest") == version.digest:
                return uri
        raise _unknown(database, f"{model}@{version.number}")


def _executions(database: sqlite3.Connection) -> Iterator[Made]:
    """Every execution that has made something itself, rather than taken it from the cache."""
    query = "SELECT * FROM executions WHERE state='SUCCEEDED' AND origin IS NULL ORDER BY id"
    for row in map(to_json, database.execute(query)):
        parts = row["parts"].items()
        code = {k.removeprefix("code "): v for k, v in parts if k.startswith("code ")}
        shown = row["inputs"]["parameters"].items()
        parameters = {k: v for k, v in shown if not k.startswith("pipelinechannel--")}
        yield Made(
            id=row["id"],
            run=row["run"],
            task=row["task"],
            program=row["program"] or "importer",
            started=row["started"],
            parameters=parameters,
            code=code,
            inputs=_addresses(row["inputs"]),
            outputs=_addresses(row["outputs"]),
        )


def _addresses(values: Json) -> dict[str, list[str]]:
    return {name: [one["uri"] for one in found] for name, found in values["artifacts"].items()}


def _flat(named: dict[str, list[str]]) -> list[str]:
    return [uri for uris in named.values() for uri in uris]


def _artifacts(database: sqlite3.Connection) -> dict[str, Json]:
    rows = database.execute("SELECT name, uri, type, metadata, digest, bytes FROM artifacts")
    return {row["uri"]: to_json(row) for row in rows}


def _climb(maker: Made, makers: dict[str, Made], found: dict[int, Made]) -> None:
    """Collect an execution after all those whose outputs it has read."""
    for uri in _flat(maker.inputs):
        if uri in makers and makers[uri].id not in found and makers[uri].id != maker.id:
            _climb(makers[uri], makers, found)
    found[maker.id] = maker


def _descend(uri: str, everything: list[Made], found: dict[int, Made]) -> None:
    for one in everything:
        if one.id not in found and uri in _flat(one.inputs):
            found[one.id] = one
            for output in _flat(one.outputs):
                _descend(output, everything, found)


def _unknown(database: sqlite3.Connection, artifact: str) -> UnknownArtifact:
    rows = database.execute(
        "SELECT uri FROM artifacts WHERE type LIKE '%Model' ORDER BY rowid DESC LIMIT 3"
    )
    models = ", ".join(row["uri"] for row in rows)
    return UnknownArtifact(
        given=f"no run here has made {artifact}",
        allowed=f"MODEL@VERSION, or an artifact's address, such as {models or 'those of a run'}",
        todo="name the root that it was made under: --root DIR; and the model's --store BASE",
    )
