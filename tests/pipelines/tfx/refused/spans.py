"""A range of spans, out of the artifacts of earlier runs."""

from tfx import v1 as tfx

rolling = tfx.dsl.Resolver(
    strategy_class=tfx.dsl.experimental.SpanRangeStrategy,
    config={
        "range_config": tfx.proto.RangeConfig(rolling_range=tfx.proto.RollingRange(num_spans=2))
    },
    examples=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Examples),
).with_id("rolling")
statistics = tfx.components.StatisticsGen(examples=rolling.outputs["examples"])
pipeline = tfx.dsl.Pipeline("spans", "gs://b/r", components=[rolling, statistics])
