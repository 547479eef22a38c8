"""Lineage: what is behind an artifact, what was made of it, and how it is told to others."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lockstep.pipelines import ir
from lockstep.pipelines.cli import app
from lockstep.pipelines.compile import compile_pipeline
from lockstep.pipelines.engine.engine import run
from lockstep.pipelines.engine.lineage import UnknownArtifact, trace
from lockstep.pipelines.engine.result import RunResult, State

Compile = Callable[[str], ir.CompiledPipeline]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data; runs and models are kept beside it."""
    place = tmp_path_factory.mktemp("lineage")
    (place / "data").mkdir()
    (place / "data/data.csv").write_text("a\n1\n")
    return place


@pytest.fixture(scope="module")
def cheap(place: Path) -> RunResult:
    """The cheap pipeline, run once with OpenLineage events into a file."""
    compiled = compile_pipeline(str(Path(__file__).with_name("cheap.py")), project_root=place)
    values = {"data": "data", "model_store": str(place / "models")}
    events = str(place / "events.jsonl")
    return run(compiled, values, root=place / "root", project=place, openlineage=events)


def lineage(place: Path, *arguments: str) -> str:
    """Type the command."""
    options = ["--root", str(place / "root"), "--store", str(place / "models")]
    done = CliRunner().invoke(app, ["lineage", *arguments, *options])
    assert done.exit_code == 0, done.exception
    return done.stdout


def test_what_is_behind_an_artifact_comes_in_order(cheap: RunResult, place: Path) -> None:
    """Every step on the way, after those whose outputs it has read; and what came after."""
    found = trace(place / "root", str(cheap.directory / "extend-2/1/longer"))
    assert [made.task for made in found.behind] == ["extend", "extend-2"]
    assert found.behind[1].parameters["text"] == "left"
    assert [made.task for made in found.beyond] == ["extend-4", "make-model", "pusher"]
    assert all(facts["digest"] for facts in found.artifacts.values())


def test_a_model_is_found_by_its_paper(cheap: RunResult, place: Path) -> None:
    """By name, by version, and if the paper names nobody known, by digest."""
    model = str(cheap.directory / "make-model/1/model")
    by_name = json.loads(lineage(place, "cheap", "--json"))
    assert by_name["artifact"] == model
    (version,) = [path for path in (place / "models/cheap").iterdir() if path.is_dir()]
    by_version = json.loads(lineage(place, f"cheap@{version.name}", "--json"))
    assert by_version == by_name
    paper = version / "assets.extra/lineage.json"
    text = paper.read_text()
    paper.write_text(text.replace("make-model", "elsewhere"))
    pushed = str(cheap.directory / "pusher/1/pushed_model")
    assert json.loads(lineage(place, "cheap", "--json"))["artifact"] == pushed
    paper.write_text(text)


def test_the_text_names_data_code_and_parameters(cheap: RunResult, place: Path) -> None:
    """One line for each."""
    lines = lineage(place, "cheap").splitlines()
    assert any(line.startswith("with: python 3.") and ", kfp 2." in line for line in lines)
    assert '    parameter text: "left"' in lines
    assert any(re.fullmatch("    code source: [0-9a-f]{12}", line) for line in lines)


class Collect(HTMLParser):
    """Collects the tags of a page, and what it refers to."""

    def __init__(self) -> None:
        """Start with nothing."""
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in ("src", "href")]


def test_the_picture_needs_nothing_else(cheap: RunResult, place: Path) -> None:
    """A page with a box for each step and artifact, and no reference to anything outside."""
    page = place / "page.html"
    lineage(place, "cheap", "--html", str(page))
    seen = Collect()
    seen.feed(page.read_text())
    assert seen.tags.count("rect") >= 8
    assert seen.tags.count("path") >= 7
    assert seen.references == []
    assert "<script" not in page.read_text()
    assert page.read_text().count('class="subject"') == 1


def test_an_unknown_artifact_is_told(cheap: RunResult, place: Path) -> None:
    """With examples of what there is."""
    with pytest.raises(UnknownArtifact, match="no run here has made /x"):
        trace(place / "root", "/x")


def test_events_tell_of_every_task(cheap: RunResult, place: Path) -> None:
    """START and COMPLETE for the run and each task; inputs, outputs and digests with the end."""
    events = [json.loads(line) for line in (place / "events.jsonl").read_text().splitlines()]
    told = [(event["job"]["name"], event["eventType"]) for event in events]
    tasks = ["cheap", *(f"cheap.{task.path}" for task in cheap.tasks)]
    assert sorted(told) == sorted((name, kind) for name in tasks for kind in ("START", "COMPLETE"))
    assert (told[0], told[-1]) == (("cheap", "START"), ("cheap", "COMPLETE"))
    (end,) = [e for e in events if e["job"]["name"] == "cheap.make-model" and e["outputs"]]
    assert end["inputs"][0]["name"] == str(cheap.directory / "extend-4/1/longer")
    version = end["outputs"][0]["facets"]["version"]["datasetVersion"]
    assert re.fullmatch("sha256:[0-9a-f]{64}", version)
    assert end["run"]["facets"]["parent"]["run"]["runId"] == events[0]["run"]["runId"]
    assert all(re.fullmatch(r"[0-9T:.-]+Z", event["eventTime"]) for event in events)


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """A server that takes events, and what it was sent."""
    received: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            received.append(json.loads(self.rfile.read(size)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/v1/lineage", received
        server.shutdown()


def test_events_are_posted_and_failures_are_among_them(
    compiled: Compile, tmp_path: Path, receiver: tuple[str, list[Any]]
) -> None:
    """In order; a failed task says why."""
    url, received = receiver
    values = {"notes": str(tmp_path / "notes")}
    run(compiled("failures"), values, root=tmp_path, project=tmp_path, openlineage=url)
    failed = [event for event in received if event["eventType"] == "FAIL"]
    assert {"failures", "failures.kill-itself"} <= {event["job"]["name"] for event in failed}
    (killed,) = [event for event in failed if event["job"]["name"].endswith("kill-itself")]
    assert "killed by SIGKILL" in killed["run"]["facets"]["errorMessage"]["message"]


def test_a_receiver_that_is_not_there_does_not_stop_a_run(
    compiled: Compile, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is told once."""
    url = "http://127.0.0.1:9/"
    values = {"number": 1}
    result = run(compiled("inner"), values, root=tmp_path, project=tmp_path, openlineage=url)
    assert result.state is State.SUCCEEDED
    assert capfd.readouterr().err.count("OpenLineage events are lost") == 1
