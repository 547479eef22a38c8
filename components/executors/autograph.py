"""What TensorFlow's AutoGraph need not rewrite."""

from typing import Final

from tensorflow.python.autograph.core import config, config_lib

_RULES: Final = tuple(map(config_lib.DoNotConvert, ("tf_keras", "tensorflow_transform")))


def leave_libraries_alone() -> None:
    """Let AutoGraph trace Keras 2 and Transform as they are, as it does Keras 3 and TensorFlow.

    Rewriting Keras 2's source, which a trainer meets in Transform's `tft_layer`, took half of the
    time of training and exporting a small model. A user's own layers are still rewritten: Keras
    itself asks for that.
    """
    if _RULES[0] not in config.CONVERSION_RULES:
        config.CONVERSION_RULES = _RULES + config.CONVERSION_RULES
