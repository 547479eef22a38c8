"""How a sample of data, and a model's answers to it, keep a contract."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ...errors import UnreadableModel
from ...tensorflow import tensorflow
from ..domain import Domain, misfit
from ..dtypes import FLOATS
from ..findings.finding import Finding, of_level
from ..model import MISSING, Contract, Input, Output
from .sample import Row, read_rows
from .saved_model import against_model, read_signatures

__all__ = ["against_answers", "against_data", "against_sample"]

_BATCH: Final = 100

Answers = Mapping[str, Any]


@dataclass
class _Tally:
    """How often something was found, and where first."""

    of: int
    found: dict[tuple[str, str], list[Any]] = field(default_factory=dict)

    def add(self, rule: str, where: str, row: int, what: str, times: int = 1) -> None:
        """Count it; the first time, keep the row and what it was."""
        entry = self.found.setdefault((rule, where), [0, row, what])
        entry[0] += times

    def findings(self) -> tuple[Finding, ...]:
        """One for each rule and place."""
        return tuple(
            Finding(rule, where, f"{count:,} of {self.of:,} rows; row {row}: {what}")
            for (rule, where), (count, row, what) in self.found.items()
        )


def against_sample(
    contract: Contract, path: str | Path, directory: str | None, *, most: int | None = None
) -> tuple[Finding, ...]:
    """How the first rows of data keep a contract, and a model's answers to those that do.

    A model whose signature breaks the contract is not asked: `against_model` says why.

    Args:
        contract: The contract.
        path: See `read_rows`.
        directory: Of the SavedModel, on this machine, if there is one.
        most: So many rows.

    Raises:
        BadSample, UnreadableModel: one of them cannot be read.
        MissingTensorFlow: it is not installed here.
    """
    found, sample = against_data(contract, read_rows(path, contract, most=most))
    if directory is None or not sample:
        return found
    if of_level(against_model(contract, read_signatures(directory)), "breaking"):
        return found
    return (*found, *against_answers(contract, directory, sample))


def against_data(
    contract: Contract, rows: Sequence[Row]
) -> tuple[tuple[Finding, ...], dict[int, Row]]:
    """Where rows are not what callers may send, and the rows that are, by their number.

    There is one finding for a rule and a place; the rows that keep the contract have its defaults.
    """
    tally, sample = _Tally(len(rows)), dict[int, Row]()
    bare = {n: one.model_copy(update={"domain": None}) for n, one in contract.inputs.items()}
    for number, row in enumerate(rows, 1):
        breaches = [
            (rule, f"inputs.{name}{field}", what)
            for name, one in contract.inputs.items()
            for rule, field, what in _breaches(one, bare[name], row.get(name, one.default))
        ]
        for rule, where, what in breaches:
            tally.add(rule, where, number, what)
        if not breaches:
            sample[number] = {n: row.get(n, one.default) for n, one in contract.inputs.items()}
    return tally.findings(), sample


def _breaches(one: Input, bare: Input, value: Any) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a value; `bare` is its input without the domain."""
    if value is None:
        yield "data-input-missing", "", "nothing"
    elif why := bare.unfit(value):
        yield "data-input-type", ".dtype", why
    elif one.dtype in FLOATS and _not_finite(value, one):
        yield "data-input-not-finite", "", str(value)
    elif why := one.unfit(value):
        yield "data-input-domain", ".domain", why


def _not_finite(value: Any, one: Input) -> bool:
    if isinstance(value, list | tuple):
        return any(_not_finite(inner, one) for inner in value)
    return not one.may_lack if value == MISSING else math.isinf(value)


def against_answers(
    contract: Contract, directory: str, rows: Mapping[int, Row]
) -> tuple[Finding, ...]:
    """How a model's answers to rows that keep the contract do not keep it.

    Args:
        contract: The contract.
        directory: Of the SavedModel, on this machine; it has the contract's signature.
        rows: By their number, as `against_data` gives them.

    Raises:
        UnreadableModel: it does not load.
        MissingTensorFlow: it is not installed here.
    """
    tf = tensorflow("the sample goes through the model")
    try:
        loaded = tf.saved_model.load(directory)
        signature = loaded.signatures[contract.signature]
    except (tf.errors.OpError, OSError, ValueError, KeyError) as error:
        raise UnreadableModel(
            given=f"{directory} does not load: {str(error).splitlines()[0]}",
            allowed="a SavedModel on this machine that TensorFlow loads",
            todo="copy it here if it is elsewhere, or export it again",
        ) from error
    tally = _Tally(len(rows))
    for numbers in _batches(contract, list(rows)):
        try:
            answers = signature(**_columns(contract, [rows[number] for number in numbers]))
        except tf.errors.OpError as error:
            what = f"the batch that begins there: {_said(error)}"
            tally.add("data-model-refuses", "signature", numbers[0], what, len(numbers))
            continue
        for name, one in contract.outputs.items():
            _judge(tally, name, one, answers[name].numpy(), numbers)
    return tally.findings()


def _batches(contract: Contract, numbers: list[int]) -> Iterator[list[int]]:
    """Rows that go together; lists of any length go alone."""
    alone = any(-1 in one.shape for one in contract.inputs.values())
    size = 1 if alone else min(_BATCH, contract.service.max_instances or _BATCH)
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _columns(contract: Contract, rows: Sequence[Row]) -> dict[str, Any]:
    import numpy as np
    import tensorflow as tf

    columns: dict[str, Any] = {}
    for name, one in contract.inputs.items():
        dtype = tf.as_dtype(one.dtype)
        values = np.array([row[name] for row in rows], dtype.as_numpy_dtype)
        columns[name] = tf.constant(values, dtype)
    return columns


def _said(error: Any) -> str:
    """What the model's own operation says, without where TensorFlow has it from."""
    lines: list[str] = [line for line in error.message.splitlines() if line.strip()]
    own = [
        line for line in lines if not line.startswith(("Graph execution", "Detected", "<", "\t"))
    ]
    return (own or lines or [type(error).__name__])[0]


def _judge(tally: _Tally, name: str, one: Output, answer: Any, numbers: list[int]) -> None:
    """Count what is wrong with a batch of an output."""
    import numpy as np

    where, promised = f"outputs.{name}", (len(numbers), *one.shape)
    if len(answer.shape) != len(promised) or any(
        size != want for size, want in zip(answer.shape, promised, strict=True) if want >= 0
    ):
        what = f"{list(answer.shape)} for {len(numbers)} instances, {list(promised)} promised"
        tally.add("data-output-shape", f"{where}.shape", numbers[0], what, len(numbers))
        return
    domain = _rounded(one, answer.dtype)
    for number, values in zip(numbers, answer, strict=True):
        flat = np.ravel(values)
        if one.dtype in FLOATS and not np.isfinite(flat).all():
            bad = flat[~np.isfinite(flat)][0]
            tally.add("data-output-not-finite", where, number, str(bad))
        elif domain and (why := next(filter(None, (misfit(v, domain) for v in _python(flat))), "")):
            tally.add("data-output-domain", f"{where}.domain", number, why)


def _python(flat: Any) -> list[Any]:
    return [v.decode(errors="replace") if isinstance(v, bytes) else v for v in flat.tolist()]


def _rounded(one: Output, dtype: Any) -> Domain | None:
    """An output's domain as its type can hold it: 0.7 is no float32."""
    if one.domain is None or one.dtype not in FLOATS:
        return one.domain
    facts = one.domain.model_dump(include={"min", "max", "values"}, exclude_none=True)
    import numpy as np

    return one.domain.model_copy(update={k: _as(np.array(v, dtype)) for k, v in facts.items()})


def _as(array: Any) -> Any:
    value = array.tolist()
    return tuple(value) if isinstance(value, list) else value
