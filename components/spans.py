"""Declarations of the steps that look at input data before they are ingested."""

from typing import Any, Dict, List, Optional  # kfp reads these notations only

from kfp import dsl
from kfp.dsl import OutputPath

from .container import container


@dsl.container_component
def span_resolver(
    input_base: str,
    span: OutputPath(int),  # type: ignore[valid-type]  # kfp's own notation
    version: OutputPath(int),  # type: ignore[valid-type]  # kfp's own notation
    fingerprint: OutputPath(str),  # type: ignore[valid-type]  # kfp's own notation
    input_config: Optional[Dict[str, Any]] = None,
    range_config: Optional[Dict[str, Any]] = None,
) -> dsl.ContainerSpec:
    """Look at the input files and say which span and version is the newest, and what is in it.

    This is what the driver of a TFX ExampleGen does. As a step of its own, never cached, it lets
    the ingest behind it be cached: hand `span`, `version` and `fingerprint` on to it.

    Args:
        input_base: Directory of the files: a path relative to the project, `package:NAME/PATH`
            inside an installed package, or a URL.
        input_config: `example_gen_pb2.Input` as a dict; without it every file is one split.
        range_config: `range_config_pb2.RangeConfig` as a dict.
        span: The span that matched; 0 if no pattern says `{SPAN}` or a date.
        version: The version that matched; -1 if no pattern says `{VERSION}`.
        fingerprint: Names, sizes and times of the files that matched.
    """
    return container("span_resolver")


@dsl.container_component
def big_query_resolver(
    fingerprint: OutputPath(str),  # type: ignore[valid-type]  # kfp's own notation
    query: Optional[str] = None,
    input_config: Optional[Dict[str, Any]] = None,
    range_config: Optional[Dict[str, Any]] = None,
    beam_pipeline_args: Optional[List[Any]] = None,
) -> dsl.ContainerSpec:
    """Look at the tables that queries read, and say when they were modified.

    This lets the ingest behind it be cached: hand `fingerprint` on to `big_query_example_gen`.
    Nothing is billed. Queries whose result may change while their tables do not (the time of day,
    random numbers, wildcards, external tables, rows that are being streamed in) have a new
    fingerprint each time.

    Args:
        fingerprint: The queries, and their tables with the time when each was modified.
        query: That of `big_query_example_gen`.
        input_config: That of `big_query_example_gen`.
        range_config: That of `big_query_example_gen`.
        beam_pipeline_args: That of `big_query_example_gen`; only `--project` is read.
    """
    return container("big_query_resolver")
