"""Declaration of the ingest from BigQuery."""

from typing import Any, Dict, List, Optional  # kfp reads these notations only

from kfp import dsl
from kfp.dsl import Dataset, Output

from .container import container


@dsl.container_component
def big_query_example_gen(
    examples: Output[Dataset],
    query: Optional[str] = None,
    input_config: Optional[Dict[str, Any]] = None,
    output_config: Optional[Dict[str, Any]] = None,
    range_config: Optional[Dict[str, Any]] = None,
    custom_config: Optional[Dict[str, Any]] = None,
    fingerprint: Optional[str] = None,
    beam_pipeline_args: Optional[List[Any]] = None,
) -> dsl.ContainerSpec:
    """Ingest what queries return (TFX's BigQueryExampleGen).

    INTEGER, FLOAT, STRING, BOOLEAN and arrays of them become features, as in TFX; a NULL is a
    feature without values. The project that pays is that of the step's credentials, of
    GOOGLE_CLOUD_PROJECT, or `--project` in `beam_pipeline_args`.

    Args:
        examples: Gzipped TFRecords of tf.Examples, one directory `Split-NAME` per split.
        query: GoogleSQL. One of this and `input_config` is needed.
        input_config: `example_gen_pb2.Input` as a dict: splits, each with its query as pattern.
        output_config: `example_gen_pb2.Output` as a dict; see `csv_example_gen`.
        range_config: `range_config_pb2.RangeConfig` as a dict, with a `static_range`: its span
            stands for `@span_begin_timestamp`, `@span_end_timestamp` and `@span_yyyymmdd_utc`.
        custom_config: `example_gen_pb2.CustomConfig` as a dict, for Beam.
        fingerprint: What `big_query_resolver` found; without it the queries run each time.
        beam_pipeline_args: For Beam; unless they name another runner than DirectRunner, the step
            reads the result page by page, without Beam and without a bucket.
    """
    return container("big_query_example_gen")
