"""The ingest step alone."""

from kfp import dsl

from lockstep.components import csv_example_gen


@dsl.pipeline(name="ingest")
def ingest(rows: int = 0) -> None:
    """Ingest TFX's taxi trips; `rows` is there to be given wrongly."""
    csv_example_gen(input_base="package:tfx/components/testdata/external/csv")
