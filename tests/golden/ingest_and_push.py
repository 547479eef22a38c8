"""Lockstep's own components: what looks outside is not cached, the rest is."""

from kfp import dsl

from lockstep.components import (
    champion,
    csv_example_gen,
    pusher,
    span_resolver,
    statistics_gen,
    trainer,
)


@dsl.pipeline(name="ingest")
def ingest(data: str) -> dsl.Dataset:
    """Ingest the newest span, cached as long as the files are the same."""
    found = span_resolver(input_base=data)
    examples = csv_example_gen(
        input_base=data,
        span=found.outputs["span"],
        version=found.outputs["version"],
        fingerprint=found.outputs["fingerprint"],
    )
    return examples.outputs["examples"]


@dsl.pipeline(name="ingest-and-push")
def ingest_and_push(data: str, store: str = "store") -> None:
    """Ingest, train, push."""
    examples = ingest(data=data).output
    statistics_gen(examples=examples)
    csv_example_gen(input_base="data/other", output_config={"split_config": {"splits": []}})
    champion(base_directory=f"{store}/taxi")
    trained = trainer(
        examples=examples,
        module_file="tests/golden/trainer_module.py",
        train_args={"num_steps": 10},
    )
    pusher(
        model=trained.outputs["model"],
        push_destination={"filesystem": {"base_directory": f"{store}/taxi"}},
    )
