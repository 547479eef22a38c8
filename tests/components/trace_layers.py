"""Trace a user's Keras 2 layer, and Keras 2 itself, as a trainer does; say what was rewritten."""

from importlib import import_module
from typing import Any

import tensorflow as tf
import tf_keras

from lockstep.components.executors.autograph import leave_libraries_alone


class Absolute(tf_keras.layers.Layer):  # type: ignore[misc]  # an untyped base
    """Branches on a tensor, which only rewritten code can do inside a graph."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Turn negative sums around: shape (batch, 1)."""
        if tf.reduce_sum(inputs) < 0:
            return -inputs
        return inputs


rewritten: list[str] = []
api: Any = import_module("tensorflow.python.autograph.impl.api")
convert = api._convert_actual


def recording(entity: object, *arguments: object) -> object:
    """Note what AutoGraph rewrites."""
    rewritten.append(entity.__module__)
    return convert(entity, *arguments)


api._convert_actual = recording
leave_libraries_alone()
leave_libraries_alone()
model = tf_keras.Sequential([Absolute()])
assert float(tf.function(lambda x: model(x))(tf.constant([[-2.0]]))) == 2.0
assert __name__ in rewritten, rewritten
assert not [name for name in rewritten if name.startswith("tf_keras")], rewritten
