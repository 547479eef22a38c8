"""A small BigQuery on 127.0.0.1: `python fake_big_query.py TABLES LOG`; it prints its address.

It speaks what queries need of BigQuery's REST API (v2: jobs.insert, jobs.get, jobs.getQueryResults,
tables.get), with the formats and errors of its reference; `big_query_properties.py` holds the
answers against the messages that Beam generates from Google's description of that API. TABLES is a
JSON file, read at each request: `PROJECT.DATASET.TABLE` -> a Table resource, and its rows. Of SQL
it knows SELECT of columns FROM a table or a subquery, WHERE with comparisons, and LIMIT. Each
request, with its answer, is a line of LOG.
"""

import json
import operator
import re
import sys
import uuid
from collections.abc import Callable
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

SELECT: Final = re.compile(
    r"\s*SELECT\s+(?P<columns>[\w\s,*]+?)\s+FROM\s+(?:`(?P<table>[^`]+)`|\((?P<query>.*)\))"
    r"(?:\s+WHERE\s+(?P<where>.+?))?(?:\s+LIMIT\s+(?P<limit>\d+))?\s*",
    re.IGNORECASE | re.DOTALL,
)
COMPARISON: Final = re.compile(r"\s*(\w+)\s*(<=|>=|=|<|>)\s*('[^']*'|-?\d+|RAND\(\))\s*")
OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
MOST_ROWS: Final = 50_000

Json = dict[str, Any]
Result = tuple[list[Json], list[Json], list[str]]
"""Schema fields, rows, names of the tables that were read."""

jobs: dict[str, Result] = {}


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        """Name the HTTP status, and Google's reason."""
        super().__init__(message)
        self.code, self.reason = code, reason

    @property
    def body(self) -> Json:
        """The error as Google's APIs write it."""
        error = {"message": str(self), "domain": "global", "reason": self.reason}
        return {"error": {"code": self.code, "message": str(self), "errors": [error]}}


def run(query: str, tables: dict[str, Json]) -> Result:
    """Execute a query."""
    match = SELECT.fullmatch(query)
    if match is None:
        raise Refused(400, "invalidQuery", "Syntax error: Unexpected identifier at [1:1]")
    if match["query"]:
        fields, rows, names = run(match["query"], tables)
    else:
        fields, rows, names = read(match["table"], tables)
    for condition in re.split(r"\s+AND\s+", match["where"] or "", flags=re.IGNORECASE):
        rows = [*filter(predicate(condition, fields), rows)] if condition else rows
    if match["columns"] != "*":
        wanted = [column.strip() for column in match["columns"].split(",")]
        fields = [field_of(fields, name) for name in wanted]
    limit = int(match["limit"]) if match["limit"] else None
    return fields, rows[:limit], names


def read(name: str, tables: dict[str, Json]) -> Result:
    """Read a table, a view, or all tables that a wildcard matches."""
    found = [n for n in tables if fnmatchcase(n, name)] if name.endswith("*") else [name]
    results = [read_one(one, tables) for one in found]
    return results[0][0], [x for r in results for x in r[1]], [x for r in results for x in r[2]]


def read_one(name: str, tables: dict[str, Json]) -> Result:
    """Read a table or a view."""
    table = tables.get(name)
    if name.startswith("secret."):
        raise Refused(
            403, "accessDenied", f"Access Denied: Table {name}: User does not have access"
        )
    if table is None:
        raise Refused(404, "notFound", f"Not found: Table {name} was not found in location US")
    if table.get("type") == "VIEW":
        fields, rows, names = run(table["view"]["query"], tables)
        return fields, rows, [name, *names]
    return table["schema"]["fields"], table["rows"], [name]


def field_of(fields: list[Json], name: str) -> Json:
    """Find a field by its name."""
    for field in fields:
        if field["name"] == name:
            return field
    raise Refused(400, "invalidQuery", f"Unrecognized name: {name} at [1:8]")


def predicate(condition: str, fields: list[Json]) -> Callable[[Json], bool]:
    """Read a comparison."""
    match = COMPARISON.fullmatch(condition)
    if match is None:
        raise Refused(400, "invalidQuery", f"Syntax error: Unexpected {condition!r}")
    name, compare, literal = field_of(fields, match[1])["name"], OPERATORS[match[2]], match[3]
    if literal == "RAND()":
        literal = "0"
    value = literal[1:-1] if literal.startswith("'") else int(literal)
    return lambda row: row.get(name) is not None and compare(row[name], value)


def cell(value: Any) -> Json:
    """Write a value as jobs.getQueryResults does: everything is a string."""
    if isinstance(value, list):
        return {"v": [cell(one) for one in value]}
    if value is None:
        return {"v": None}
    return {"v": json.dumps(value) if isinstance(value, bool) else str(value)}


def insert(project: str, body: Json, tables: dict[str, Json]) -> Json:
    """jobs.insert: a query runs at once; a dry run is planned only."""
    configuration = body["configuration"]
    fields, rows, names = result = run(configuration["query"]["query"], tables)
    reference = {"jobId": str(uuid.uuid4())} | body.get("jobReference", {})
    reference |= {"projectId": project, "location": "US"}
    statistics: Json = {
        "statementType": "SELECT",
        "totalBytesProcessed": str(sum(len(json.dumps(row)) for row in rows)),
        "referencedTables": [to_reference(name) for name in dict.fromkeys(names)],
    }
    if configuration.get("dryRun"):
        statistics["schema"] = {"fields": fields}
    else:
        jobs[reference["jobId"]] = result
    return to_job(reference) | {"configuration": configuration, "statistics": {"query": statistics}}


def to_job(reference: Json) -> Json:
    """Make a Job resource."""
    return {"kind": "bigquery#job", "jobReference": reference, "status": {"state": "DONE"}}


def results(project: str, job: str, options: dict[str, str]) -> Json:
    """jobs.getQueryResults: one page."""
    fields, rows, _ = jobs[job]
    start = int(options.get("pageToken", options.get("startIndex", 0)))
    end = start + min(int(options.get("maxResults", MOST_ROWS)), MOST_ROWS)
    answer = {
        "kind": "bigquery#getQueryResultsResponse",
        "jobReference": {"projectId": project, "jobId": job, "location": "US"},
        "jobComplete": True,
        "schema": {"fields": fields},
        "totalRows": str(len(rows)),
        "rows": [{"f": [cell(row.get(f["name"])) for f in fields]} for row in rows[start:end]],
    }
    return answer | ({"pageToken": str(end)} if end < len(rows) else {})


def to_reference(name: str) -> Json:
    """Make a TableReference."""
    return dict(zip(("projectId", "datasetId", "tableId"), name.split("."), strict=True))


def answer(method: str, path: str, body: Json, options: dict[str, str]) -> Json:
    """Answer one request of the API."""
    tables: dict[str, Json] = json.loads(Path(sys.argv[1]).read_text())
    match path.removeprefix("/bigquery/v2/projects/").split("/"):
        case [project, "jobs"] if method == "POST":
            return insert(project, body, tables)
        case [project, "jobs", job] if job in jobs:
            return to_job({"projectId": project, "jobId": job, "location": "US"})
        case [project, "queries", job] if job in jobs:
            return results(project, job, options)
        case [project, "datasets", dataset, "tables", table]:
            name = f"{project}.{dataset}.{table}"
            if name not in tables:
                raise Refused(404, "notFound", f"Not found: Table {name}")
            if tables[name].get("hidden"):
                raise Refused(403, "accessDenied", f"Access Denied: Table {name}")
            said = {"kind": "bigquery#table", "type": "TABLE", "tableReference": to_reference(name)}
            return said | {k: v for k, v in tables[name].items() if k not in ("rows", "hidden")}
        case _:
            raise Refused(404, "notFound", f"Not found: {method} {path}")


class Handler(BaseHTTPRequestHandler):
    """HTTP around `answer`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request, whatever its method."""
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length) or b"{}")
        url = urlsplit(self.path)
        options = {k: v[-1] for k, v in parse_qs(url.query).items()}
        try:
            code, said = 200, answer(self.command, url.path, body, options)
            if wanted := options.get("fields"):  # a partial response
                said = {key: said[key] for key in wanted.split(",") if key in said}
        except Refused as refused:
            code, said = refused.code, refused.body
        with open(sys.argv[2], "a") as log:
            log.write(json.dumps([self.command, url.path, body, code, said]) + "\n")
        data = json.dumps(said).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the console quiet."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201  # for who has started it
    server.serve_forever()
