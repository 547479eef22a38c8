"""Hold the ingest from BigQuery against TFX's: `python big_query_properties.py PROPERTY ...`.

In a process of its own: the tests themselves never import TensorFlow.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import apache_beam as beam
import tensorflow as tf
from apache_beam.io.gcp.internal.clients.bigquery import bigquery_v2_messages as messages
from apitools.base.protorpclite import messages as apitools_messages
from apitools.base.py import encoding
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from hypothesis import given, settings, strategies as st
from tfx.components.example_gen.input_processor import QueryBasedInputProcessor
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.extensions.google_cloud_big_query import utils
from tfx.extensions.google_cloud_big_query.example_gen import executor
from tfx.extensions.google_cloud_big_query.example_gen.component import BigQueryExampleGen
from tfx.proto import range_config_pb2
from tfx.types import standard_artifacts

from lockstep.components.executors import queries, records
from lockstep.components.executors.columnar import examples, result
from lockstep.components.step import Step

MODES: Final = ("NULLABLE", "REQUIRED", "REPEATED")
CELLS: Final[dict[str, Any]] = {
    "INTEGER": st.integers(-(2**63), 2**63 - 1),
    "FLOAT": st.floats(),
    "STRING": st.text(),
    "BOOLEAN": st.booleans(),
}
"""Types that TFX takes -> cells as BigQuery's client reads them."""


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[bigquery.SchemaField], list[list[Any]]]:
    """Draw the schema and the rows of one page, with odd names and cells."""
    names = draw(st.lists(st.text("ab_é", min_size=1, max_size=5), min_size=1, unique=True))
    fields = [
        bigquery.SchemaField(name, draw(st.sampled_from([*CELLS])), draw(st.sampled_from(MODES)))
        for name in names
    ]
    row = st.tuples(*(cells(field) for field in fields))
    return fields, [[*cell] for cell in draw(st.lists(row, max_size=6))]


def cells(field: bigquery.SchemaField) -> Any:
    """Give a strategy for a field's cells."""
    one = CELLS[field.field_type]
    if field.mode == "REPEATED":
        return st.lists(one, max_size=3)
    return one if field.mode == "REQUIRED" else st.none() | one


def rows(count: str) -> None:
    """Any page gives the bytes of TFX's `row_to_example`, serialized deterministically."""

    @settings(max_examples=int(count), deadline=None, database=None)
    @given(tables())
    def holds(drawn: tuple[list[bigquery.SchemaField], list[list[Any]]]) -> None:
        fields, table = drawn
        columns = [result.to_column(f, [row[i] for row in table]) for i, f in enumerate(fields)]
        types = {field.name: field.field_type for field in fields}
        expected = [
            utils.row_to_example(types, dict(zip(types, row, strict=True))) for row in table
        ]
        assert examples.encode(columns) == [
            example.SerializeToString(deterministic=True) for example in expected
        ]

    holds()


def spans(count: str) -> None:
    """Queries are those that the driver of TFX's QueryBasedExampleGen makes of them."""
    pattern = st.lists(
        st.sampled_from(
            [
                "@span_begin_timestamp",
                "@span_end_timestamp",
                "@span_yyyymmdd_utc",
                "x",
                "@span",
                "'",
            ]
        ),
        min_size=1,
    ).map("".join)

    @settings(max_examples=int(count), deadline=None, database=None)
    @given(pattern, st.integers(0, 40_000))
    def holds(query: str, span: int) -> None:
        ranges = {"static_range": {"start_span_number": span, "end_span_number": span}}
        pb2: Any = range_config_pb2
        config = pb2.RangeConfig(static_range=pb2.StaticRange(**ranges["static_range"]))
        processor = QueryBasedInputProcessor([], config)
        parameters = {"query": query, "range_config": ranges}
        step = Step("big_query_example_gen", parameters, {}, {}, {}, "")
        assert queries.span(step) == processor.resolve_span_and_version()[0]
        expected = processor.get_pattern_for_span_version(query, span, None)
        assert queries.of(step) == {"single_split": expected}

    holds()


def same(artifact: str, query: str) -> None:
    """TFX's executor makes of a query the examples and the splits that a step has made of it.

    Only the read itself is not Beam's, which would export into a bucket.
    """
    client = partial(bigquery.Client, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]

    @beam.ptransform_fn
    def read(pipeline: Any, query: str, big_query_custom_config: Any = None) -> Any:
        found = [dict(row.items()) for row in client().query(query).result()]
        return pipeline | beam.Create(found)

    theirs: Any = executor
    theirs.bigquery.Client, theirs.utils.ReadFromBigQuery = client, read
    properties = BigQueryExampleGen(query=query).spec.exec_properties
    properties["_beam_pipeline_args"] = []
    with TemporaryDirectory() as directory:
        written = standard_artifacts.Examples()
        written.uri = directory
        context = BaseBeamExecutor.Context(
            beam_pipeline_args=["--runner=DirectRunner"], tmp_dir=directory, unique_id="1"
        )
        executor.Executor(context).Do({}, {"examples": [written]}, properties)
        assert contents(Path(directory)) == contents(Path(artifact))
        assert json.loads(written.split_names) == ["train", "eval"]


def contents(root: Path) -> dict[str, Counter[bytes]]:
    """Read the examples of every split; their order is not Beam's to keep."""
    return {
        split: Counter(
            tf.train.Example.FromString(record).SerializeToString(deterministic=True)
            for record in records.read(root / f"Split-{split}")
        )
        for split in ("train", "eval")
    }


def messages_of(answers: str) -> None:
    """Answers of the fake are messages of the API as Google describes it, to the last field."""
    for name, answer in json.loads(Path(answers).read_text()):
        message = encoding.JsonToMessage(getattr(messages, name), json.dumps(answer))
        assert not [*unknown(message)]


def unknown(message: Any) -> Iterator[str]:
    """Yield the names of fields that a message, or one within it, should not have."""
    yield from message.all_unrecognized_fields()
    for field in message.all_fields():
        if isinstance(field, apitools_messages.MessageField) and field.name != "labels":
            value = getattr(message, field.name)
            held = value if field.repeated else [value]
            yield from (name for one in held if one is not None for name in unknown(one))


PROPERTIES: Final[dict[str, Callable[..., None]]] = {
    "rows": rows,
    "spans": spans,
    "same": same,
    "messages": messages_of,
}

if __name__ == "__main__":
    PROPERTIES[sys.argv[1]](*sys.argv[2:])
