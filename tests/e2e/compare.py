"""Compare the artifacts of two runs: `compare.py OURS THEIRS`, each JSON: output -> directory.

Prints a line of JSON: what was compared -> how many things there are, and how many differ. Order
never counts. Sums of floats depend on Beam's order of adding, so floats may differ in the last
digits of a float32; examples as they are ingested may not differ in any bit.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import json_format, text_format
from tensorflow_metadata.proto.v0.schema_pb2 import (
    Schema,  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at import
)
from tensorflow_metadata.proto.v0.statistics_pb2 import (
    DatasetFeatureStatisticsList,  # pyright: ignore[reportAttributeAccessIssue]  # likewise
)

SPLITS = ("train", "eval")


def raw(directory: Path) -> list[Any]:
    """Every example of a split, serialised so that equal ones have equal bytes."""
    files = [str(file) for file in directory.glob("*.gz")]
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator()
    messages = map(tf.train.Example.FromString, records)
    return sorted(message.SerializeToString(deterministic=True) for message in messages)


def transformed(directory: Path) -> list[Any]:
    """Every example of a split: what is exact in it, and its floats."""

    def parts(example: Any) -> tuple[Any, ...]:
        features = sorted(example.features.feature.items())
        floats = [list(value.float_list.value) for _, value in features]
        exact = [(n, [*v.int64_list.value], [*v.bytes_list.value]) for n, v in features]
        return exact, floats

    return sorted(parts(tf.train.Example.FromString(record)) for record in raw(directory))


def statistics(directory: Path) -> list[Any]:
    """The statistics of every feature."""
    found = DatasetFeatureStatisticsList()
    found.ParseFromString((directory / "FeatureStats.pb").read_bytes())
    (dataset,) = found.datasets
    return sorted(map(json_format.MessageToDict, dataset.features), key=str)


def schema(directory: Path) -> list[Any]:
    """Features and domains of a schema."""
    found = text_format.Parse((directory / "schema.pbtxt").read_text(), Schema())
    return sorted(map(json_format.MessageToDict, [*found.feature, *found.string_domain]), key=str)


def alike(ours: Any, theirs: Any) -> bool:
    """Whether two values are the same, but for rounding."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-5, abs_tol=1e-6)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(alike(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(map(alike, ours, theirs))
    return bool(ours == theirs)


def main(*runs: str) -> None:
    """Compare, and print the result."""
    result = {}
    for output, read, parts in (
        ("examples", raw, SPLITS),
        ("statistics", statistics, SPLITS),
        ("schema", schema, ()),
        ("transformed_examples", transformed, SPLITS),
    ):
        for part in [f"Split-{split}" for split in parts] or [""]:
            ours, theirs = (read(Path(json.loads(run)[output]) / part) for run in runs)
            differ = sum(not alike(*pair) for pair in zip(ours, theirs, strict=False))
            differ += abs(len(ours) - len(theirs))
            result[f"{output} {part}".rstrip()] = {"of": len(theirs), "different": differ}
    print(json.dumps(result))  # noqa: T201  # the answer


if __name__ == "__main__":
    main(*sys.argv[1:])
