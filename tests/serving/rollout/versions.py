"""Versions of a model, good ones and bad ones; `python versions.py DIR` saves them.

DIR/1, 2   good: serving_default: x float[?] -> version = its number for each x
DIR/3      has no serving_default
DIR/4      good; a test damages it once it is in a store
DIR/5      slow: it counts for a second or so first
DIR/6      refuses every request
"""

import sys
from pathlib import Path
from typing import Any


def build(directory: Path) -> None:
    """Save them all."""
    import tensorflow

    tf: Any = tensorflow  # its types are too narrow for what it takes

    for number in range(1, 7):
        module: Any = tf.Module()
        module.number = tf.Variable(float(number))

        def serve(x: Any, module: Any = module, number: int = number) -> Any:
            wait = tf.constant(400_000 if number == 5 else 0)
            i = tf.while_loop(lambda i: i < wait, lambda i: (i + 1,), (0,))[0]
            refuse = tf.debugging.assert_greater(tf.size(x), 100 if number == 6 else -1)
            with tf.control_dependencies([refuse] if refuse is not None else []):
                return {"version": 0 * x + module.number + 0 * tf.cast(i, tf.float32)}

        call = tf.function(serve, autograph=False).get_concrete_function(
            tf.TensorSpec([None], "float32", "x")
        )
        name = "another" if number == 3 else "serving_default"
        tf.saved_model.save(module, str(directory / str(number)), signatures={name: call})


if __name__ == "__main__":
    build(Path(sys.argv[1]))
