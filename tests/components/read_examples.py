"""Write as JSON what tf.Examples say: `python read_examples.py DIRECTORY FILE`.

In a process of its own: the tests themselves never import TensorFlow.
"""

import json
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

from lockstep.components.executors import records


def main() -> None:
    """Read every split of an Examples artifact; the examples are sorted."""
    splits = {
        directory.name.removeprefix("Split-"): sorted(map(values, records.read(directory)), key=str)
        for directory in sorted(Path(sys.argv[1]).glob("Split-*"))
    }
    Path(sys.argv[2]).write_text(json.dumps(splits))


def values(record: bytes) -> dict[str, list[Any]]:
    """Read one tf.Example: feature -> values; bytes as text."""
    features: Any = tf.train.Example.FromString(record).features.feature
    return {
        name: [v.decode() if isinstance(v, bytes) else v for v in held(features[name])]
        for name in sorted(features)
    }


def held(feature: Any) -> Any:
    """Give the values of a feature; none if it has no kind."""
    kind = feature.WhichOneof("kind")
    return getattr(feature, kind).value if kind else ()


if __name__ == "__main__":
    main()
