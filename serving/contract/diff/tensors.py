"""What changes for callers in inputs and outputs.

Values flow in opposite directions: callers send inputs, so what was taken must still be taken; they
read outputs, so nothing may come that could not come before.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from ..domain import Domain, allows, closed, same
from ..dtypes import INTEGERS, holds
from ..findings.finding import Finding
from ..model import SENSITIVITIES, Contract, Deprecation, Input, Output, Tensor

__all__ = ["deprecations", "tensors"]


def tensors(old: Contract, new: Contract, today: date) -> Iterator[Finding]:
    """Every change in the inputs and outputs of two contracts."""
    yield from _inputs(old, new, today)
    yield from _outputs(old, new, today)


def deprecations(old: Deprecation | None, new: Deprecation | None, where: str) -> Iterator[Finding]:
    """What changes in the announcement that something will go."""
    if old is None and new is not None:
        yield Finding("deprecated", where, f"it will go on {new.sunset}")
    elif old is not None and (new is None or new.sunset > old.sunset):
        until = f"{old.sunset} -> {new.sunset}" if new else "the sunset is withdrawn"
        yield Finding("sunset-later", where, until)
    elif old is not None and new is not None and new.sunset < old.sunset:
        yield Finding("sunset-earlier", where, f"{old.sunset} -> {new.sunset}")
    elif old is not None and new is not None and new.instead != old.instead:
        yield Finding("text-changed", where, "what to use instead reads differently")


def _inputs(old: Contract, new: Contract, today: date) -> Iterator[Finding]:
    renamed = _renamed(old.inputs, new.inputs)
    for was, now in renamed.items():
        yield Finding("input-renamed", f"inputs.{was}", f"{was} -> {now}")
    for name in old.inputs.keys() - new.inputs.keys() - renamed.keys():
        yield _removed("input", name, old.inputs[name], today)
    for name in new.inputs.keys() - old.inputs.keys() - set(renamed.values()):
        come = new.inputs[name]
        rule = "input-added-required" if come.required else "input-added-optional"
        default = "" if come.required else f", default {_shown(come.default)}"
        yield Finding(rule, f"inputs.{name}", f"{come.dtype} {list(come.shape)}{default}")
    grpc = "grpc" in old.transports
    for name in [name for name in old.inputs if name in new.inputs]:
        before, after, where = old.inputs[name], new.inputs[name], f"inputs.{name}"
        yield from _default(before, after, f"{where}.default")
        yield from _dtype("input", before, after, where, grpc=grpc)
        yield from _shape("input", before.shape, after.shape, f"{where}.shape")
        yield from _input_domain(before, after, f"{where}.domain")
        yield from _words(before, after, where)


def _outputs(old: Contract, new: Contract, today: date) -> Iterator[Finding]:
    renamed = _renamed(old.outputs, new.outputs)
    for was, now in renamed.items():
        yield Finding("output-renamed", f"outputs.{was}", f"{was} -> {now}")
    for name in old.outputs.keys() - new.outputs.keys() - renamed.keys():
        yield _removed("output", name, old.outputs[name], today)
    for name in new.outputs.keys() - old.outputs.keys() - set(renamed.values()):
        come = new.outputs[name]
        yield Finding("output-added", f"outputs.{name}", f"{come.dtype} {list(come.shape)}")
    if "rest" in old.transports and (len(old.outputs) == 1) != (len(new.outputs) == 1):
        rule = "output-added-to-one" if len(old.outputs) == 1 else "output-removed-to-one"
        what = f"{len(old.outputs)} -> {len(new.outputs)} outputs"
        yield Finding(rule, "outputs", what)
    grpc = "grpc" in old.transports
    for name in [name for name in old.outputs if name in new.outputs]:
        before, after, where = old.outputs[name], new.outputs[name], f"outputs.{name}"
        yield from _dtype("output", before, after, where, grpc=grpc)
        yield from _shape("output", before.shape, after.shape, f"{where}.shape")
        yield from _output_domain(before, after, f"{where}.domain")
        if before.calibrated != after.calibrated:
            what = "it is calibrated now" if after.calibrated else "it is no longer calibrated"
            yield Finding("calibration-changed", f"{where}.calibrated", what)
        yield from _words(before, after, where)


def _renamed(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, str]:
    """The gone ones that one new one equals in everything, each with its new name."""
    gone = [name for name in old if name not in new]
    come = [name for name in new if name not in old]
    twins = {name: [other for other in come if new[other] == old[name]] for name in gone}
    return {
        name: found[0]
        for name, found in twins.items()
        if len(found) == 1 and sum(found == others for others in twins.values()) == 1
    }


def _removed(kind: str, name: str, gone: Tensor, today: date) -> Finding:
    where, sunset = f"{kind}s.{name}", gone.deprecated and gone.deprecated.sunset
    if sunset and sunset <= today:
        return Finding(f"{kind}-removed-after-sunset", where, f"announced for {sunset}")
    return Finding(f"{kind}-removed", where, f"announced for {sunset}" if sunset else "it is gone")


def _default(old: Input, new: Input, where: str) -> Iterator[Finding]:
    if old.required and not new.required:
        yield Finding("input-made-optional", where, f"its default is {_shown(new.default)}")
    elif new.required and not old.required:
        yield Finding("input-made-required", where, f"its default was {_shown(old.default)}")
    elif old.default != new.default:
        change = f"{_shown(old.default)} -> {_shown(new.default)}"
        yield Finding("input-default-changed", where, change)


def _dtype(kind: str, old: Tensor, new: Tensor, where: str, *, grpc: bool) -> Iterator[Finding]:
    if old.dtype == new.dtype:
        return
    wide, narrow, how = (
        (new.dtype, old.dtype, "widened") if kind == "input" else (old.dtype, new.dtype, "narrowed")
    )
    rule = f"{how}-grpc" if grpc else how
    rule = rule if holds(wide, narrow) else "changed"
    yield Finding(f"{kind}-dtype-{rule}", f"{where}.dtype", f"{old.dtype} -> {new.dtype}")


def _shape(kind: str, old: tuple[int, ...], new: tuple[int, ...], where: str) -> Iterator[Finding]:
    if old == new:
        return
    wide, narrow, rule = (new, old, "widened") if kind == "input" else (old, new, "narrowed")
    fits = len(old) == len(new) and all(w in (-1, n) for w, n in zip(wide, narrow, strict=True))
    rule = rule if fits else "changed"
    yield Finding(f"{kind}-shape-{rule}", where, f"{list(old)} -> {list(new)}")


def _input_domain(old: Input, new: Input, where: str) -> Iterator[Finding]:
    before, after, whole = old.domain, new.domain, old.dtype in INTEGERS
    if same(before, after, whole=whole and new.dtype in INTEGERS):
        return
    kind = _domain_kind(before, after)
    known = before and closed(before)
    if not allows(after, before, whole=whole):
        rule = f"input-{kind}-narrowed"
    elif after and after.open and not allows(closed(after), known, whole=whole):
        rule = "input-values-unknown"
    else:
        rule = f"input-{kind}-widened"
    yield Finding(rule, where, f"{_told(before)} -> {_told(after)}")


def _output_domain(old: Output, new: Output, where: str) -> Iterator[Finding]:
    before, after, whole = old.domain, new.domain, new.dtype in INTEGERS
    if same(before, after, whole=whole and old.dtype in INTEGERS):
        return
    kind = _domain_kind(before, after)
    known = after and closed(after)
    if not allows(before, after, whole=whole):
        rule = f"output-{kind}-widened"
    elif before and before.open and not allows(closed(before), known, whole=whole):
        rule = "output-vocabulary-widened"
    else:
        rule = f"output-{kind}-narrowed"
    yield Finding(rule, where, f"{_told(before)} -> {_told(after)}")


def _words(old: Tensor, new: Tensor, where: str) -> Iterator[Finding]:
    rules: Iterable[tuple[str, Callable[[Any, Any], str]]] = (
        ("unit", _stated("unit")),
        ("meaning", _stated("meaning")),
        ("sensitivity", _sensitivity),
    )
    for field, rule in rules:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            change = f"{before or 'not stated'} -> {after or 'not stated'}"
            yield Finding(rule(before, after), f"{where}.{field}", change)
    yield from deprecations(old.deprecated, new.deprecated, f"{where}.deprecated")


def _stated(field: str) -> Callable[[str | None, str | None], str]:
    def rule(old: str | None, new: str | None) -> str:
        how = "stated" if old is None else "dropped" if new is None else "changed"
        return f"{field}-{how}"

    return rule


def _sensitivity(old: str | None, new: str | None) -> str:
    if new is None:
        return "sensitivity-lowered"
    raised = old is None or SENSITIVITIES.index(new) > SENSITIVITIES.index(old)
    return "sensitivity-raised" if raised else "sensitivity-lowered"


def _domain_kind(old: Domain | None, new: Domain | None) -> str:
    listed = all(domain is None or domain.values is not None for domain in (old, new))
    return "vocabulary" if listed else "domain"


def _told(domain: Domain | None) -> str:
    if domain is None:
        return "any value"
    if domain.pattern is not None:
        return f"/{domain.pattern}/"
    if domain.values is None:
        return " to ".join("any" if v is None else f"{v:g}" for v in (domain.min, domain.max))
    shown = ", ".join(map(_shown, domain.values[:8]))
    more = f" and {len(domain.values) - 8} more" if len(domain.values) > 8 else ""
    return f"{'open ' if domain.open else ''}[{shown}]{more}"


def _shown(value: Any) -> str:
    return repr(list(value)) if isinstance(value, tuple) else repr(value)
