"""What `lockstep.json` says of a model: its versions, its aliases, who moved them when and why."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from .errors import CorruptRecord

_STRICT: Final = ConfigDict(frozen=True, extra="forbid", strict=True)


class Commit(BaseModel):
    """The entry that makes a version live."""

    model_config = _STRICT
    digest: str
    pushed_at: AwareDatetime


class Move(BaseModel):
    """One step of an alias: to which version, from where, when, by whom, and why."""

    model_config = _STRICT
    version: int | None
    previous: int | None
    at: AwareDatetime
    by: str
    reason: str


class Record(BaseModel):
    """One model's `lockstep.json`: an immutable value; every change makes a new one.

    An alias stands where its last move put it; there is no second place that says so. A claim is
    a number that a push has taken on an object store and not yet committed.
    """

    model_config = _STRICT
    format: Literal[1] = 1
    versions: dict[int, Commit] = {}
    claims: dict[int, AwareDatetime] = {}
    aliases: dict[str, Annotated[tuple[Move, ...], Field(min_length=1)]] = {}

    def alias(self, name: str) -> int | None:
        """The version at which an alias stands; None if it stands nowhere."""
        return self.aliases[name][-1].version if name in self.aliases else None

    def aliases_of(self, version: int) -> tuple[str, ...]:
        """The aliases that stand at a version, sorted."""
        return tuple(sorted(name for name in self.aliases if self.alias(name) == version))

    def committed(self, version: int, digest: str, at: datetime) -> "Record":
        """With one more live version; its claim, if it had one, is settled."""
        commit = Commit(digest=digest, pushed_at=at)
        return self.unclaimed(version).model_copy(
            update={"versions": {**self.versions, version: commit}}
        )

    def claimed(self, version: int, at: datetime) -> "Record":
        """With a number taken by a push that has begun to copy."""
        return self.model_copy(update={"claims": {**self.claims, version: at}})

    def unclaimed(self, version: int) -> "Record":
        """Without the claim of a push that has ended."""
        return self.model_copy(
            update={"claims": {n: at for n, at in self.claims.items() if n != version}}
        )

    def moved(self, name: str, move: Move) -> "Record":
        """With an alias moved."""
        return self.model_copy(
            update={"aliases": {**self.aliases, name: (*self.aliases.get(name, ()), move)}}
        )


def record_to_bytes(record: Record) -> bytes:
    """The file's bytes: JSON that a person can read and `jq` can query."""
    return record.model_dump_json(indent=2).encode() + b"\n"


def bytes_to_record(data: bytes | None, where: str) -> Record:
    """The record in a file's bytes; an empty one if there is no file.

    Raises:
        CorruptRecord: they are not a record of this format.
    """
    if data is None:
        return Record()
    try:
        return Record.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(str(part) for part in first["loc"])
        raise CorruptRecord(
            given=f"{where} cannot be read: {at + ': ' if at else ''}{first['msg']}",
            allowed="the JSON that lockstep wrote there (format 1)",
            todo="restore the file from a backup or repair it by hand; it was left untouched",
        ) from error
