"""Executors of the steps that compare data: TFX's DistributionValidator and ExampleDiff."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_data_validation.skew.protos import feature_skew_results_pb2
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components.distribution_validator.component import DistributionValidator
from tfx.components.example_diff.component import ExampleDiff
from tfx.types import artifact_utils

from ..errors import AnomalousData, BadArgument, BadData
from ..step import Results, Step
from . import comparison_pages as pages, records, tfx_step

skew_pb2: Any = feature_skew_results_pb2  # protobuf makes what is in it at import

Pairs = Mapping[str, tuple[str, str]]
"""TFX's name of a pair of splits -> the split, and the baseline's split."""


def distribution_validator(step: Step) -> Results:
    """Compare distributions with TFX's DistributionValidator, and refuse shifted data."""
    component = tfx_step.construct(step, DistributionValidator)
    pairs: Pairs = {}
    if step.inputs["baseline_statistics"].is_there:
        pairs = _pairs(step, "statistics", "baseline_statistics", alike=True)
    results = tfx_step.run(step, component)
    directory = Path(step.outputs["anomalies"].path)
    found = {pair: _anomalies(directory / f"SplitPair-{pair}" / "SchemaDiff.pb") for pair in pairs}
    pages.write_distributions(
        step.output_as_file("html"),
        [
            pages.distributions(names, found[pair], *_statistics(step, *names))
            for pair, names in pairs.items()
        ],
    )
    wrong = [
        f"{feature} ({test} against {base}): {short} {long}"
        for pair, (test, base) in pairs.items()
        for feature, short, long in pages.reasons(found[pair])
    ]
    results.metadata["anomalies"]["anomalies"] = len(wrong)
    if wrong and step.parameters.get("fail_on_anomalies", True):
        raise AnomalousData(
            given="the data is not distributed as the baseline is:"
            + "".join(f"\n    {line}" for line in wrong),
            allowed="distances below the thresholds of `config`; fail_on_anomalies=False records "
            "anomalies and goes on",
            todo="look for what has changed in the data; if it is right, take a newer baseline "
            "or a higher threshold",
        )
    return results


def example_diff(step: Step) -> Results:
    """Compare examples with TFX's ExampleDiff, and draw what differs as a page."""
    component = tfx_step.construct(step, ExampleDiff)
    paired = component.spec.exec_properties["example_diff_config"].paired_example_skew
    if not paired.identifier_features:
        raise BadArgument(
            given=f"config {step.parameters['config']}: no identifier_features",
            allowed='{"paired_example_skew": {"identifier_features": [NAME, ...]}}',
            todo="name the features that tell which two examples belong together",
        )
    pairs = _pairs(step, "examples_test", "examples_base", alike=False)
    results = tfx_step.run(step, component)
    directory = Path(step.outputs["example_diff_result"].path)
    differences = [
        pages.differences(names, _diff(directory / f"SplitPair-{pair}"))
        for pair, names in pairs.items()
    ]
    pages.write_differences(step.output_as_file("html"), differences)
    results.metadata["example_diff_result"] |= {
        f"differences_{pair}": sum(row.different for row in difference.features)
        for pair, difference in zip(pairs, differences, strict=True)
    }
    return results


def _pairs(step: Step, test: str, base: str, *, alike: bool) -> Pairs:
    """Choose the pairs of splits as TFX does.

    Args:
        step: Its `include_split_pairs` decides, if given.
        test: The input that is looked at.
        base: The input that it is compared with.
        alike: If none are given, those of the same name, in place of every one with every one.

    Raises:
        BadArgument: A pair is none, or none is left.
        BadData: An input is empty.
    """
    every = [*product(_splits(step, test), _splits(step, base))]
    wanted = step.parameters.get("include_split_pairs") or [
        pair for pair in every if not alike or pair[0] == pair[1]
    ]
    chosen = [pair for pair in every if any([*pair] == [*other] for other in wanted)]
    if not chosen or len(chosen) < len(wanted):
        raise BadArgument(
            given=f"pairs of splits {[[*pair] for pair in wanted]} of {test} and {base}",
            allowed=f"each once, of these: {[[*pair] for pair in every]}",
            todo="mend include_split_pairs",
        )
    return {f"{one}_{other}": (one, other) for one, other in chosen}


def _splits(step: Step, name: str) -> Sequence[str]:
    names: list[str] = artifact_utils.decode_split_names(
        step.inputs[name].metadata.get("split_names", "")
    )
    if not names:
        raise BadData(
            given=f"{name} has no splits",
            allowed="the output of a step that has found data",
            todo="look at the step before",
        )
    return names


def _statistics(step: Step, test: str, base: str) -> Iterator[Any]:
    """Load the statistics of a split, and of the baseline's split."""
    for name, split in (("statistics", test), ("baseline_statistics", base)):
        file = Path(step.inputs[name].path) / f"Split-{split}" / "FeatureStats.pb"
        yield tfdv.load_stats_binary(str(file)).datasets[0]


def _anomalies(file: Path) -> Any:
    message = anomalies_pb2.Anomalies()  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at import
    message.ParseFromString(file.read_bytes())
    return message


def _diff(directory: Path) -> pages.Diff:
    """Read what TFX has written for one pair."""

    def read(name: str, message: Any) -> list[Any]:
        files = sorted(directory.glob(f"{name}-*-of-*"))
        batches = (batch for file in files for batch in records.batches(file))
        return [message.FromString(record) for batch in batches for record in batch]

    return pages.Diff(
        read("match_stats", skew_pb2.MatchStats)[0],
        read("skew_stats", skew_pb2.FeatureSkew),
        read("sample_pairs", skew_pb2.SkewPair),
        read("confusion", skew_pb2.ConfusionCount),
    )
