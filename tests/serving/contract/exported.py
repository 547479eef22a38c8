"""Models that keep a contract, and those that do not: `python exported.py DIR` makes and asks them.

DIR/trip     a model by trip.yaml: p = fare + the sum of history, seen = what is there, in digits
DIR/stub/0   the stub of every_output.yaml, which takes 100 ms
DIR/broken   by broken.yaml: answers badly for some values of x
DIR/examples a model whose only signature takes serialized tf.Examples
DIR/answers.json  what was asked, and what came
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from lockstep.serving.contract.file import loads
from lockstep.serving.contract.model import Contract
from lockstep.serving.contract.signature import signatures_for
from lockstep.serving.contract.stub.saved_model import write_stub
from lockstep.serving.errors import LockstepError

HERE: Final = Path(__file__).parent
TRIP, EVERY_OUTPUT = "trip.yaml", "every_output.yaml"

MISFITS: Final[dict[str, tuple[str, str]]] = {
    "no such feature": ("fare:", "fair:"),
    "text for numbers": ("fare: {dtype: float32}", "fare: {dtype: string}"),
    "digits lost": ("fare: {dtype: float32}", "fare: {dtype: int64}"),
    "another shape": ("shape: [2], default: [0, 0]", "shape: [3], default: [0, 0, 0]"),
    "a matrix for a list": ("shape: [-1], default: []", "shape: [-1, 2], default: []"),
    "never missing": ("fare: {dtype: float32}", "fare: {dtype: float32, default: NaN}"),
    "no such output": ("  p:", "  q:"),
    "output of another type": ("seen: {dtype: int64}", "seen: {dtype: int32}"),
    "output of another shape": ("p: {dtype: float32}", "p: {dtype: float32, shape: [2]}"),
    "a name that TensorFlow changes": ("seconds:", "_seconds:"),
    "not enough inputs": ("  words: {dtype: string, shape: [-1], default: []}\n", ""),
}
"""What is replaced in trip.yaml, by what the model then does not keep."""

FEATURES: Final = {
    "fare": tf.io.FixedLenFeature([1], tf.float32),
    "hour": tf.io.FixedLenFeature([], tf.int64),
    "seconds": tf.io.VarLenFeature(tf.float32),
    "_seconds": tf.io.VarLenFeature(tf.float32),
    "company": tf.io.VarLenFeature(tf.string),
    "riders": tf.io.FixedLenFeature([1], tf.int64),
    "history": tf.io.FixedLenFeature([2], tf.float32),
    "words": tf.io.VarLenFeature(tf.string),
    "tip": tf.io.FixedLenFeature([1], tf.float32),
}

ROWS: Final[list[dict[str, Any]]] = [
    {"fare": 1.0, "hour": 2.0, "seconds": 60.0, "company": "a", "history": [1, 2], "words": ["x"]},
    {"fare": 2.0, "hour": 0.0, "riders": 3, "words": ["x"]},
]


def contract(name: str, old: str = "", new: str = "") -> Contract:
    """The contract in a file, with a piece of its text replaced."""
    text = (HERE / name).read_text()
    assert old in text
    return loads(text.replace(old, new, 1).encode(), "contract").value


def predict(raw: dict[str, Any]) -> dict[str, Any]:
    """The model: what is there of the optional inputs is counted, each in a digit of its own."""
    seen = raw["hour"] * 10_000 + raw["riders"][:, 0] * 1000
    for digit, name in enumerate(("seconds", "company", "words")):
        there = tf.cast(tf.sparse.to_indicator(ones(raw[name]), 2)[:, 1], tf.int64)
        seen += there * 10**digit
    total = raw["fare"] + tf.reduce_sum(raw["history"], 1, keepdims=True)
    return {"p": total, "seen": seen, "more": raw["fare"]}


def ones(sparse: Any) -> Any:
    """A sparse tensor with 1 wherever there is a value."""
    values = tf.ones_like(sparse.indices[:, 0])
    return tf.SparseTensor(sparse.indices, values, sparse.dense_shape)


def save(directory: Path, signatures: dict[str, Any]) -> dict[str, Any]:
    """Save a model, and load it again."""
    tf.saved_model.save(tf.Module(), str(directory), signatures=signatures)
    loaded: dict[str, Any] = tf.saved_model.load(str(directory)).signatures
    return loaded


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """Outputs as JSON has them."""
    text: Callable[[Any], Any] = lambda v: v.decode() if isinstance(v, bytes) else v  # noqa: E731
    nested: Callable[[Any], Any] = lambda v: (  # noqa: E731
        [nested(one) for one in v] if isinstance(v, list) else text(v)
    )
    return {name: nested(value.numpy().tolist()) for name, value in answer.items()}


def refusal(call: Callable[[], Any]) -> str:
    """What an error says."""
    try:
        call()
    except (tf.errors.InvalidArgumentError, LockstepError) as error:
        return str(error)
    return "no error"


def columns(**changed: list[Any]) -> dict[str, Any]:
    """Both rows with every input, some of them changed."""
    nan = float("nan")
    values: dict[str, Any] = {
        "fare": [1.0, 2.0],
        "hour": [2.0, 0.0],
        "seconds": [60.0, nan],
        "company": ["a", ""],
        "riders": [1, 3],
        "history": [[1.0, 2.0], [0.0, 0.0]],
        "words": [["x"], ["x"]],
    }
    dtypes = {"seconds": tf.float64, "riders": tf.uint8}
    return {n: tf.constant(v, dtypes.get(n)) for n, v in {**values, **changed}.items()}


def examples() -> Any:
    """Both rows as tf.Examples: what is missing has no value, and defaults are filled in."""

    def feature(value: Any) -> Any:
        values = value if isinstance(value, list) else [value]
        if isinstance(values[0], str):
            data = tf.train.BytesList(value=[v.encode() for v in values])
            return tf.train.Feature(bytes_list=data)
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    def whole(value: Any) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))

    serialized = []
    for row in ROWS:
        filled = {"riders": 1, "history": [0.0, 0.0], **row}
        features = {
            n: whole(v) if n in ("hour", "riders") else feature(v) for n, v in filled.items()
        }
        message = tf.train.Example(features=tf.train.Features(feature=features))
        serialized.append(message.SerializeToString())
    return tf.constant(serialized)


def by_session(directory: Path, feed: dict[str, Any]) -> dict[str, Any]:
    """Ask as TF Serving does: what is not sent is fed with the signature's default."""
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(directory))
        signature = graph.signature_def["serving_default"]
        values = {n: tf.make_ndarray(value) for n, value in signature.defaults.items()} | feed
        fed = {signature.inputs[name].name: value for name, value in values.items()}
        fetched = {name: info.name for name, info in signature.outputs.items()}
        return {n: v.tolist() for n, v in session.run(fetched, fed).items()}


def ask_trip(directory: Path) -> dict[str, Any]:
    """The model by contract."""
    loaded = save(directory / "trip", signatures_for(contract(TRIP), predict, FEATURES))
    by_name = loaded["serving_default"]
    return {
        "by name": plain(by_name(**columns())),
        "by example": plain(loaded["serving_examples"](examples())),
        "one for all": plain(by_name(**columns(company=["b"], riders=[7]))),
        "defaults": by_session(directory / "trip", {"fare": [1, 2, 3], "hour": [4, 5, 6]}),
        "too few": refusal(lambda: by_name(**columns(fare=[1.0], company=["b"]))),
        "no whole number": refusal(lambda: by_name(**columns(hour=[1.0, 2.5]))),
        "too large": refusal(lambda: by_name(**columns(hour=[1.0, 1e30]))),
        "not finite": refusal(lambda: by_name(**columns(hour=[1.0, float("nan")]))),
        "misfits": {
            name: refusal(lambda: signatures_for(contract(TRIP, *change), predict, FEATURES))  # noqa: B023
            for name, change in MISFITS.items()
        },
    }


def ask_stub(directory: Path) -> dict[str, Any]:
    """The stub, for rows alone and together, one after the other and at once."""
    write_stub(contract(EVERY_OUTPUT), directory / "stub/0", latency_ms=100)
    stub = tf.saved_model.load(str(directory / "stub/0")).signatures["serving_default"]

    def ask(*xs: float) -> Any:
        feed = {"x": tf.constant(xs), "words": tf.constant([["a", "b"]])}
        return plain(stub(**feed, night=tf.constant([True])))

    def timed(x: float) -> float:
        start = time.perf_counter()
        ask(x)
        return time.perf_counter() - start

    ask(0.0)
    with ThreadPoolExecutor(16) as threads:
        at_once = list(threads.map(timed, map(float, range(16))))
    return {
        "alone": [ask(float(x)) for x in range(20)],
        "together": ask(*map(float, range(20))),
        "seconds": timed(1.0),
        "seconds at once": at_once,
    }


def save_broken(directory: Path) -> None:
    """x: 1 is well, 2 too large, 3 NaN, 4 refused; 5 comes one short."""

    def call(x: Any) -> dict[str, Any]:
        y = tf.where(x == 3.0, float("nan"), tf.where(x == 2.0, 0.8, 0.7))
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(x != 4.0), ["no fours"])]):
            return {"y": tf.boolean_mask(y, x != 5.0)}

    spec = tf.TensorSpec([None], tf.float32, name="x")
    save(directory / "broken", {"serving_default": tf.function(call, input_signature=[spec])})
    spec = tf.TensorSpec([None], tf.string, name="examples")
    by_example = tf.function(lambda examples: {"y": examples}, input_signature=[spec])
    save(directory / "examples", {"serving_default": by_example})


def save_keras(directory: Path) -> dict[str, Any]:
    """A model of Keras 3 and one of Keras 2, each with its own way of saving."""
    import keras
    import tf_keras

    text = b"""
format: lockstep.contract/v1
model: small
version: 1.0.0
inputs: {a: {dtype: float32}}
outputs: {p: {dtype: float32}}
"""
    small = loads(text, "small").value
    found = {}
    for name, kind in (("keras 3", keras), ("keras 2", tf_keras)):
        model = kind.Sequential([kind.Input((1,)), kind.layers.Dense(1)])
        expected = model(tf.constant([[2.0]])).numpy().item()
        features = {"a": tf.io.FixedLenFeature([1], tf.float32)}
        signatures = signatures_for(small, lambda raw: {"p": model(raw["a"])}, features)  # noqa: B023
        tf.saved_model.save(model, str(directory / name), signatures=signatures)
        loaded = tf.saved_model.load(str(directory / name)).signatures["serving_default"]
        found[name] = [expected, loaded(a=tf.constant([2.0]))["p"].numpy().tolist()]
    return found


def main(target: str) -> None:
    """Make and ask every model."""
    directory = Path(target)
    answers = {"trip": ask_trip(directory), "stub": ask_stub(directory)}
    answers["keras"] = save_keras(directory)
    save_broken(directory)
    with tf.io.TFRecordWriter(str(directory / "rows.tfrecord.gz"), "GZIP") as writer:
        for example in examples().numpy():
            writer.write(example)
    (directory / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
