"""A node that waits for another one, which a condition may skip."""

from tfx import v1 as tfx

gen = tfx.components.CsvExampleGen(input_base="gs://bucket/data")
examples = gen.outputs["examples"]
with tfx.dsl.Cond(examples.future()[0].custom_property("span") == 3):
    statistics = tfx.components.StatisticsGen(examples=examples)
schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
pipeline = tfx.dsl.Pipeline("outside", "gs://b/r", components=[gen, statistics, schema])
