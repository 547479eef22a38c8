"""The ingest from BigQuery, with the official client, against a small BigQuery on this machine."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lockstep.pipelines.engine.forks import Template
from lockstep.pipelines.engine.launch import Step
from lockstep.serving.errors import Exit

HERE = Path(__file__).parent

FIELDS = [
    {"name": "i", "type": "INTEGER", "mode": "REQUIRED"},
    {"name": "f", "type": "FLOAT"},
    {"name": "s", "type": "STRING"},
    {"name": "b", "type": "BOOLEAN"},
    {"name": "many", "type": "INTEGER", "mode": "REPEATED"},
    {"name": "day", "type": "STRING"},
]
TRIPS = "SELECT i, f, s, b, many FROM `acme.taxi.trips`"
FIRST = {
    "i": [0],
    "f": [0.0],
    "s": ["été"],
    "b": [1],
    "many": [],
}
MESSAGES = {"jobs": "Job", "queries": "GetQueryResultsResponse", "tables": "Table"}


def trip(i: int) -> dict[str, Any]:
    """Make a row; every seventh number and every fifth text is NULL."""
    return {
        "i": i,
        "f": None if i % 7 == 6 else i / 4,
        "s": None if i % 5 == 4 else "été" if i % 2 == 0 else "",
        "b": i % 3 == 0,
        "many": list(range(i % 3)),
        "day": f"201801{1 + i % 28:02}",
    }


@dataclass(frozen=True)
class BigQuery:
    """The server: its tables, and what it was asked."""

    address: str
    tables: Path
    log: Path

    def put(self, name: str, **changes: Any) -> None:
        """Make a table, or change it."""
        tables = json.loads(self.tables.read_text())
        new = {"schema": {"fields": FIELDS}, "lastModifiedTime": "1700000000000", "rows": []}
        tables[name] = tables.get(name, new) | changes
        self.tables.write_text(json.dumps(tables))

    def asked(self) -> list[Any]:
        """Read every request: method, path, body, status, answer."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    @property
    def environment(self) -> dict[str, str]:
        """How clients find it."""
        return {"BIGQUERY_EMULATOR_HOST": self.address, "GOOGLE_CLOUD_PROJECT": "acme"}


@pytest.fixture(scope="module")
def big_query(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BigQuery]:
    """Start the server, with one table."""
    root = tmp_path_factory.mktemp("big_query")
    tables, log = root / "tables.json", root / "log.jsonl"
    tables.write_text("{}")
    log.touch()
    command = [sys.executable, str(HERE / "fake_big_query.py"), str(tables), str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        found = BigQuery(server.stdout.readline().strip(), tables, log)
        found.put("acme.taxi.trips", rows=[trip(i) for i in range(150)])
        yield found
        server.terminate()


@pytest.fixture(scope="module")
def run(workshop: Any, big_query: BigQuery) -> Any:
    """Run a step that finds the server."""
    return workshop.within(**big_query.environment)


@pytest.fixture(scope="module")
def ingested(run: Any) -> Any:
    """All trips, in TFX's two splits."""
    return run("big_query_example_gen", query=TRIPS, fingerprint="once")


def holds(warm: Template, log: Path, *arguments: str, **environment: str) -> None:
    """Run one of the properties."""
    step = Step("big_query_properties", arguments, environment, HERE, log)
    assert warm.run(step).code == 0, log.read_text()


def test_rows_become_examples(workshop: Any, ingested: Any) -> None:
    """Every type that TFX takes; a NULL and an empty array have no values; splits are 2:1."""
    assert ingested.code == Exit.OK, ingested.log
    assert "big_query_example_gen: columnar" in ingested.log
    splits = workshop.examples(ingested)
    examples = sorted((e for split in splits.values() for e in split), key=lambda e: e["i"])
    assert len(examples) == 150
    assert examples[0] == FIRST
    assert examples[4]["s"] == []
    assert examples[6]["f"] == []
    assert examples[5]["many"] == [0, 1]
    said = ingested.metadata("examples")
    assert said["count_train"] + said["count_eval"] == 150
    assert 80 < said["count_train"] < 120
    assert (said["span"], said["input_fingerprint"]) == (0, "once")


def test_examples_are_those_of_tfx(
    workshop: Any, big_query: BigQuery, ingested: Any, tmp_path: Path
) -> None:
    """TFX's own executor makes the same examples of the same query, in the same splits."""
    path = str(ingested.path("examples"))
    holds(workshop.warm, tmp_path / "log.txt", "same", path, TRIPS, **big_query.environment)


@pytest.mark.parametrize("count", [100, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["rows", "spans"])
def test_every_page_gives_what_tfx_makes_of_it(
    warm: Template, tmp_path: Path, name: str, count: int
) -> None:
    """Odd names, numbers, texts and arrays: TFX's bytes; any span: TFX's queries."""
    holds(warm, tmp_path / "log.txt", name, str(count))


def test_the_server_speaks_google_s_api(
    warm: Template, run: Any, big_query: BigQuery, ingested: Any, tmp_path: Path
) -> None:
    """What the tests' server answers are messages of BigQuery's API."""
    run("big_query_resolver", query=TRIPS)
    answers = [
        (MESSAGES[path.split("/")[-1 if method == "POST" else -2]], answer)
        for method, path, _, status, answer in big_query.asked()
        if status == 200
    ]
    assert {name for name, _ in answers} == {*MESSAGES.values()}
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(answers))
    holds(warm, tmp_path / "log.txt", "messages", str(file))


def test_a_large_result_comes_in_pages(run: Any, big_query: BigQuery) -> None:
    """The step never holds more than a page of 10,000 rows; each job says what it is for."""
    fields = [{"name": "i", "type": "INTEGER"}]
    big_query.put(
        "acme.taxi.many", schema={"fields": fields}, rows=[{"i": i} for i in range(170_000)]
    )
    before = len(big_query.asked())
    ran = run("big_query_example_gen", query="SELECT * FROM `acme.taxi.many`")
    said = ran.metadata("examples")
    assert said["count_train"] + said["count_eval"] == 170_000
    asked = big_query.asked()[before:]
    pages = [answer["rows"] for _, path, _, _, answer in asked if "/queries/" in path]
    assert max(map(len, pages)) == 10_000
    assert asked[0][2]["configuration"]["labels"]["tfx_version"]
    files = sorted(p.name for p in (ran.path("examples") / "Split-train").iterdir())
    assert files == [f"data_tfrecord-0000{i}-of-00002.gz" for i in range(2)]


def test_each_split_has_its_query(workshop: Any, run: Any) -> None:
    """`input_config` names the splits, and a span stands in their queries."""
    day = "SELECT i FROM `acme.taxi.trips` WHERE day = @span_yyyymmdd_utc AND i"
    splits = [
        {"name": "train", "pattern": f"{day} < 100"},
        {"name": "test", "pattern": f"{day} >= 100"},
    ]
    span = {"start_span_number": 17545, "end_span_number": 17545}  # 2018-01-14
    ran = run(
        "big_query_example_gen",
        input_config={"splits": splits},
        range_config={"static_range": span},
    )
    assert ran.metadata("examples")["span"] == 17545
    assert workshop.examples(ran) == {
        "test": [{"i": [125]}],
        "train": [{"i": [13]}, {"i": [41]}, {"i": [69]}, {"i": [97]}],
    }


def test_a_column_of_another_type_is_refused(run: Any, big_query: BigQuery) -> None:
    """As by TFX, which takes four types; the column is named."""
    fields = [{"name": "at", "type": "TIMESTAMP"}]
    big_query.put("acme.taxi.times", schema={"fields": fields}, rows=[{"at": 1}])
    ran = run("big_query_example_gen", query="SELECT * FROM `acme.taxi.times`")
    assert ran.code == Exit.DATA
    assert "the column 'at' is TIMESTAMP" in ran.error


def test_a_result_without_rows_is_refused(run: Any) -> None:
    """No rows, no examples: the step says so, as for a file without rows."""
    ran = run("big_query_example_gen", query=f"{TRIPS} WHERE i < 0")
    assert ran.code == Exit.DATA
    assert "what the queries find" in ran.error


@pytest.mark.parametrize("component", ["big_query_example_gen", "big_query_resolver"])
@pytest.mark.parametrize(
    ("query", "code", "says"),
    [
        ("SELEC", Exit.USAGE, "'SELEC': Syntax error"),
        ("SELECT no FROM `acme.taxi.trips`", Exit.USAGE, "Unrecognized name: no"),
        ("SELECT * FROM `acme.taxi.no`", Exit.DATA, "Table acme.taxi.no was not found"),
        ("SELECT * FROM `secret.taxi.x`", Exit.ENVIRONMENT, "User does not have access"),
        ("", Exit.USAGE, "neither query nor input_config"),
    ],
)
def test_what_big_query_refuses_is_explained(
    run: Any, component: str, query: str, code: Exit, says: str
) -> None:
    """What BigQuery says, without addresses and job numbers, and what to do about it."""
    ran = run(component, query=query)
    assert ran.code == code
    assert says in ran.error
    assert "http://" not in ran.error


def test_who_pays_must_be_known(workshop: Any, big_query: BigQuery) -> None:
    """Without a project there is no job; one in the arguments that TFX reads counts."""
    run = workshop.within(BIGQUERY_EMULATOR_HOST=big_query.address)
    ran = run("big_query_resolver", query=TRIPS)
    assert ran.code == Exit.ENVIRONMENT
    assert "GOOGLE_CLOUD_PROJECT" in ran.error
    before = len(big_query.asked())
    assert run("big_query_resolver", query=TRIPS, beam_pipeline_args=["--project=payer"]).code == 0
    assert "/projects/payer/jobs" in big_query.asked()[before][1]


def test_a_range_needs_a_span(run: Any) -> None:
    """A query cannot tell which span is the newest, and TFX does not ask."""
    newest = {"rolling_range": {"num_spans": 1}}
    ran = run("big_query_resolver", query=TRIPS, range_config=newest)
    assert ran.code == Exit.USAGE
    assert "static_range" in ran.error


def test_the_fingerprint_is_the_tables(run: Any, big_query: BigQuery) -> None:
    """Unchanged tables, the same fingerprint, and nothing is executed; a change, another one."""
    big_query.put("acme.taxi.view", type="VIEW", view={"query": TRIPS})
    query = "SELECT * FROM `acme.taxi.view`"

    def look(query: str = query) -> str:
        return str(run("big_query_resolver", query=query).parameters["fingerprint"])

    before = len(big_query.asked())
    first = look()
    assert first == look()
    asked = [a[2] for a in big_query.asked()[before:] if a[0] == "POST"]
    assert all(body["configuration"]["dryRun"] for body in asked)
    assert look(f"{query} LIMIT 5") != first
    big_query.put("acme.taxi.trips", lastModifiedTime="1700000000001")
    assert look() != first
    big_query.put("acme.taxi.trips", lastModifiedTime="1700000000000")
    assert look() == first


@pytest.mark.parametrize(
    ("name", "changes", "why"),
    [
        ("acme.other.streamed", {"streamingBuffer": {"estimatedRows": "3"}}, "are streamed into"),
        ("acme.other.external", {"type": "EXTERNAL"}, "is EXTERNAL"),
        ("acme.other.hidden", {"hidden": True}, "may not be looked at"),
        ("acme.shards.*", {}, "`acme.shards.*` depends on more"),
        (
            "acme.other.view",
            {"type": "VIEW", "view": {"query": f"{TRIPS} WHERE i > RAND()"}},
            "RAND",
        ),
    ],
)
def test_what_cannot_be_known_is_asked_again(
    run: Any, big_query: BigQuery, name: str, changes: Any, why: str
) -> None:
    """Where tables do not tell whether the result changes, no fingerprint equals another."""
    big_query.put(name.replace("*", "x"), **changes)
    looks = [run("big_query_resolver", query=f"SELECT * FROM `{name}`") for _ in range(2)]
    assert looks[0].code == looks[1].code == Exit.OK, looks[0].log
    assert looks[0].parameters != looks[1].parameters
    assert re.search(f"is asked for again each time: .*{re.escape(why)}", looks[0].log)


def test_another_runner_is_given_the_work(workshop: Any) -> None:
    """If the arguments name one, TFX and Beam read, through a bucket."""
    ran = workshop.run(
        "big_query_example_gen",
        query=TRIPS,
        beam_pipeline_args=["--runner=NoSuchRunner", "--project=acme"],
    )
    assert "TFX on Beam (beam_pipeline_args name NoSuchRunner)" in ran.log
    assert ran.code
