"""A stub: a small SavedModel that honours a contract, so that applications integrate on day one.

Its answers depend on the inputs alone, stay in the outputs' domains, and mean nothing. TF Serving
loads it like any model: it is made of TensorFlow's own operations, without Python.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ...errors import BadContract, BadModel, NothingToCompare, StoreError
from ...model_files import PAPERS
from ...store import STUB, ModelStore, Pushed
from ...tensorflow import tensorflow
from ..diff.against import PAPER, from_store
from ..dtypes import FLOATS, INTEGERS
from ..file import dump_json
from ..model import Contract, Output
from ..part import Number, Scalar
from ..plausible import matching
from ..signature import by_name

__all__ = ["choices", "push_stub", "write_stub"]

_MANY: Final = 100
"""So many different answers at most, where they are not real numbers."""

_STEPS: Final = 2**16
"""So many different real numbers."""


def write_stub(contract: Contract, directory: str | Path, *, latency_ms: float = 0.0) -> None:
    """Write the SavedModel of a stub, with the contract among its papers.

    Args:
        contract: What to honour.
        directory: Where: a version's directory, which is not there yet or empty.
        latency_ms: How long each request takes, however many are under way.

    Raises:
        BadModel: the directory is in use.
        BadContract: no string is found that an output's pattern matches.
        MissingTensorFlow: it is not installed here.
    """
    place = Path(directory)
    if place.is_file() or (place.is_dir() and any(place.iterdir())):
        raise BadModel(
            given=f"{place} is in use",
            allowed="a directory that is not there yet, or empty",
            todo="remove it, or name another one",
        )
    tf = tensorflow("a stub is a SavedModel")
    known = {name: choices(name, one) for name, one in contract.outputs.items()}

    def predict(inputs: dict[str, Any]) -> dict[str, Any]:
        seed = tf.strings.join([_texts(inputs[name]) for name in sorted(inputs)], "|")
        if latency_ms:
            seed = _later(seed, latency_ms / 1000)
        return {n: _answer(n, one, known[n], seed) for n, one in contract.outputs.items()}

    function = by_name(contract, predict)
    tf.saved_model.save(tf.Module(), str(place), signatures={contract.signature: function})
    paper = place / PAPERS / PAPER
    paper.parent.mkdir(exist_ok=True)
    paper.write_bytes(dump_json(contract))


def push_stub(contract: Contract, directory: str | Path, base: str) -> Pushed:
    """Push a stub that was written as version 0 of its model; that of the same contract only once.

    Raises:
        TakenVersion: version 0 is the stub of another contract.
    """
    store = ModelStore.open(base, contract.model)
    with suppress(StoreError, NothingToCompare):
        if from_store(store, str(STUB)).value == contract:
            return Pushed(store.version(STUB), created=False)
    return store.push(str(directory), number=STUB)


def choices(name: str, one: Output) -> Sequence[Scalar]:
    """Values that an output may have; none for a real number that is not one of a vocabulary.

    >>> choices("night", Output(dtype="bool"))
    (False, True)

    Raises:
        BadContract: no string is found that the pattern matches.
    """
    domain = one.domain
    if domain is not None and domain.values is not None:
        return domain.values
    if one.dtype in FLOATS:
        return ()
    if one.dtype == "bool":
        return (False, True)
    if one.dtype == "string":
        pattern = domain and domain.pattern
        return _matching(name, pattern) if pattern else [f"{name} {i}" for i in range(_MANY)]
    low, high = _ends(one, *INTEGERS[one.dtype], wide=_MANY - 1)
    return sorted({low + (high - low) * i // (_MANY - 1) for i in range(_MANY)})


def _ends(one: Output, least: Number, most: Number, wide: Number) -> tuple[Any, Any]:
    """The range of an output; where it is open it is as wide as said."""
    low, high = (one.domain.min, one.domain.max) if one.domain else (None, None)
    if low is None:
        low = 0 if high is None else high - wide
    return max(low, least), min(low + wide if high is None else high, most)


def _matching(name: str, pattern: str) -> list[str]:
    if found := matching(pattern):
        return found
    raise BadContract(
        given=f"outputs.{name}.domain.pattern: no string found that {pattern!r} matches",
        allowed="a pattern that some string matches",
        todo="mend it, or list the strings: values",
    )


def _texts(value: Any) -> Any:
    """One string for each instance of an input."""
    import tensorflow as tf

    text = value if value.dtype == tf.string else tf.strings.as_string(value)
    return tf.strings.reduce_join(text, axis=list(range(1, len(text.shape))), separator=",")


def _answer(name: str, one: Output, known: Sequence[Scalar], seed: Any) -> Any:
    """A batch of an output: of each instance's seed, the output's name and the element's number."""
    import numpy as np
    import tensorflow as tf

    sizes = [max(size, 1) for size in one.shape]
    elements = tf.constant([f"|{name}|{i}" for i in range(math.prod(sizes))])
    number = tf.strings.to_hash_bucket_fast(seed[:, None] + elements, _STEPS)
    dtype = tf.as_dtype(one.dtype)
    if known:
        table = tf.constant(np.array(known, dtype.as_numpy_dtype), dtype)
        value = tf.gather(table, number % len(known))
    else:
        low, high = _ends(one, dtype.min, dtype.max, wide=1.0)
        share = (tf.cast(number, tf.float64) + 0.5) / _STEPS
        value = tf.cast(low * (1 - share) + high * share, dtype)
    shape = [None, *(None if size < 0 else size for size in one.shape)]
    return tf.compat.v1.placeholder_with_default(tf.reshape(value, [-1, *sizes]), shape)


def _later(value: Any, seconds: float) -> Any:
    """The value, so much later, without a thread that sleeps or spins.

    TensorFlow has no operation that sleeps. `Batch` waits for company up to a millisecond, off the
    threads that compute; its input must change, or it is taken out of the loop.
    """
    import tensorflow as tf

    def wait(turn: Any) -> Any:
        waited = tf.raw_ops.Batch(
            in_tensors=[turn[None]],
            num_batch_threads=1,
            max_batch_size=2**20,
            max_enqueued_batches=2**10,
            batch_timeout_micros=1000,
            grad_timeout_micros=1,
        )
        return turn + tf.where(waited.id == 0, 2, 1)

    with tf.control_dependencies([value]):
        end = tf.timestamp() + seconds
    turns = tf.while_loop(
        lambda _: tf.timestamp() < end, wait, [tf.constant(0)], parallel_iterations=1
    )
    with tf.control_dependencies(turns):
        return tf.identity(value)
