"""TFX's Parquet executor, with the zeros kept.

TFX's own takes every value that is false in Python for a missing one: 0, 0.0, False and "" would
not reach the examples, and a trip without a tip would be one whose tip nobody knows.
"""

import os
from typing import Any

import apache_beam as beam
from tfx.components.example_gen import utils
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor


class Executor(BaseExampleGenExecutor):  # type: ignore[misc]  # TFX ships no types
    """Turn the rows of Parquet files into tf.Examples; only a null is a missing value."""

    def GetInputSourceToExamplePTransform(self) -> Any:
        """Give Beam the transform that reads one split."""
        return _read


@beam.ptransform_fn
def _read(pipeline: Any, exec_properties: dict[str, Any], split_pattern: str) -> Any:
    pattern = os.path.join(exec_properties["input_base"], split_pattern)
    return pipeline | beam.io.ReadFromParquet(pattern) | beam.Map(to_example)


def to_example(row: dict[str, Any]) -> Any:
    """Turn a row into a tf.Example, as TFX does, but for the zeros."""
    return utils.dict_to_example({name: _kept(value) for name, value in row.items()})


def _kept(value: Any) -> Any:
    """Wrap what is false, but there, as TFX lets a list of it through."""
    if value or value is None or isinstance(value, list):
        return value
    return [""] if isinstance(value, bytes) else [value]
