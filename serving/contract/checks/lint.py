"""What a contract leaves out or leaves vague, though its format is right."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from ..dtypes import FLOATS
from ..findings.finding import Finding
from ..model import MISSING, Contract, Tensor

__all__ = ["lint"]

_FEWEST_WORDS: Final = 3
_WRAPPING: Final = ("int8", "int16", "uint8")


def lint(contract: Contract, *, today: date) -> tuple[Finding, ...]:
    """What a reader of the contract would have to ask for, or could take in two ways."""
    return tuple(_found(contract, today))


def _found(contract: Contract, today: date) -> Iterator[Finding]:
    if not contract.description:
        yield Finding("no-description", "description", "it is missing")
    if not contract.owners:
        yield Finding("no-owner", "owners", "there are none")
    for side, tensors in (("inputs", contract.inputs), ("outputs", contract.outputs)):
        for name, one in tensors.items():
            yield from _tensor(f"{side}.{name}", name, one, today)
    if "rest" in contract.transports:
        yield from _over_rest(contract)
    if contract.service.p99_ms is None:
        yield Finding("no-latency", "service.p99_ms", "it is missing")
    if contract.service.max_instances is None:
        yield Finding("no-payload-limit", "service.max_instances", "it is missing")
    if not contract.consumers:
        yield Finding("no-consumer", "consumers", "there are none")
    yield from _sunset("", contract, today)


def _tensor(where: str, name: str, one: Tensor, today: date) -> Iterator[Finding]:
    if one.meaning is None:
        yield Finding("no-meaning", f"{where}.meaning", "it is missing")
    elif _says_little(one.meaning, name):
        yield Finding("vague-meaning", f"{where}.meaning", repr(one.meaning))
    if one.unit is None and one.dtype in FLOATS:
        yield Finding("no-unit", f"{where}.unit", "it is missing")
    if one.domain is None and one.dtype != "bool":
        yield Finding("no-domain", f"{where}.domain", "it is missing")
    if one.sensitivity is None:
        yield Finding("no-sensitivity", f"{where}.sensitivity", "it is missing")
    yield from _sunset(f"{where}.", one, today)


def _over_rest(contract: Contract) -> Iterator[Finding]:
    for name, one in contract.inputs.items():
        if one.dtype in _WRAPPING and one.domain is None:
            yield Finding("integer-wraps", f"inputs.{name}.dtype", one.dtype)
        if one.may_lack:
            yield Finding("missing-over-rest", f"inputs.{name}.default", MISSING)


def _sunset(prefix: str, one: Tensor | Contract, today: date) -> Iterator[Finding]:
    if one.deprecated is None:
        return
    if one.deprecated.sunset <= today:
        yield Finding("sunset-passed", f"{prefix}deprecated", f"since {one.deprecated.sunset}")
    if one.deprecated.instead is None:
        yield Finding("deprecated-without-instead", f"{prefix}deprecated", "nothing is named")


def _says_little(meaning: str, name: str) -> bool:
    words = [word.strip(".,;:()").lower() for word in meaning.split()]
    of_name = set(name.lower().replace("-", "_").split("_"))
    news = [word for word in words if word not in of_name | {"the", "a", "an", "of"}]
    return len(words) < _FEWEST_WORDS or not news
