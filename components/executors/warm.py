"""Everything that heavy steps import, for a process that is forked for each of them.

Importing is all it may do: a process that has run a TensorFlow operation cannot be forked.
"""

# ruff: noqa: F401

import apache_beam.runners.portability.fn_api_runner
import tensorflow_model_analysis
import tensorflow_transform
import tfx.components.bulk_inferrer.component
import tfx.components.example_gen.csv_example_gen.component
import tfx.components.example_gen.custom_executors.parquet_executor
import tfx.components.example_gen.import_example_gen.component

from . import evaluation, inference, ingestion, training, transformation, validation
