"""The artifacts of two nodes at once."""

from tfx import v1 as tfx
from tfx.types.channel_utils import union

one = tfx.components.CsvExampleGen(input_base="gs://bucket/one").with_id("one")
two = tfx.components.CsvExampleGen(input_base="gs://bucket/two").with_id("two")
both = union([one.outputs["examples"], two.outputs["examples"]])
statistics = tfx.components.StatisticsGen(examples=both)
pipeline = tfx.dsl.Pipeline("both", "gs://b/r", components=[one, two, statistics])
