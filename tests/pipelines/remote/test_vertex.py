"""Runs on Vertex AI, through google-auth and real HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lockstep.pipelines.errors import (
    BadParameter,
    BadRequest,
    BrokenService,
    Conflict,
    MalformedAnswer,
    NotAuthenticated,
    NotAuthorized,
    NotFound,
    Overloaded,
    ServiceError,
    UnknownRun,
    Unreachable,
)
from lockstep.pipelines.ir import load
from lockstep.pipelines.remote.google_rest import GoogleAuth, Rest
from lockstep.pipelines.remote.service import State, Submission
from lockstep.pipelines.remote.vertex import Vertex, job_id, to_labels

pytest.importorskip("google.cloud.aiplatform_v1", reason="comes with lockstep[tfx]")
from .vertex_server import PARENT, VertexServer, serving

GOLDEN = Path(__file__).parents[2] / "golden"
TAXI = load(GOLDEN / "taxi.yaml")


class Token(httpx.Auth):
    """A token that stays as it is."""

    def auth_flow(self, request: httpx.Request) -> Any:
        """Put it on the request."""
        request.headers["Authorization"] = "Bearer first-token"
        yield request


@pytest.fixture
def server() -> Iterator[VertexServer]:
    """Start an empty Vertex AI."""
    with serving() as server:
        yield server


@pytest.fixture
def vertex(server: VertexServer) -> Vertex:
    """Give a client that does not wait between tries."""
    rest = Rest(server.address, Token(), sleep=lambda seconds: None)
    return Vertex("acme", "europe-west4", "acme-runs", rest=rest, logging=rest)


def submission(**changes: Any) -> Submission:
    """Give the taxi pipeline with what it needs, and some changes."""
    labels = {"digest": TAXI.digest, "commit": "0a1b", "why": "New data: span 7"}
    given: dict[str, Any] = {
        "name": "taxi-7",
        "parameters": {"model_store": "gs://acme/models", "train_steps": 10},
        "labels": labels,
        "service_account": "runner@acme.iam.gserviceaccount.com",
    }
    return Submission(TAXI, **(given | changes))


def task(name: str, state: str = "SUCCEEDED", job: str = "", **more: Any) -> dict[str, Any]:
    """Give a task's detail as Vertex AI writes it."""
    main = {"containerDetail": {"mainJob": f"projects/1/locations/e/customJobs/{job}"}}
    return {"taskName": name, "state": state, **({"executorDetail": main} if job else {}), **more}


def test_the_plan_is_what_the_server_receives(server: VertexServer, vertex: Vertex) -> None:
    """A dry run shows the very request that is sent: path, query and body."""
    (planned,) = vertex.plan(submission())
    assert not server.requests
    vertex.submit(submission())
    assert server.requests == [(planned.method, planned.path, planned.body)]


def test_a_submission_is_a_pipeline_job(server: VertexServer, vertex: Vertex) -> None:
    """The job has our file, parameters, root, labels and account, and the run says where it is."""
    run = vertex.submit(submission(experiment="Nightly runs"))
    job = server.jobs["taxi-7"]
    assert job["pipelineSpec"]["pipelineInfo"]["name"] == "taxi"
    assert job["runtimeConfig"] == {
        "gcsOutputDirectory": "gs://acme-runs",
        "parameterValues": {"model_store": "gs://acme/models", "train_steps": 10.0},
    }
    assert job["labels"] == {
        "digest": TAXI.digest[:63],
        "commit": "0a1b",
        "why": "new-data-span-7",
        "experiment": "nightly-runs",
    }
    assert job["serviceAccount"] == "runner@acme.iam.gserviceaccount.com"
    assert run.state is State.PENDING
    assert run.url.endswith("/europe-west4/pipelines/runs/taxi-7?project=acme")


def test_a_submission_that_is_repeated_starts_one_run(server: VertexServer, vertex: Vertex) -> None:
    """Also when the answer to the first try was lost, there is one run of a name."""
    server.faults = [(503, "{}")]
    first = vertex.submit(submission())
    assert vertex.submit(submission(labels={"digest": TAXI.digest, "why": "again"})) == first
    assert list(server.jobs) == ["taxi-7"]


def test_a_name_that_another_pipeline_has_is_a_conflict(vertex: Vertex) -> None:
    """A run of the same name and another digest is not taken for this one."""
    vertex.submit(submission(labels={"digest": "another"}))
    with pytest.raises(Conflict, match="taxi-7 already exists"):
        vertex.submit(submission())


def test_artifacts_need_a_bucket(vertex: Vertex) -> None:
    """Without a bucket there is no plan; a pipeline root takes its place."""
    bare = Vertex("acme", "europe-west4", rest=vertex.rest)
    with pytest.raises(BadParameter, match="--bucket"):
        bare.plan(submission())
    (planned,) = bare.plan(submission(pipeline_root="gs://other/runs"))
    assert isinstance(planned.body, dict)
    assert planned.body["runtimeConfig"]["gcsOutputDirectory"] == "gs://other/runs"


@pytest.mark.parametrize(("project", "region"), [("", "europe-west4"), ("acme", ""), ("a/b", "x")])
def test_a_place_is_named(project: str, region: str) -> None:
    """Project and region are both needed, and cannot lead elsewhere."""
    with pytest.raises(BadParameter, match=r"add --(project|region)"):
        Vertex(project, region)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("QUEUED", State.PENDING),
        ("RUNNING", State.RUNNING),
        ("SUCCEEDED", State.SUCCEEDED),
        ("FAILED", State.FAILED),
        ("CANCELLING", State.CANCELLING),
        ("CANCELLED", State.CANCELLED),
        ("PAUSED", State.PAUSED),
        ("UNSPECIFIED", State.UNKNOWN),
    ],
)
def test_states_are_told_in_our_words(
    server: VertexServer, vertex: Vertex, said: str, state: State
) -> None:
    """Each of Vertex AI's states has a word of ours."""
    vertex.submit(submission())
    server.settle("taxi-7", said, [])
    assert vertex.get("taxi-7").state is state


def test_a_run_tells_its_tasks(server: VertexServer, vertex: Vertex) -> None:
    """Tasks have states, messages, times and the number of their custom job."""
    vertex.submit(submission())
    tasks = [
        task("champion", job="11", startTime="2026-01-02T03:04:05.123456789Z"),
        task("transform", "SKIPPED"),
        task("pusher", "NOT_TRIGGERED"),
        task("trainer", "FAILED", error={"code": 9, "message": "exit code 4"}),
    ]
    server.settle("taxi-7", "FAILED", tasks, error="The DAG failed because some tasks failed.")
    run = vertex.get("taxi-7")
    assert run.message.startswith("The DAG failed")
    assert [(t.name, t.state, t.message, t.id) for t in run.tasks] == [
        ("champion", State.SUCCEEDED, "", "11"),
        ("transform", State.SUCCEEDED, "from the cache", ""),
        ("pusher", State.SKIPPED, "", ""),
        ("trainer", State.FAILED, "exit code 4", ""),
    ]
    started = run.tasks[0].started
    assert started
    assert started.isoformat() == "2026-01-02T03:04:05.123456+00:00"


@pytest.mark.parametrize("pushed", [True, False])
def test_a_run_tells_whether_it_pushed(server: VertexServer, vertex: Vertex, pushed: bool) -> None:
    """What the pusher wrote into its artifact's metadata says so; before it, nothing does."""
    vertex.submit(submission())
    assert vertex.get("taxi-7").blessed is None
    metadata = {"tfx_type": "PushedModel", "pushed": float(pushed)}
    outputs = {"pushed_model": {"artifacts": [{"metadata": metadata}]}}
    server.settle("taxi-7", "SUCCEEDED", [task("pusher", outputs=outputs)])
    assert vertex.get("taxi-7").blessed is pushed


def test_the_newest_runs_come_first(server: VertexServer, vertex: Vertex) -> None:
    """As many as are asked for, over as many pages as it takes."""
    for number in range(7):
        vertex.submit(submission(name=f"taxi-{number}"))
    assert [run.id for run in vertex.newest(3)] == ["taxi-6", "taxi-5", "taxi-4"]
    assert len(list(vertex.newest(100))) == 7


def test_a_run_is_cancelled_once(server: VertexServer, vertex: Vertex) -> None:
    """One that runs is asked to stop; one that has ended stays as it is."""
    vertex.submit(submission())
    assert vertex.cancel("taxi-7").state is State.CANCELLING
    server.settle("taxi-7", "CANCELLED", [])
    assert vertex.cancel("taxi-7").state is State.CANCELLED
    assert server.changes()[1:] == ["POST pipelineJobs/taxi-7:cancel"]


def test_logs_are_those_of_every_try(server: VertexServer, vertex: Vertex) -> None:
    """Lines come in order, over pages, behind their task's name unless one is asked for."""
    vertex.submit(submission())
    failed = task("trainer", "FAILED", job="12")
    failed["executorDetail"]["containerDetail"]["failedMainJobs"] = ["p/customJobs/10"]
    server.settle("taxi-7", "FAILED", [task("champion", job="11"), failed, task("pusher")])
    for job, payload in (
        ("11", {"textPayload": "none yet\n"}),
        ("10", {"jsonPayload": {"message": "first try"}}),
        ("12", {"jsonPayload": {"loss": 1}}),
        ("99", {"textPayload": "somebody else's"}),
    ):
        server.entries.append({"resource": {"labels": {"job_id": job}}, **payload})
    assert list(vertex.logs("taxi-7")) == [
        "champion: none yet",
        "trainer: first try",
        "trainer: {'loss': 1}",
    ]
    assert list(vertex.logs("taxi-7", "champion")) == ["none yet"]
    assert list(vertex.logs("taxi-7", "pusher")) == []
    with pytest.raises(UnknownRun, match="champion, pusher, trainer"):
        list(vertex.logs("taxi-7", "evaluator"))


def test_an_unknown_run_is_named(vertex: Vertex) -> None:
    """A name that leads out of the place is one that is not there."""
    for name in ("taxi-8", "..", "a/../../b?x=1"):
        with pytest.raises(UnknownRun, match="runs list"):
            vertex.get(name)


@pytest.mark.parametrize(
    ("status", "body", "error", "said", "tries"),
    [
        (400, '{"error": {"message": "bad spec"}}', BadRequest, "bad spec", 1),
        (401, '{"error": {"message": "who?"}}', NotAuthenticated, "who", 1),
        (403, '{"error": {"message": "not you"}}', NotAuthorized, "not you", 1),
        (404, '{"error": {"message": "no such project"}}', NotFound, "no such project", 1),
        (429, '{"error": {"message": "quota"}}', Overloaded, "quota", 5),
        (500, "oh", BrokenService, "500 Internal", 5),
        (503, '{"error": "later"}', BrokenService, "503 Service", 5),
        (200, "<html>log in</html>", MalformedAnswer, "no JSON object", 5),
        (200, "[]", MalformedAnswer, "no JSON object", 5),
    ],
)
def test_errors_are_told_apart(
    server: VertexServer, vertex: Vertex, status: int, body: str, error: type[ServiceError],
    said: str, tries: int,
) -> None:  # fmt: skip
    """Each has its class and the service's own words; what may pass is tried again."""
    server.faults = [(status, body)] * 9
    with pytest.raises(error, match=said):
        vertex.submit(submission())
    assert 9 - len(server.faults) == tries


def test_a_server_that_is_not_there_is_said_so() -> None:
    """The address that does not answer stands in the error."""
    rest = Rest("http://127.0.0.1:9", Token(), sleep=lambda seconds: None)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        Vertex("acme", "europe-west4", rest=rest).get("x")


def service_account(server: VertexServer) -> dict[str, str]:
    """Make a service account's key whose tokens the server hands out."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "type": "service_account",
        "client_email": "ci@acme.iam.gserviceaccount.com",
        "private_key": pem,
        "project_id": "acme",
        "token_uri": f"{server.address}/token",
    }


def test_application_default_credentials_are_used_and_renewed(
    server: VertexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """google-auth finds the key, gets a token for it, and another one when it is refused."""
    (tmp_path / "key.json").write_text(json.dumps(service_account(server)))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM", server.address + "/")
    vertex = Vertex("acme", "europe-west4", "acme-runs")
    vertex.submit(submission())
    server.token = "second-token"
    assert vertex.get("taxi-7").id == "taxi-7"


@pytest.mark.parametrize("key", ["", "{}", "[1]"])
def test_missing_credentials_are_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A key that is not there or none at all ends in what to do about it."""
    if key:
        (tmp_path / "key.json").write_text(key)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(NotAuthenticated, match="gcloud auth application-default login"):
        Vertex("acme", "europe-west4", rest=Rest("http://127.0.0.1:9", GoogleAuth())).get("x")


def test_names_become_ids_and_labels() -> None:
    """Whatever a run is called, its id and labels are of Google's alphabet and differ."""
    names = ["taxi", "Taxi", "taxi!", "7", "é", "x" * 200, "x" * 201, "-", "a--b"]
    ids = [job_id(name) for name in names]
    assert len(set(ids)) == len(names)
    assert all(job_id(one) == one for one in ids)
    assert to_labels({"why": "é" * 70}) == {"why": "-"}


def test_the_path_is_of_the_project(vertex: Vertex) -> None:
    """A plan's path starts below the service's address."""
    assert vertex.plan(submission())[0].path == f"{PARENT}/pipelineJobs?pipelineJobId=taxi-7"
