"""Two ingests from BigQuery, one cached by its tables, and what the second differs in."""

from kfp import dsl

from lockstep.components import (
    big_query_example_gen,
    big_query_resolver,
    distribution_validator,
    example_diff,
    statistics_gen,
)

TRIPS = "SELECT id, fare, payment_type FROM `acme.taxi.trips` WHERE day = @span_yyyymmdd_utc"


@dsl.pipeline(name="comparing")
def comparing(project: str = "acme") -> None:
    """Compare one day with the one before."""
    examples, statistics = {}, {}
    for day, span in (("before", 17544), ("now", 17545)):
        asked = {
            "query": TRIPS,
            "range_config": {"static_range": {"start_span_number": span, "end_span_number": span}},
            "beam_pipeline_args": ["--project", project],
        }
        found = big_query_resolver(**asked)
        ingested = big_query_example_gen(**asked, fingerprint=found.outputs["fingerprint"])
        examples[day] = ingested.outputs["examples"]
        looked = statistics_gen(examples=examples[day])
        statistics[day] = looked.outputs["statistics"]
    fare = {
        "path": {"step": ["fare"]},
        "distribution_comparator": {"jensen_shannon_divergence": {"threshold": 0.1}},
    }
    distribution_validator(
        statistics=statistics["now"],
        baseline_statistics=statistics["before"],
        config={"default_slice_config": {"feature": [fare]}},
        fail_on_anomalies=False,
    )
    example_diff(
        examples_test=examples["now"],
        examples_base=examples["before"],
        config={"paired_example_skew": {"identifier_features": ["id"], "skew_sample_size": 10}},
        include_split_pairs=[["train", "train"], ["eval", "eval"]],
    )
