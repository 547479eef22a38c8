"""How often each text occurs, counted exactly: TFDV's `TopKUniquesStatsGenerator` without Beam."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.arrow import arrow_util
from tensorflow_data_validation.statistics.generators import stats_generator
from tensorflow_data_validation.utils import (
    schema_util,
    stats_util,
    top_k_uniques_stats_util as top_k,
)
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx_bsl.arrow import array_util
from tfx_bsl.statistics import merge_util

_FEW: Final = 1 << 16
"""Values that may wait to be added up."""

_pb2: Any = statistics_pb2  # protobuf makes what is in it at import


@dataclass
class _Counts:
    """Tables of values and counts; a value may be in more than one, until they are added up."""

    tables: list[Any] = field(default_factory=list[Any])
    waiting: int = 0

    def add(self, *tables: Any) -> None:
        """Take more counts; add up when as many values wait as were different the last time."""
        self.tables += tables
        self.waiting += sum(t.num_rows for t in tables)
        if self.waiting > max(_FEW, self.tables[0].num_rows):
            self.add_up()

    def add_up(self) -> Any:
        """Leave one table, with every value once."""
        if len(self.tables) > 1:
            groups = pa.concat_tables(self.tables).group_by("value")
            table = groups.aggregate([("count", "sum")]).rename_columns(["count", "value"])
            self.tables = [table.combine_chunks()]
        self.waiting = 0
        return self.tables[0]


_Gathered = dict[tuple[str, ...], _Counts]


class Frequencies(stats_generator.CombinerStatsGenerator):  # type: ignore[misc]  # TFDV ships no types
    """The most frequent values of texts and categories, and how many different ones there are."""

    def __init__(self, options: tfdv.StatsOptions) -> None:
        """Take from the options how many values to give, and the schema that names categories."""
        super().__init__("Frequencies", options.schema)
        self._options = options
        schema = options.schema
        self._bytes = set(schema_util.get_bytes_features(schema)) if schema else set()
        self._categories: Mapping[Any, Any] = (
            schema_util.get_categorical_numeric_feature_types(schema) if schema else {}
        )

    def create_accumulator(self) -> _Gathered:
        """Start with nothing."""
        return {}

    def add_input(self, accumulator: _Gathered, input_record_batch: Any) -> _Gathered:
        """Count the values of one batch."""
        leaves = arrow_util.enumerate_arrays(
            input_record_batch, example_weight_map=None, enumerate_leaves_only=True
        )
        for path, array, _ in leaves:
            if self._is_counted(path, array):
                values, _ = array_util.flatten_nested(array, False)
                found = values.value_counts()
                table = pa.table({"count": found.field("counts"), "value": found.field("values")})
                accumulator.setdefault(path.steps(), _Counts()).add(table)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[_Gathered]) -> _Gathered:
        """Put the counts of several parts together."""
        merged: _Gathered = {}
        for accumulator in accumulators:
            for path, counts in accumulator.items():
                merged.setdefault(path, _Counts()).add(*counts.tables)
        return merged

    def compact(self, accumulator: _Gathered) -> _Gathered:
        """Leave every value once."""
        for counts in accumulator.values():
            counts.add_up()
        return accumulator

    def extract_output(self, accumulator: _Gathered) -> Any:
        """Make the statistics; of equally frequent values the greater come first."""
        found = [
            part
            for path, counts in accumulator.items()
            for part in self._statistics(path, counts.add_up())
        ]
        if not found:
            return _pb2.DatasetFeatureStatistics()
        return merge_util.merge_dataset_feature_statistics(found).datasets[0]

    def _is_counted(self, path: Any, array: Any) -> bool:
        """Whether it is a text, or a whole number that the schema calls a category."""
        kind = stats_util.get_feature_type_from_arrow_type(path, array.type)
        is_category = top_k.output_categorical_numeric(self._categories, path, kind)
        return path not in self._bytes and (
            kind == _pb2.FeatureNameStatistics.STRING
            or (is_category and kind == _pb2.FeatureNameStatistics.INT)
        )

    def _statistics(self, path: tuple[str, ...], table: Any) -> list[Any]:
        if not table.num_rows:
            return []
        options = self._options
        most = max(options.num_top_values, options.num_rank_histogram_buckets)
        order = [("count", "descending"), ("value", "descending")]
        first = table.sort_by(order).slice(0, most)
        values = [
            top_k.FeatureValueCount(value, count)
            for count, value in zip(
                first["count"].to_pylist(), first["value"].to_pylist(), strict=True
            )
        ]
        return [
            top_k.make_dataset_feature_stats_proto_topk_single(
                path,
                values,
                is_weighted_stats=False,
                num_top_values=options.num_top_values,
                frequency_threshold=options.frequency_threshold,
                num_rank_histogram_buckets=options.num_rank_histogram_buckets,
            ),
            top_k.make_dataset_feature_stats_proto_unique_single(path, table.num_rows),
        ]
