"""TFDV's statistics over files of tf.Examples: one accumulator per part, merged in their order.

The generators are TFDV's own, driven as its Beam pipeline drives them. Only the most frequent
values are counted here: TFDV counts them exactly with Beam, and by sketches without.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_data_validation.statistics.generators import (
    top_k_uniques_sketch_stats_generator,
)
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx_bsl.statistics import merge_util

from .. import records
from . import decoding, frequencies, pool

_PART: Final = 4 << 20
"""Bytes of compressed examples that one accumulator takes."""

_pb2: Any = statistics_pb2  # protobuf makes what is in it at import

_WITHOUT_BEAM: Final = {
    "desired_batch_size",
    "epsilon",
    "frequency_threshold",
    "infer_type_from_schema",
    "num_histogram_buckets",
    "num_quantiles_histogram_buckets",
    "num_rank_histogram_buckets",
    "num_top_values",
    "num_values_histogram_buckets",
    "schema",
    "use_sketch_based_topk_uniques",
    "weighted_frequency_threshold",
}
"""Options that TFDV's generators read; every other is for Beam, and must have its default."""


def objection(options: tfdv.StatsOptions) -> str | None:
    """Say which options need Beam, if some do."""
    defaults = vars(tfdv.StatsOptions())
    changed = sorted(
        name.lstrip("_") for name, value in vars(options).items() if value != defaults[name]
    )
    changed = [name for name in changed if name not in _WITHOUT_BEAM]
    return f"stats_options: {', '.join(changed)}" if changed else None


def generate(files: Mapping[str, Sequence[Path]], options: tfdv.StatsOptions) -> dict[str, Any]:
    """Compute a `DatasetFeatureStatisticsList` for every split."""
    tasks = [
        (split, part)
        for split, found in files.items()
        for part in pool.grouped(found, lambda file: file.stat().st_size, _PART)
    ]
    accumulate = partial(_accumulate, options.to_json())
    done = pool.in_order(accumulate, [part for _, part in tasks])
    generators = _generators(options)
    merged: dict[str, list[Any]] = {}
    for (split, _), part in zip(tasks, done, strict=True):
        if part is not None:
            merged[split] = _merge(generators, merged[split], part) if split in merged else part
    return {split: _extract(generators, merged.get(split)) for split in files}


def _generators(options: tfdv.StatsOptions) -> list[Any]:
    """Make TFDV's generators, counting exactly unless the options ask for sketches."""
    generators: list[Any] = stats_impl.get_generators(options, in_memory=True)
    if not options.use_sketch_based_topk_uniques:
        sketch = top_k_uniques_sketch_stats_generator.TopKUniquesSketchStatsGenerator
        generators = [g for g in generators if not isinstance(g, sketch)]
        generators.append(frequencies.Frequencies(options))
    for generator in generators:
        generator.setup()
    return generators


def _accumulate(options: str, files: Sequence[Path]) -> list[Any] | None:
    """Give what every generator has gathered from the files; None if they have no examples."""
    generators = _generators(tfdv.StatsOptions.from_json(options))
    gathered = None
    for file in files:
        for batch in records.batches(file):
            columns = decoding.decode(batch)
            if gathered is None:
                gathered = [g.create_accumulator() for g in generators]
            gathered = [g.add_input(a, columns) for g, a in zip(generators, gathered, strict=True)]
    if gathered is None:
        return None
    return [g.compact(a) for g, a in zip(generators, gathered, strict=True)]


def _merge(generators: list[Any], *parts: list[Any]) -> list[Any]:
    return [g.merge_accumulators(pair) for g, *pair in zip(generators, *parts, strict=True)]


def _extract(generators: list[Any], gathered: list[Any] | None) -> Any:
    if gathered is None:
        return _pb2.DatasetFeatureStatisticsList(datasets=[_pb2.DatasetFeatureStatistics()])
    outputs = [g.extract_output(a) for g, a in zip(generators, gathered, strict=True)]
    return merge_util.merge_dataset_feature_statistics(outputs)
