"""A loop over the artifacts of a channel."""

from tfx import v1 as tfx
from tfx.dsl.control_flow.for_each import ForEach

gen = tfx.components.CsvExampleGen(input_base="gs://bucket/data")
with ForEach(gen.outputs["examples"]) as examples:
    statistics = tfx.components.StatisticsGen(examples=examples)
pipeline = tfx.dsl.Pipeline("loop", "gs://b/r", components=[gen, statistics])
