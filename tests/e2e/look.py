"""What TensorFlow and TFMA find: `look.py MODEL EVALUATION ANSWER.json`.

The answer has the AUC of every slice, and the probabilities that the model gives for the first ten
rows of the taxi data: by feature name, as tf.Examples, and in a graph restored as TF Serving does.
"""

import csv
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_model_analysis as tfma

MISSING = {tf.string: "", tf.float32: float("nan"), tf.int64: 0}
READ: dict[Any, Any] = {tf.string: str, tf.float32: float, tf.int64: int}


def rows() -> list[dict[str, str]]:
    """The first ten rows of the CSV file."""
    spec = find_spec("tfx")
    assert spec is not None
    assert spec.submodule_search_locations
    place = Path(spec.submodule_search_locations[0])
    with (place / "components/testdata/external/csv/data.csv").open(newline="") as file:
        return [row for row, _ in zip(csv.DictReader(file), range(10), strict=False)]


def example(row: dict[str, str], types: dict[str, Any]) -> bytes:
    """Make a tf.Example of a row; what is missing is left out."""
    features = {}
    for name, dtype in types.items():
        values = [READ[dtype](row[name])] if row[name] else []
        features[name] = {
            tf.string: lambda v: tf.train.Feature(
                bytes_list=tf.train.BytesList(value=[x.encode() for x in v])
            ),
            tf.float32: lambda v: tf.train.Feature(float_list=tf.train.FloatList(value=v)),
            tf.int64: lambda v: tf.train.Feature(int64_list=tf.train.Int64List(value=v)),
        }[dtype](values)
    message = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(message.SerializeToString())


def main(model: str, evaluation: str, answer: str) -> None:
    """Look, and write down what there is."""
    signatures = tf.saved_model.load(model).signatures
    inputs = signatures["serving_default"].structured_input_signature[1]
    types = {name: spec.dtype for name, spec in inputs.items()}
    by_name = {
        name: tf.constant([READ[t](r[name]) if r[name] else MISSING[t] for r in rows()], t)
        for name, t in types.items()
    }
    examples = [example(row, types) for row in rows()]
    served = signatures["serving_default"](**by_name)["probability"]
    by_example = signatures["serving_examples"](tf.constant(examples))["probability"]
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], model)
        signature = graph.signature_def["serving_examples"]
        feed = {signature.inputs["examples"].name: examples}
        restored = session.run(signature.outputs["probability"].name, feed)
    slices = {
        ", ".join(f"{column} = {value}" for column, value in key): values[""][""]
        for key, values in tfma.load_eval_result(evaluation).slicing_metrics
    }
    found = {
        "by name": served.numpy().ravel().tolist(),
        "by example": by_example.numpy().ravel().tolist(),
        "restored": restored.ravel().tolist(),
        "auc": {key: metrics["auc"]["doubleValue"] for key, metrics in slices.items()},
    }
    Path(answer).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
