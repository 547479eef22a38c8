"""Keras 3's variables, saved so that a model server can restore them."""

from importlib.util import find_spec
from typing import Any


def make_servable() -> None:
    """Let `tf.saved_model.save` of a Keras 3 model write what TF Serving can load.

    Keras maps each of its variables to a fresh copy of the one that the signatures read, and the
    copies are what is restored: to a server, and to TFX's BulkInferrer, the model then lacks its
    variables. Here they are mapped to the ones that are read (keras-team/keras issue 20096).
    """
    if find_spec("keras") is None:
        return
    import keras

    if not keras.__version__.startswith("3.") or keras.backend.backend() != "tensorflow":
        return
    from keras.src.backend.tensorflow.core import Variable

    setattr(Variable, "_export_to_saved_model_graph", _export)  # noqa: B010  # not Keras's public API


def _export(variable: Any, object_map: Any, tensor_map: Any, options: Any, **extra: Any) -> Any:
    resources = variable.value._export_to_saved_model_graph(
        object_map, tensor_map, options, **extra
    )
    object_map[variable] = object_map[variable.value]
    return resources
