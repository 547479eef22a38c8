"""BigQuery as steps see it: the queries of the splits, the client, and what a query depends on.

Spans are those of TFX's QueryBasedExampleGen (`example_gen.utils.get_query_for_span`). What keeps a
result from being the same tomorrow is on BigQuery's page about cached query results.
"""

import os
import re
from argparse import ArgumentParser
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ..errors import BadArgument, BadData, NoAccess
from ..step import Step
from . import input_files

if TYPE_CHECKING:
    from google.cloud.bigquery import Client, QueryJob

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)

_LOCAL: Final = ("", "DirectRunner", "direct")

_CHANGING: Final = re.compile(
    r"\b(?:CURRENT_\w+|SESSION_USER|RAND|GENERATE_UUID|SYSTEM_TIME|EXTERNAL_QUERY|ML\.\w+)\b"
    r"|@@\w+|`[^`\s]+\*`",
    re.IGNORECASE,
)
"""What gives another answer tomorrow, though no table that is named has changed."""

_SEEN: Final = ("TABLE", "VIEW", "MATERIALIZED_VIEW", "SNAPSHOT")
"""Kinds of tables whose time of modification tells about their rows."""

_MOST: Final = 50
"""Of a query that reads more tables BigQuery does not name them all."""


def span(step: Step) -> int:
    """Read from `range_config` which span is asked for; 0 without it.

    Raises:
        BadArgument: It asks for the newest span, which no query tells.
    """
    ranges = step.parameters.get("range_config") or {}
    wanted = input_files.wanted_span(ranges) if ranges else 0
    if wanted is None:
        raise BadArgument(
            given=f"range_config {ranges}",
            allowed='{"static_range": {"start_span_number": N, "end_span_number": N}}: '
            "a query does not tell which span is the newest",
            todo="name the span",
        )
    return wanted


def of(step: Step) -> Mapping[str, str]:
    """Give the query of every input split, the span put into it.

    Raises:
        BadArgument: There is none, or `query` and `input_config` are both given.
    """
    query, config = step.parameters.get("query"), step.parameters.get("input_config")
    if bool(query) == bool(config):
        raise BadArgument(
            given="query and input_config" if query else "neither query nor input_config",
            allowed="one of them: a query, or a query for each split as its pattern",
            todo="leave one out" if query else "give one",
        )
    splits = [{"name": "single_split", "pattern": query}] if query else input_files.splits_of(step)
    begin = _EPOCH + timedelta(days=span(step))
    values = {
        "@span_begin_timestamp": f"{begin.timestamp():.0f}",
        "@span_end_timestamp": f"{(begin + timedelta(days=1)).timestamp():.0f}",
        "@span_yyyymmdd_utc": f"'{begin:%Y%m%d}'",
    }
    filled = {split["name"]: split["pattern"] for split in splits}
    for placeholder, value in values.items():
        filled = {name: text.replace(placeholder, value) for name, text in filled.items()}
    return filled


def runner(step: Step) -> str | None:
    """Give the Beam runner that is named; None if the step itself can do what it would do."""
    name = _options(step).runner
    return None if name in _LOCAL else name


def client(step: Step) -> "Client":
    """Connect to BigQuery, or to an emulator if BIGQUERY_EMULATOR_HOST names one.

    Raises:
        NoAccess: There are no credentials, or no project to pay for the queries.
    """
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud.bigquery import Client

    is_emulated = "BIGQUERY_EMULATOR_HOST" in os.environ
    project = _options(step).project or os.environ.get("GOOGLE_CLOUD_PROJECT") or None
    try:
        return Client(
            project=project,
            credentials=AnonymousCredentials() if is_emulated else None,  # type: ignore[no-untyped-call]  # google-auth
        )
    except (DefaultCredentialsError, OSError) as error:
        raise NoAccess(
            given=f"{step.component} cannot ask BigQuery: {error}",
            allowed="Google's application default credentials, and a project that pays",
            todo="gcloud auth application-default login, or give the step a service account; name "
            'the project with GOOGLE_CLOUD_PROJECT or beam_pipeline_args=["--project=ID"]',
        ) from error


def fingerprint(step: Step) -> str:
    """Say what the result of each query depends on: its text and the tables, with their times.

    Nothing is billed: BigQuery plans the query without running it (a dry run). If that cannot tell
    whether the result has changed, the time of the look is in it, so that it equals no other.
    """
    asked, service = of(step), client(step)
    prints: list[str] = []
    for name, query in asked.items():
        with explained(query):
            job = _plan(service, query)
            tables = {str(t): _look(service, t) for t in job.referenced_tables}
        times = sorted(f"{n}@{t.modified:%Y-%m-%dT%H:%M:%S.%f}" for n, t in tables.items() if t)
        parts = {
            "split": name,
            "query": sha256(query.encode()).hexdigest()[:16],
            "total_bytes": job.total_bytes_processed,
            "tables": "+".join(times),
        }
        if why := _open(query, tables):
            print(f"{step.component}: split {name!r} is asked for again each time: {why}")  # noqa: T201  # a step's log
            parts["looked"] = datetime.now(timezone.utc).isoformat()
        prints.append(",".join(f"{key}:{value}" for key, value in parts.items()))
    return "\n".join(prints)


@contextmanager
def explained(query: str) -> Generator[None]:
    """Turn what BigQuery answers to a query into errors that say what to do."""
    from google.api_core.exceptions import BadRequest, GoogleAPIError, NotFound
    from google.auth.exceptions import GoogleAuthError

    given = f"{' '.join(query.split())[:300]!r}: "
    try:
        yield
    except BadRequest as error:
        raise BadArgument(
            given=given + _message(error),
            allowed="a query in GoogleSQL",
            todo="try the query in BigQuery's console, or with `bq query --dry_run`",
        ) from error
    except NotFound as error:
        raise BadData(
            given=given + _message(error),
            allowed="tables that exist, as `PROJECT.DATASET.TABLE`",
            todo="look for the table, and at the region of its data set",
        ) from error
    except (GoogleAPIError, GoogleAuthError) as error:
        raise NoAccess(
            given=given + _message(error),
            allowed="the roles BigQuery Job User (on the project that pays) and BigQuery Data "
            "Viewer (on the tables), and a service that answers",
            todo="grant the step's service account these roles; run again if the service is down",
        ) from error


def _plan(service: "Client", query: str) -> "QueryJob":
    from google.cloud.bigquery import QueryJobConfig

    return service.query(query, job_config=QueryJobConfig(dry_run=True, use_query_cache=False))


def _look(service: "Client", table: Any) -> Any:
    """Look at a table; None if only a view of it may be seen."""
    from google.api_core.exceptions import Forbidden

    try:
        return service.get_table(table)
    except Forbidden:
        return None


def _open(query: str, tables: Mapping[str, Any]) -> str | None:
    """Say why the result may change while the tables do not."""
    views = [table.view_query or "" for table in tables.values() if table]
    if changing := next(filter(None, map(_CHANGING.search, (query, *views))), None):
        return f"{changing[0]} depends on more than the tables that are named"
    if len(tables) >= _MOST:
        return f"it reads {_MOST} tables or more"
    for name, table in tables.items():
        if table is None:
            return f"{name} may not be looked at"
        if table.table_type not in _SEEN:
            return f"{name} is {table.table_type}: its rows are elsewhere"
        if table.streaming_buffer:
            return f"rows are streamed into {name}"
    return None


def _message(error: Any) -> str:
    """Give what BigQuery says, without the address and the job."""
    said = getattr(error, "errors", None) or [{}]
    return str(said[0].get("message") or getattr(error, "message", error))


def _options(step: Step) -> Any:
    """Read what TFX, too, takes from Beam's arguments."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--project", default="")
    parser.add_argument("--runner", default="")
    return parser.parse_known_args(step.parameters.get("beam_pipeline_args") or [])[0]
