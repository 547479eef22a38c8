"""An ExampleGen with an executor that there is no step for."""

from tfx import v1 as tfx
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.components.example_gen.custom_executors import avro_executor
from tfx.dsl.components.base import executor_spec

gen = FileBasedExampleGen(
    input_base="gs://bucket/avro",
    custom_executor_spec=executor_spec.BeamExecutorSpec(avro_executor.Executor),
)
pipeline = tfx.dsl.Pipeline("avro", "gs://b/r", components=[gen])
