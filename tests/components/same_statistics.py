"""Compare two ExampleStatistics artifacts: `python same_statistics.py DIRECTORY DIRECTORY`.

Numbers are compared to nine digits, since sums are made in different orders, and all else exactly.
Exit code 1 and a line for each difference, otherwise.
"""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from google.protobuf import json_format


def main() -> int:
    """Compare every split."""
    ours, theirs = (
        {
            file.parent.name: dict(leaves(read(file)))
            for file in Path(root).glob("*/FeatureStats.pb")
        }
        for root in sys.argv[1:]
    )
    differences = [
        f"{split}{path}: {mine.get(path)!r}, not {others.get(path)!r}"
        for split, mine in ours.items()
        for others in (theirs[split],)
        for path in sorted(mine.keys() | others.keys())
        if not is_same(mine.get(path), others.get(path))
    ]
    sys.stdout.write("\n".join(differences))
    return int(bool(differences) or ours.keys() != theirs.keys())


def read(file: Path) -> Any:
    """Read the features of a file by their names."""
    [dataset] = json_format.MessageToDict(tfdv.load_stats_binary(str(file)))["datasets"]
    features = {".".join(f["path"]["step"]): f for f in dataset.pop("features")}
    return {**dataset, "features": features}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is no dict and no list, with the way to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{i}]")
    else:
        yield path, value


def is_same(one: Any, other: Any) -> bool:
    """Compare numbers to nine digits, and all else exactly."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


if __name__ == "__main__":
    sys.exit(main())
