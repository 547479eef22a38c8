"""A file with two pipelines, which needs a name."""

from tfx import v1 as tfx


def _made(name: str) -> tfx.dsl.Pipeline:
    gen = tfx.components.CsvExampleGen(input_base="gs://bucket/data")
    return tfx.dsl.Pipeline(name, "gs://b/r", components=[gen])


first = _made("first")
second = _made("second")
