"""Results of BigQuery queries as columns of tf.Examples, read a page at a time."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
from google.cloud.bigquery import Client, QueryJobConfig, SchemaField
from tfx.extensions.google_cloud_big_query import utils
from tfx.utils import telemetry_utils

from ...errors import BadData
from .. import queries
from .examples import Column, Kind, column

_ROWS: Final = 10_000

_KINDS: Final[dict[str, tuple[Kind, Any]]] = {
    "INTEGER": (Kind.INT, pa.int64()),
    "FLOAT": (Kind.FLOAT, pa.float64()),
    "STRING": (Kind.BYTES, pa.large_string()),
}
"""Types whose cells are encoded by column."""


def read(client: Client, query: str, *, size: int = _ROWS) -> Iterator[list[Column]]:
    """Yield the columns of one page of the result after the other.

    Raises:
        BadArgument: BigQuery refuses the query.
        BadData: A table is not there, or a column has a type that TFX does not take.
        NoAccess: BigQuery refuses the step.
    """
    config = QueryJobConfig(labels=telemetry_utils.make_labels_dict())
    with queries.explained(query):
        rows = client.query(query, job_config=config).result(page_size=size)
        for page in rows.pages:
            cells = [*page]
            yield [
                to_column(field, [row[i] for row in cells]) for i, field in enumerate(rows.schema)
            ]


def to_column(field: SchemaField, cells: Sequence[Any]) -> Column:
    """Encode one field of many rows as TFX's `row_to_example` does."""
    if field.mode == "REPEATED" or field.field_type not in _KINDS:
        features = [_feature(field, cell) for cell in cells]
        return Column(field.name, features, pa.array(range(len(features)), pa.int32()))
    kind, arrow = _KINDS[field.field_type]
    encoded = pa.array(cells, arrow).dictionary_encode()
    values: Any = encoded.dictionary
    if kind is Kind.BYTES:
        values = values.cast(pa.large_binary())
    return column(field.name, kind, values.to_pylist(), encoded.indices, missing=Kind.NOTHING)


def _feature(field: SchemaField, cell: Any) -> bytes:
    try:
        example = utils.row_to_example({"": field.field_type}, {"": cell})
    except RuntimeError as error:
        raise BadData(
            given=f"the column {field.name!r} is {field.field_type}",
            allowed="INTEGER, FLOAT, STRING, BOOLEAN, and arrays of them, as in TFX",
            todo="convert it in the query, as in CAST(t AS STRING) or UNIX_SECONDS(t)",
        ) from error
    feature: bytes = example.features.feature[""].SerializeToString()
    return feature
