"""Recorded requests held against a contract: would they still be sent and read as recorded?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..findings.finding import Finding
from ..model import Consumer, Contract, Output
from .recording import Expectation, Recorded

__all__ = ["against_recordings"]

Found = Iterator[Finding]


def against_recordings(
    contract: Contract, recordings: Mapping[str, Sequence[Recorded]]
) -> tuple[Finding, ...]:
    """How a contract fails what applications have recorded, by the application's name."""
    return tuple(_found(contract, recordings))


def _found(contract: Contract, recordings: Mapping[str, Sequence[Recorded]]) -> Found:
    entries = {consumer.application: consumer for consumer in contract.consumers}
    for number, name in enumerate(entries):
        if name not in recordings:
            yield Finding("consumer-without-recording", f"consumers.{number}", name, (name,))
    for name, some in recordings.items():
        if name not in entries:
            there = f"{len(some)} recorded requests"
            yield at(some[0], Finding("consumer-not-named", "", there))
        for one in some:
            found = _recording(contract, one, entries.get(name, Consumer(application=name)))
            yield from (at(one, finding) for finding in found)


def at(one: Recorded, finding: Finding) -> Finding:
    """The finding with the recording's application, file and line; `where` is within the file."""
    return replace(
        finding,
        where=f"{one.application}/{one.name}{':' if finding.where else ''}{finding.where}",
        consumers=(one.application,),
        file=one.document.name,
        line=one.document.line(finding.where),
    )


def _recording(contract: Contract, one: Recorded, entry: Consumer) -> Found:
    if one.recording.refused is None:
        yield from _instances(contract, one)
    yield from _use(contract, one, entry)
    for name, expected in one.recording.expect.items():
        where = f"expect.{name}"
        if (output := contract.outputs.get(name)) is None:
            there = ", ".join(contract.outputs)
            yield Finding("recorded-output-unknown", where, f"the contract has {there}")
        else:
            yield from _expectation(where, output, expected)


def _instances(contract: Contract, one: Recorded) -> Found:
    wire = one.recording.wire
    for number, instance in enumerate(one.recording.instances):
        where = f"instances.{number}"
        for name, tensor in contract.inputs.items():
            if (value := instance.get(name)) is not None:
                if why := tensor.unfit(value):
                    yield Finding("recorded-input-value", f"{where}.{name}", why)
            elif tensor.required or wire:
                yield Finding("recorded-input-missing", where, name)
        for name in sorted(instance.keys() - contract.inputs.keys()):
            rule = "recorded-input-unknown" if wire else "recorded-input-dropped"
            yield Finding(rule, f"{where}.{name}", name)


def _use(contract: Contract, one: Recorded, entry: Consumer) -> Found:
    instances = one.recording.instances
    sent = {name for row in instances for name, value in row.items() if value is not None}
    used = (("inputs", sent & contract.inputs.keys()), ("outputs", set(one.recording.expect)))
    for side, names in used:
        for name in sorted(names):
            if not entry.uses(side, name):
                yield Finding("recorded-use-not-named", "", f"{side}.{name}")


def _expectation(where: str, output: Output, expected: Expectation) -> Found:
    if expected.shape is not None and not _fits(output.shape, expected.shape):
        what = f"{list(expected.shape)} expected, {list(output.shape)} promised"
        yield Finding("recorded-output-shape", f"{where}.shape", what)
    domain = output.domain
    for name, word in (("min", "at least"), ("max", "at most")):
        wanted, promised = getattr(expected, name), getattr(domain, name, None)
        if wanted is not None and (promised is None or _narrower(name, wanted, promised)):
            told = "nothing" if promised is None else promised
            what = f"{word} {wanted} expected, {told} promised"
            yield Finding("recorded-range-narrower", f"{where}.{name}", what)


def _narrower(name: str, wanted: float, promised: float) -> bool:
    return wanted > promised if name == "min" else wanted < promised


def _fits(promised: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return len(promised) == len(expected) and all(
        p == e or e == -1 for p, e in zip(promised, expected, strict=True)
    )
