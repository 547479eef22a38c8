"""Ask the newest pushed taxi model about ten trips, given by feature name.

python pipelines/taxi/predict.py STORE
"""

import csv
import os
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from lockstep.components.paths import resolve
from lockstep.serving.store import ModelStore

DATA = "package:tfx/components/testdata/external/csv/data.csv"


def main(store: str) -> None:
    """Load the newest version, and print its answers beside what the passengers gave."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    version = ModelStore.open(store, "taxi").newest()
    signature = tf.saved_model.load(version.path).signatures["serving_default"]
    with Path(resolve(DATA)).open(newline="") as file:
        trips = list(islice((t for t in csv.DictReader(file) if t["payment_type"] != "Cash"), 10))
    _, inputs = signature.structured_input_signature
    columns = {
        name: tf.constant([_value(trip[name], spec.dtype) for trip in trips], spec.dtype)
        for name, spec in inputs.items()
    }
    probabilities = signature(**columns)["probability"].numpy().ravel()
    print(f"taxi/{version.number}, asked about ten trips that were not paid in cash:")
    print("  payment_type    fare  tip given   P(tip > 20 %)")
    for trip, probability in zip(trips, probabilities, strict=True):
        fare, tips = float(trip["fare"]), float(trip["tips"])
        print(f"  {trip['payment_type']:12} {fare:7.2f} {tips / fare:9.0%}   {probability:13.2f}")


def _value(text: str, dtype: Any) -> Any:
    """Read a cell; an empty one is missing: NaN or the empty string, and 0 for an integer."""
    if dtype.is_floating:
        return float(text or "nan")
    return int(text or 0) if dtype.is_integer else text


if __name__ == "__main__":
    main(*sys.argv[1:])
