"""Which split an example goes to, and the files of the splits.

The rule is TFX's (`base_example_gen_executor`): the sha256 of the example's deterministic
serialization, or of one of its features, modulo the sum of the hash buckets.
"""

import hashlib
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import tensorflow as tf

from ...errors import BadArgument

_LEVEL: Final = 1
"""Of compression: twice as fast as the default, and a third larger."""

_HASHED: Final = (b"\x0a", b"\x1a")
"""How a serialized Feature begins that is a list of bytes or of integers."""


@dataclass(frozen=True)
class Splits:
    """The output splits that one input split is dealt out to."""

    names: tuple[str, ...]
    bounds: tuple[int, ...] = (1,)
    """Hash buckets, summed up: a split has the buckets below its bound."""
    feature: str | None = None
    """The feature whose hash decides, in place of the whole example's."""

    def choose(self, keys: Iterable[bytes]) -> Iterator[str]:
        """Choose the split of every key.

        Raises:
            BadArgument: A key is a Feature, but neither of integers nor of bytes.
        """
        total = self.bounds[-1]
        for key in keys:
            if self.feature is not None and key[:1] not in _HASHED:
                raise no_partition(self.feature)
            bucket = int.from_bytes(hashlib.sha256(key).digest(), "big") % total
            yield self.names[bisect(self.bounds, bucket)]


class Batch(NamedTuple):
    """Some serialized examples, and what is hashed for each of them."""

    records: Sequence[bytes]
    keys: Sequence[bytes]


def write(batches: Iterable[Batch], splits: Splits, root: Path, part: int) -> Counter[str]:
    """Write one part of every split; give the number of examples in each."""
    counts: Counter[str] = Counter(dict.fromkeys(splits.names, 0))
    with ExitStack() as stack:
        writers = {name: stack.enter_context(_writer(root, name, part)) for name in splits.names}
        for batch in batches:
            if len(writers) == 1:
                chosen: Iterable[str] = splits.names * len(batch.records)
            else:
                chosen = splits.choose(batch.keys)
            for record, name in zip(batch.records, chosen, strict=True):
                writers[name].write(record)
                counts[name] += 1
    return counts


def name_parts(root: Path, splits: Iterable[str]) -> None:
    """Give the parts that `write` has left TFX's names: `data_tfrecord-00000-of-00001.gz`."""
    for split in splits:
        parts = sorted(directory(root, split).glob(".part-*"))
        for i, part in enumerate(parts):
            part.rename(part.with_name(f"data_tfrecord-{i:05}-of-{len(parts):05}.gz"))


def directory(root: Path, split: str) -> Path:
    """Where TFX keeps a split of an Examples artifact."""
    return root / f"Split-{split}"


def no_partition(feature: str) -> BadArgument:
    """Make the error for a `partition_feature_name` that cannot be hashed."""
    return BadArgument(
        given=f"output_config: partition_feature_name {feature!r}, which is no feature "
        "of every example, or has no integers and no strings",
        allowed="a feature with integers or strings",
        todo="name another feature, or leave partition_feature_name out",
    )


def _writer(root: Path, split: str, part: int) -> Any:
    directory(root, split).mkdir(parents=True, exist_ok=True)
    file = directory(root, split) / f".part-{part:05}"
    return tf.io.TFRecordWriter(str(file), tf.io.TFRecordOptions("GZIP", compression_level=_LEVEL))
