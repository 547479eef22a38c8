"""What changes for callers between two contracts, judged by the catalogue in `rules`."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Final

from ..findings.finding import Finding, worst
from ..model import Contract, ServiceLevel, semver
from .tensors import deprecations, tensors

__all__ = ["allow_announced", "diff", "next_version"]

_ADDITIONS: Final = {"input-added-optional", "output-added", "transport-added"}
_PARTS: Final = ("major", "minor", "patch")


def diff(old: Contract, new: Contract, *, today: date) -> tuple[Finding, ...]:
    """Every change from one contract to another, as its callers meet it; none if they are equal.

    Args:
        old: The contract that callers rely on.
        new: The contract that is to replace it.
        today: On and after its sunset, what was deprecated may go.
    """
    found = [
        *_identity(old, new),
        *tensors(old, new, today),
        *_service(old.service, new.service),
        *_people(old, new),
    ]
    found += _version(old, new, found)
    return tuple(replace(f, consumers=_users(old, f)) for f in found)


def next_version(version: str, part: str) -> str:
    """The version after one in which a part was raised.

    >>> next_version("1.4.2", "minor")
    '1.5.0'
    """
    numbers, at = list(semver(version)), _PARTS.index(part)
    return ".".join(map(str, [*numbers[:at], numbers[at] + 1, *[0] * (2 - at)]))


def allow_announced(old: Contract, new: Contract, found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, the breaking ones waived if the new major version announces them.

    Below 1.0.0 a new minor version announces them. What `diff` says about the version stays.
    """
    before, after = semver(old.version), semver(new.version)
    parts = 2 if before[0] == 0 else 1
    if after[:parts] <= before[:parts]:
        return tuple(found)
    return tuple(
        replace(f, waived=f"version {new.version} announces it") if f.level == "breaking" else f
        for f in found
    )


def _identity(old: Contract, new: Contract) -> Iterator[Finding]:
    if old.model != new.model:
        yield Finding("model-renamed", "model", f"{old.model} -> {new.model}")
    if old.signature != new.signature:
        yield Finding("signature-changed", "signature", f"{old.signature} -> {new.signature}")
    for gone in (t for t in old.transports if t not in new.transports):
        yield Finding("transport-removed", "transports", f"{gone} is gone")
    for come in (t for t in new.transports if t not in old.transports):
        yield Finding("transport-added", "transports", f"{come} has come")
    yield from deprecations(old.deprecated, new.deprecated, "deprecated")


def _service(old: ServiceLevel, new: ServiceLevel) -> Iterator[Finding]:
    for name in ("p50_ms", "p99_ms"):
        yield from _latency(old, new, name)
    for name, rule in (
        ("requests_per_second", "throughput-lowered"),
        ("availability_percent", "availability-lowered"),
    ):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            worse = after is None or (before is not None and after < before)
            yield _promise(rule if worse else "service-tightened", name, before, after)
    for name in ("max_instances", "max_request_bytes"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            worse = before is None or (after is not None and after < before)
            yield _promise("payload-lowered" if worse else "service-tightened", name, before, after)


def _latency(old: ServiceLevel, new: ServiceLevel, name: str) -> Iterator[Finding]:
    before, after = getattr(old, name), getattr(new, name)
    load, next_load = old.concurrency, new.concurrency
    if (before, before and load) == (after, after and next_load):
        return
    worse = before is not None and (
        after is None or after > before or (next_load or 0) < (load or 0)
    )
    told = [v and f"{v:g} ms at {c} requests" for v, c in ((before, load), (after, next_load))]
    yield _promise("latency-loosened" if worse else "service-tightened", name, *told)


def _promise(rule: str, name: str, before: object, after: object) -> Finding:
    told = ["no promise" if v is None else str(v) for v in (before, after)]
    return Finding(rule, f"service.{name}", " -> ".join(told))


def _people(old: Contract, new: Contract) -> Iterator[Finding]:
    before, after = ({c.application: c for c in side.consumers} for side in (old, new))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            change = "come" if name not in before else "gone" if name not in after else "changed"
            yield Finding("consumers-changed", "consumers", f"{name} has {change}")
    for field in ("description", "owners"):
        if getattr(old, field) != getattr(new, field):
            yield Finding("text-changed", field, f"{field} reads differently")


def _version(old: Contract, new: Contract, found: list[Finding]) -> Iterator[Finding]:
    before, after = semver(old.version), semver(new.version)
    if after < before:
        yield Finding("version-lowered", "version", f"{old.version} -> {new.version}")
        return
    part = _part_to_raise(before[0], found)
    if part is None:
        return
    least = next_version(old.version, part)
    if after < semver(least):
        level = worst(found)
        what = f"{old.version} -> {new.version} for a {level} change; at least {least}"
        yield Finding("version-too-small", "version", what)


def _part_to_raise(major: int, found: list[Finding]) -> str | None:
    """The part of the version that a change must raise; below 1.0.0 each counts one less."""
    level = worst(found)
    if level is None:
        return None
    adds = level == "risky" or any(finding.rule in _ADDITIONS for finding in found)
    needed = 0 if level == "breaking" else 1 if adds else 2
    return _PARTS[min(needed + (major == 0), 2)]


def _users(contract: Contract, finding: Finding) -> tuple[str, ...]:
    side, _, rest = finding.where.partition(".")
    name = rest.partition(".")[0]
    if finding.level == "compatible" or finding.rule.startswith("version-"):
        return ()
    if side not in ("inputs", "outputs"):
        return tuple(consumer.application for consumer in contract.consumers)
    known = name in (contract.inputs if side == "inputs" else contract.outputs)
    return tuple(c.application for c in contract.consumers if not known or c.uses(side, name))
