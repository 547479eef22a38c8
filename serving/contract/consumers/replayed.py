"""What became of recorded requests: papers of the version that was asked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ...errors import BadPaper
from ...store import ModelStore
from ..findings.finding import Finding, counting
from .recording import Recorded, digest

__all__ = ["Replay", "add_replays", "last_replay"]

SHELF = "evidence/replay"


class Replay(BaseModel):
    """One application's recorded requests, sent to one version."""

    model_config = ConfigDict(frozen=True)
    format: Literal["lockstep.replay/v1"] = "lockstep.replay/v1"
    application: str
    at: AwareDatetime
    recordings: Annotated[str, Field(description="The digest of the recordings.")]
    requests: int
    failed: Annotated[int, Field(description="How many of them were not answered as recorded.")]
    findings: tuple[dict[str, Any], ...] = ()
    path: Annotated[str, Field(exclude=True, description="Of the paper itself.")] = ""


def add_replays(
    store: ModelStore,
    version: int,
    recordings: Mapping[str, Sequence[Recorded]],
    found: Sequence[Finding],
    *,
    at: datetime,
) -> list[str]:
    """Add a paper to the version for each application; their paths.

    Raises:
        StoreError: there is no such version, or the paper cannot be written.
    """
    paths: list[str] = []
    for application, some in recordings.items():
        about = [finding for finding in found if application in finding.consumers]
        breaking = counting(about, "breaking")
        replay = Replay(
            application=application,
            at=at,
            recordings=digest(some),
            requests=len(some),
            failed=len({finding.where.partition(":")[0] for finding in breaking}),
            findings=tuple(finding.facts() for finding in about),
        )
        paths.append(f"{SHELF}/{application}/{at:%Y-%m-%dT%H-%M-%S.%f}Z.json")
        store.add_paper(version, paths[-1], replay.model_dump(mode="json"))
    return paths


def last_replay(store: ModelStore, version: int, application: str) -> Replay | None:
    """The last replay of an application's recorded requests against a version, if there is one.

    Raises:
        BadPaper: the paper cannot be read.
    """
    folder = f"{SHELF}/{application}/"
    path = max((p for p in store.papers(version) if p.startswith(folder)), default=None)
    if path is None:
        return None
    try:
        replay = Replay.model_validate_json(store.read_paper(version, path))
    except ValidationError as error:
        raise BadPaper(
            given=f"{path} of {store.model} {version} is no replay: {error.errors()[0]['msg']}",
            allowed="what `lockstep contract replay --into` writes",
            todo="replay again; the newest paper counts",
        ) from error
    return replay.model_copy(update={"path": path})
