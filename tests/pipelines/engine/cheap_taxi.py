# mypy: ignore-errors
# pyright: basic
"""The cheap part of the taxi pipeline: from a CSV file to its anomalies."""

from kfp import dsl

from lockstep.components import (
    csv_example_gen,
    example_validator,
    schema_gen,
    span_resolver,
    statistics_gen,
)


@dsl.pipeline(name="cheap-taxi")
def cheap_taxi(data: str = "package:tfx/components/testdata/external/csv"):
    """Ingest, look, infer, check."""
    files = {"splits": [{"name": "trips", "pattern": "data.csv"}]}
    newest = span_resolver(input_base=data, input_config=files)
    examples = csv_example_gen(
        input_base=data,
        input_config=files,
        span=newest.outputs["span"],
        version=newest.outputs["version"],
        fingerprint=newest.outputs["fingerprint"],
    ).outputs["examples"]
    statistics = statistics_gen(examples=examples).outputs["statistics"]
    schema = schema_gen(statistics=statistics).outputs["schema"]
    example_validator(statistics=statistics, schema=schema)
