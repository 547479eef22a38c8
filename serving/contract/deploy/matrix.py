"""May a version go to an environment? Held against what lives there and against who calls it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from ...errors import NothingToCompare
from ...store import ModelStore
from ..consumers.check import against_recordings
from ..consumers.recording import digest, recordings_in
from ..consumers.replayed import last_replay
from ..diff.against import from_store
from ..diff.contracts import allow_announced, diff
from ..file import Document
from ..findings.finding import Finding, counting, placed
from ..findings.waivers import Waivers, waive
from ..model import Consumer, Contract
from ..rules import Level
from .registry import CHAMPION, Environment, Live, Registered

__all__ = ["Matrix", "Question", "Row", "matrix", "waived"]


@dataclass(frozen=True)
class Question:
    """May the version `number` in a store take the place of what stands at `alias` elsewhere?"""

    store: ModelStore
    number: int
    environment: str
    there: Environment
    today: date
    alias: str = CHAMPION

    @property
    def name(self) -> str:
        """The version, as `lockstep models show` takes it."""
        return f"{self.store.model}@{self.number}"

    @property
    def live(self) -> Live:
        """What of the model lives there, by the file of environments."""
        return self.there.models.get(self.store.model, Live())

    @property
    def home(self) -> ModelStore:
        """The environment's own store of this model; the version's, if it has none."""
        base = self.there.store
        return ModelStore.open(base, self.store.model) if base else self.store


@dataclass(frozen=True)
class Row:
    """One party, what lives under an alias or a consumer, and what speaks against the version."""

    party: str
    contract: str
    """The version of the contract that it relies on."""
    replay: str
    """What became of its recorded requests."""
    findings: tuple[Finding, ...] = ()

    def agrees(self, fail_on: Level | None) -> bool:
        """Whether nothing that counts speaks against it."""
        return not (fail_on and counting(self.findings, fail_on))


@dataclass(frozen=True)
class Matrix:
    """A version against every party in an environment."""

    question: Question
    contract: str
    rows: tuple[Row, ...]

    def passes(self, fail_on: Level | None = "breaking") -> bool:
        """Whether every party agrees."""
        return all(row.agrees(fail_on) for row in self.rows)


def matrix(question: Question) -> Matrix:
    """Hold a version against what lives in an environment, and against every consumer there.

    Raises:
        StoreError: there is no such version.
        BadContract: a contract or a recording cannot be read.
    """
    document = _contract(question.store, str(question.number))
    if document is None:
        none = Finding("deploy-without-contract", "", question.name, file=question.name)
        return Matrix(question, "none", (Row(question.name, "none", "-", (none,)),))
    rows = (
        *(_lives(question, document, alias) for alias in _aliases(question)),
        *(_calls(question, document, one) for one in question.live.consumers),
    )
    placed_rows = (replace(row, findings=placed(row.findings, document)) for row in rows)
    return Matrix(question, document.value.version, tuple(placed_rows))


def waived(answer: Matrix, waivers: Document[Waivers], *, today: date) -> Matrix:
    """The matrix with the findings that do not count marked."""
    rows = (
        replace(row, findings=waive(row.findings, waivers, today=today)[: len(row.findings)])
        for row in answer.rows
    )
    return replace(answer, rows=tuple(rows))


def _aliases(question: Question) -> tuple[str, ...]:
    """The aliases that live there, and the one that would come."""
    return tuple(dict.fromkeys((*question.live.live, question.alias)))


def _lives(question: Question, new: Document[Contract], alias: str) -> Row:
    """What stands at an alias: replaced if it is the one asked for, otherwise left alone."""
    number = question.home.alias(alias)
    if number is None:
        return Row(f"@{alias}: nothing yet", "-", "-")
    old = _contract(question.home, str(number))
    party = f"@{alias}: version {number}"
    if alias != question.alias:
        return Row(f"{party}, stays", old.value.version if old else "none", "-")
    if old is None:
        none = Finding("live-without-contract", "", f"version {number}")
        return Row(party, "none", "-", (none,))
    found = diff(old.value, new.value, today=question.today)
    return Row(party, old.value.version, "-", allow_announced(old.value, new.value, found))


def _calls(question: Question, new: Document[Contract], one: Registered) -> Row:
    """A consumer: its contract against the new one, and its recorded requests."""
    if one.calls not in (None, question.alias):
        return Row(f"{one.application} calls @{one.calls}", one.contract, "not concerned")
    found = [*_sees_newest(question, one), *_built_against(question, new.value, one)]
    replay, failed = _replayed(question, new.value, one)
    calls = "the newest" if one.calls is None else f"@{one.calls}"
    party = f"{one.application} calls {calls}"
    return Row(party, one.contract, replay, (*found, *failed))


def _sees_newest(question: Question, one: Registered) -> Iterator[Finding]:
    if one.calls is None and len(_aliases(question)) > 1:
        yield _of("consumer-sees-newest", one, f"{len(_aliases(question))} versions are served")


def _built_against(question: Question, new: Contract, one: Registered) -> Iterator[Finding]:
    old = _contract_of_version(question, one.contract)
    if old is None:
        yield _of("consumer-contract-unknown", one, f"{new.model} {one.contract}")
        return
    entries = (e for c in (old, new) for e in c.consumers if e.application == one.application)
    entry = next(entries, Consumer(application=one.application))
    only = old.model_copy(update={"consumers": (entry,)})
    yield from (f for f in diff(only, new, today=question.today) if f.consumers)


def _replayed(
    question: Question, new: Contract, one: Registered
) -> tuple[str, tuple[Finding, ...]]:
    """What became of a consumer's recorded requests, and what that speaks against."""
    if one.recordings is None:
        return "none recorded", ()
    some = recordings_in(Path(one.recordings))
    found = against_recordings(new, {one.application: some} if some else {})
    about = tuple(f for f in found if one.application in f.consumers)
    last = last_replay(question.store, question.number, one.application)
    if last is None or last.recordings != digest(some):
        what = "never" if last is None else f"others, at {last.at:%Y-%m-%d %H:%M}"
        return what, (*about, _of("replay-never", one, f"{len(some)} requests"))
    if last.failed:
        what = f"{last.failed} failed; see {last.path}"
        return "failed", (*about, _of("replay-failed", one, what))
    return f"passed {last.at:%Y-%m-%d %H:%M}", about


def _of(rule: str, one: Registered, what: str) -> Finding:
    return Finding(rule, one.application, what, (one.application,))


def _contract_of_version(question: Question, version: str) -> Contract | None:
    """The contract of this version among the papers of any stored version, the newest first."""
    for store in dict.fromkeys((question.home, question.store)):
        for stored in reversed(store.versions()):
            document = _contract(store, str(stored.number))
            if document is not None and document.value.version == version:
                return document.value
    return None


def _contract(store: ModelStore, reference: str) -> Document[Contract] | None:
    try:
        return from_store(store, reference)
    except NothingToCompare:
        return None
