"""Declarations of the steps that compare data with other data: distributions, and examples."""

from typing import Any, Dict, List, Optional  # kfp reads these notations only

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Output

from .container import container


@dsl.container_component
def distribution_validator(
    statistics: Input[Artifact],
    baseline_statistics: Input[Artifact],
    anomalies: Output[Artifact],
    html: Output[HTML],
    config: Dict[str, Any],
    include_split_pairs: Optional[List[Any]] = None,
    custom_validation_config: Optional[Dict[str, Any]] = None,
    fail_on_anomalies: bool = True,
) -> dsl.ContainerSpec:
    """Compare distributions (TFX's DistributionValidator), and stop the run if one has shifted.

    Args:
        statistics: Output of `statistics_gen`.
        baseline_statistics: Output of another `statistics_gen`, to compare with; if there is
            nothing in it, every split passes (2 in the metadata `blessed`).
        anomalies: `SplitPair-NAME_NAME/SchemaDiff.pb`, an `Anomalies` message per pair; metadata
            `blessed` says 1 or 0 for each.
        html: The distances, and what is wrong, as a page.
        config: `distribution_validator_pb2.DistributionValidatorConfig` as a dict: for each feature
            its `path` and `distribution_comparator`; `num_examples_comparator`.
        include_split_pairs: Pairs of names, `[["train", "eval"]]`, the baseline's second; if not
            given, each split is compared with the baseline's split of the same name.
        custom_validation_config: `CustomValidationConfig` as a dict.
        fail_on_anomalies: False records anomalies and goes on, as TFX does.
    """
    return container("distribution_validator")


@dsl.container_component
def example_diff(
    examples_test: Input[Dataset],
    examples_base: Input[Dataset],
    example_diff_result: Output[Artifact],
    html: Output[HTML],
    config: Dict[str, Any],
    include_split_pairs: Optional[List[Any]] = None,
    beam_pipeline_args: Optional[List[Any]] = None,
) -> dsl.ContainerSpec:
    """Compare examples one by one, those with the same identifier (TFX's ExampleDiff).

    Args:
        examples_test: The examples to look at.
        examples_base: The examples to compare them with.
        example_diff_result: `SplitPair-NAME_NAME/`, in each TFRecords `skew_stats` (`FeatureSkew`),
            `match_stats` (`MatchStats`), `sample_pairs` (`SkewPair`), `confusion`
            (`ConfusionCount`); what TFX calls "base" in them is of `examples_test`.
        html: What differs, by feature and with samples, as a page.
        config: `example_diff_pb2.ExampleDiffConfig` as a dict: `paired_example_skew` with
            `identifier_features`, `ignore_features`, `skew_sample_size`, `float_round_ndigits` (0,
            so whole numbers, if not given), `allow_duplicate_identifiers`, `confusion_config`.
        include_split_pairs: Pairs of names, `[["train", "eval"]]`, that of `examples_base` second;
            if not given, every split is compared with every one.
        beam_pipeline_args: Arguments for Beam; without them Beam runs inside the step.
    """
    return container("example_diff")
