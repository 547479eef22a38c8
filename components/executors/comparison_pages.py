"""Pages of what two data sets differ in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2

from . import pages

_measurement: Any = anomalies_pb2.DriftSkewInfo.Measurement  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at import

_MEASURES: Final = {
    _measurement.L_INFTY: "L-infinity",
    _measurement.JENSEN_SHANNON_DIVERGENCE: "Jensen-Shannon",
    _measurement.NORMALIZED_ABSOLUTE_DIFFERENCE: "normalized difference",
}


@dataclass(frozen=True)
class Distance:
    """How far a feature's values are from the baseline's."""

    feature: str
    measure: str
    value: float
    threshold: float
    summary: str
    baseline: str

    @property
    def is_far(self) -> bool:
        """Whether it is beyond its threshold."""
        return self.value > self.threshold


@dataclass(frozen=True)
class Distributions:
    """A split against a split of the baseline."""

    names: tuple[str, str]
    examples: tuple[float, float]
    wrong: Sequence[tuple[str, str, str]]
    """Feature, what is wrong with it in short, and at length."""
    distances: Sequence[Distance]


def distributions(
    names: tuple[str, str], anomalies: Any, statistics: Any, baseline: Any
) -> Distributions:
    """Summarise the `Anomalies` of a pair of splits, beside their `DatasetFeatureStatistics`."""
    now, before = (
        {(row := pages.row(f)).name: row.summary for f in data.features}
        for data in (statistics, baseline)
    )
    found = [
        Distance(
            name := ".".join(info.path.step),
            _MEASURES[one.type],
            one.value,
            one.threshold,
            now.get(name, ""),
            before.get(name, ""),
        )
        for info in anomalies.drift_skew_info
        for one in info.drift_measurements
    ]
    return Distributions(
        names,
        (statistics.num_examples, baseline.num_examples),
        list(reasons(anomalies)),
        sorted(found, key=lambda d: (d.threshold - d.value, d.feature)),
    )


def reasons(anomalies: Any) -> Iterator[tuple[str, str, str]]:
    """Yield feature, short and long description of everything that is wrong.

    TFX's DistributionValidator leaves these in the reasons only.
    """
    for name, info in sorted(anomalies.anomaly_info.items()):
        feature = ".".join(info.path.step) or name
        yield from ((feature, r.short_description, r.description) for r in info.reason)
    for r in anomalies.dataset_anomaly_info.reason:
        yield "(whole data set)", r.short_description, r.description


def write_distributions(file: Path, pairs: Sequence[Distributions]) -> None:
    """Draw what distribution_validator has found."""
    pages.write(file, "distributions", pairs=pairs)


@dataclass(frozen=True)
class Diff:
    """What TFX's ExampleDiff writes for a pair of splits.

    It reads the one input under the other's name (TFX 1.16): its "base" is of
    `examples_test`, its "test" is of `examples_base`. Here they are told apart, and nowhere else.
    """

    match: Any
    features: Sequence[Any]
    samples: Sequence[Any]
    confusion: Sequence[Any]


@dataclass(frozen=True)
class Feature:
    """In how many pairs of examples a feature is the same, or not."""

    name: str
    same: int
    changed: int
    only_here: int
    only_baseline: int

    @property
    def different(self) -> int:
        """In how many pairs it is not the same."""
        return self.changed + self.only_here + self.only_baseline


@dataclass(frozen=True)
class Differences:
    """The examples of a split against those of a split of the baseline."""

    names: tuple[str, str]
    counts: Sequence[tuple[str, int, int]]
    """What is counted, how many here, how many in the baseline."""
    compared: int
    duplicate: int
    """Identifiers that more than one example has."""
    features: Sequence[Feature]
    samples: Sequence[Sequence[tuple[str, str, str]]]
    """Of some pairs: the features that differ, their values here and in the baseline."""
    confusion: Sequence[tuple[str, str, str, int]]
    """Feature, value here, value in the baseline, how often."""


def differences(names: tuple[str, str], diff: Diff) -> Differences:
    """Summarise what differs between the examples of two splits."""
    match = diff.match
    features = [
        Feature(f.feature_name, f.match_count, f.mismatch_count, f.base_only, f.test_only)
        for f in diff.features
    ]
    confusion = [
        (c.feature_name, _value(c.base.bytes_value), _value(c.test.bytes_value), c.count)
        for c in diff.confusion
        if c.base != c.test
    ]
    return Differences(
        names,
        [
            ("with an identifier", match.base_with_id_count, match.test_with_id_count),
            ("without one", match.base_missing_id_count, match.test_missing_id_count),
            ("on one side only", match.ids_missing_in_test_count, match.ids_missing_in_base_count),
        ],
        match.matching_pairs_count,
        match.duplicate_id_count,
        sorted(features, key=lambda f: (-f.different, f.name)),
        [_sample(pair) for pair in diff.samples],
        sorted(confusion, key=lambda c: (c[0], -c[3], c[1:3])),
    )


def write_differences(file: Path, pairs: Sequence[Differences]) -> None:
    """Draw what example_diff has found."""
    pages.write(file, "differences", pairs=pairs)


def _sample(pair: Any) -> list[tuple[str, str, str]]:
    here, baseline = (
        tf.train.Example.FromString(example).features.feature for example in (pair.base, pair.test)
    )
    names = {*pair.base_only_features, *pair.test_only_features, *pair.mismatched_features}
    return [(name, _values(here[name]), _values(baseline[name])) for name in sorted(names)]


def _values(feature: Any) -> str:
    """Write a Feature's values."""
    kind = feature.WhichOneof("kind")
    values = getattr(feature, kind).value if kind else ()
    return ", ".join(_value(v) for v in values)


def _value(value: bytes | float) -> str:
    if isinstance(value, bytes):
        return "" if value == b"__MISSING_VALUE__" else value.decode(errors="replace")
    return f"{value:.7g}" if isinstance(value, float) else str(value)
