"""Which version is to be served, and its way from one environment's store to the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...serving.errors import BadModel, UnknownModel
from ...serving.store import STUB, ModelStore, Move, Version, digest

CHAMPION: Final = "champion"
CANDIDATE: Final = "candidate"
REJECTED: Final = "rejected"
"""An alias whose history names every version that did not answer as it had to."""


@dataclass(frozen=True)
class Promotion:
    """What a promotion does to one store."""

    store: ModelStore
    version: Version
    """The version as the first store has it."""
    alias: str
    there: int | None
    """The number of the same model in that store, if it has it already."""
    before: int | None
    """Where the alias stands now."""

    def __str__(self) -> str:
        """One line for people."""
        what = f"copy {self.version.number}" if self.there is None else f"has {self.there}"
        number = self.version.number if self.there is None else self.there
        return f"{self.store.directory}: {what}; {self.alias}: {self.before} -> {number}"


def candidate(store: ModelStore) -> Version:
    """The version to be served next: the newest, unless it was rejected; else the champion.

    Every version in a store has passed the pipeline's gate. One is rejected if a build rolled it
    back, or if somebody moved the champion back from it.

    Raises:
        UnknownModel: nothing has been pushed yet, or all of it was rejected.
    """
    refused = rejected(store.history())
    versions = [v for v in store.versions() if v.number != STUB and v.number not in refused]
    number = store.alias(CHAMPION)
    newer = [v for v in versions if number is None or v.number > number]
    if newer:
        return newer[-1]
    if number is not None:
        return store.version(number)
    raise UnknownModel(
        given=f"{store.directory} has no version that could be served",
        allowed="a version that was pushed, and not rejected",
        todo="look at the run: was the model blessed? lockstep models show tells what was rejected",
    )


def rejected(history: Mapping[str, tuple[Move, ...]]) -> frozenset[int]:
    """The versions that nobody should be sent to again by themselves."""
    named = {move.version for move in history.get(REJECTED, ())}
    left = {
        move.previous
        for move in history.get(CHAMPION, ())
        if move.previous is not None and move.version is not None and move.version < move.previous
    }
    return frozenset(number for number in named | left if number is not None)


def plan(source: ModelStore, reference: str, target: ModelStore, alias: str) -> Promotion:
    """What it takes that an alias of a store stands at a version of another, or of the same.

    Raises:
        StoreError: there is no such version.
    """
    version = source.resolve(reference)
    same = [one.number for one in target.versions() if one.digest == version.digest]
    there = version.number if version.number in same else max(same, default=None)
    return Promotion(target, version, alias, there, target.alias(alias))


def promote(source: ModelStore, promotion: Promotion, why: str) -> int:
    """Copy the version with all its papers if need be, then move the alias; its number there.

    Raises:
        BadModel: its files are no longer those that were pushed.
        TakenVersion: another model has its number there.
        AliasConflict: somebody else moved the alias meanwhile.
    """
    version, target = promotion.version, promotion.store
    number = promotion.there
    if number is None:
        if digest(version.path) != version.digest:
            raise BadModel(
                given=f"{version.path} does not have the digest that it was pushed with",
                allowed=f"the files of sha256:{version.digest}",
                todo="find out what changed them; push the model anew",
            )
        number = target.push(version.path, number=version.number).version.number
    there = target.papers(number)
    for path in source.papers(version.number):
        if path not in there:
            target.add_paper(number, path, source.read_paper(version.number, path))
    reason = f"{source.directory} {version.number} sha256:{version.digest[:12]}; {why}"
    target.set_alias(promotion.alias, number, expected=promotion.before, reason=reason)
    return number


def reject(store: ModelStore, version: int, why: str) -> bool:
    """Put on record that a version does not answer as it has to; the champion itself never is."""
    if version == store.alias(CHAMPION):
        return False
    store.set_alias(REJECTED, version, reason=why)
    return True
