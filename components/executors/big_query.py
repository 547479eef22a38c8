"""Executor of the ingest from BigQuery."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from tfx.extensions.google_cloud_big_query.example_gen.component import BigQueryExampleGen
from tfx.proto import example_gen_pb2
from tfx.utils import proto_utils

from ..step import Results, Step
from . import ingestion, input_files, queries
from .columnar import ingest, result
from .columnar.examples import Column

_pb2: Any = example_gen_pb2  # protobuf makes what is in it at import


def big_query_example_gen(step: Step) -> Results:
    """Ingest what queries return, page by page, or with TFX's BigQueryExampleGen."""
    asked = queries.of(step)
    component = ingestion.construct(step, BigQueryExampleGen)
    properties = component.spec.exec_properties
    config = proto_utils.json_to_proto(properties["input_config"], _pb2.Input())
    for split in config.splits:
        split.pattern = asked[split.name]
    properties["input_config"] = proto_utils.proto_to_json(config)
    properties["_beam_pipeline_args"] = step.parameters.get("beam_pipeline_args", [])
    found = input_files.Found(queries.span(step), None, step.parameters.get("fingerprint", ""))

    def read(query: str) -> Iterator[list[Column]]:
        return result.read(queries.client(step), query)

    from_query = partial(ingest.from_query, read)
    return ingestion.run(step, component, found, from_query, _objection(step))


def _objection(step: Step) -> str | None:
    """Say why a step needs Beam, if it does."""
    if runner := queries.runner(step):
        return f"beam_pipeline_args name {runner}"
    return "custom_config is for Beam's reader" if step.parameters.get("custom_config") else None
