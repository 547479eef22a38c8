"""Every kind of bad data: each is refused by the step that meets it, whatever the others do."""

from kfp import dsl

from lockstep.components import (
    csv_example_gen,
    example_validator,
    import_schema_gen,
    schema_gen,
    statistics_gen,
)

TWO_FILES = {
    "splits": [
        {"name": "changed", "pattern": "changed.csv"},
        {"name": "grown", "pattern": "grown.csv"},
    ]
}


@dsl.pipeline(name="bad-data")
def bad_data() -> None:
    """Ingest what cannot be, and validate what does not fit the schema that is kept."""
    for name in ("nowhere", "empty", "ragged"):
        csv_example_gen(input_base=f"data/{name}")
    kept = import_schema_gen(schema_file="data/schema.pbtxt").outputs["schema"]
    misfits = csv_example_gen(input_base="data/misfits", input_config=TWO_FILES)
    statistics = statistics_gen(examples=misfits.outputs["examples"]).outputs["statistics"]
    valid = example_validator(statistics=statistics, schema=kept)
    schema_gen(statistics=statistics).after(valid)
