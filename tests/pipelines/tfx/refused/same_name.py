"""Two nodes whose ids are one and the same in KFP's notation."""

from tfx import v1 as tfx

one = tfx.components.CsvExampleGen(input_base="gs://bucket/data").with_id("Gen.a")
two = tfx.components.CsvExampleGen(input_base="gs://bucket/data").with_id("gen_a")
pipeline = tfx.dsl.Pipeline("same", "gs://b/r", components=[one, two])
