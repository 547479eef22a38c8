"""A small Vertex AI: pipeline jobs, schedules, their logs and Google's tokens, over real HTTP.

Bodies are parsed with the protos that google-cloud-aiplatform publishes, and answers are written
by them (so whole numbers come back as 10.0, as from the real service); state is kept in memory.
"""

import json
import re
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # of what newer Pythons and gRPCs will bring
    from google.cloud.aiplatform_v1.types import PipelineJob, Schedule

Json = dict[str, Any]
PARENT = "/v1/projects/acme/locations/europe-west4"
CRON = re.compile(r"((CRON_)?TZ=[\w/+-]+ )?[^ ]+( [^ ]+){4}")
PIPELINE_SPEC = vars(pipeline_spec_pb2)["PipelineSpec"]
OUTPUT_ONLY = {"name", "state", "createTime", "updateTime", "catchUp", "nextRunTime"}


class Refused(Exception):
    """An error answer: its code, and the message in it."""


@dataclass
class VertexServer:
    """What the service holds, and what has been sent to it."""

    address: str = ""
    token: str = "first-token"
    jobs: dict[str, Json] = field(default_factory=dict[str, Json])
    schedules: dict[str, Json] = field(default_factory=dict[str, Json])
    entries: list[Json] = field(default_factory=list[Json])
    requests: list[tuple[str, str, Json]] = field(default_factory=list[tuple[str, str, Json]])
    faults: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Status and body of the next answers, in place of the true ones."""
    broken: str = ""
    """A regular expression: the requests `METHOD PATH` that are answered 503."""
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    tick: int = 0

    def now(self) -> str:
        """Give a time later than all before."""
        self.tick += 1
        return (self.started + timedelta(milliseconds=self.tick)).isoformat()

    def changes(self) -> list[str]:
        """Give what was asked to change, in short: `POST pipelineJobs`, `DELETE schedules/1`."""
        short = [
            (method, path.partition("?")[0].removeprefix(f"{PARENT}/"))
            for method, path, _ in self.requests
        ]
        return [f"{method} {path}" for method, path in short if method != "GET"]

    def settle(self, job: str, state: str, tasks: list[Json], error: str = "") -> None:
        """Let a job reach a state, with the details of its tasks."""
        found = self.jobs[job]
        found["state"] = f"PIPELINE_STATE_{state}"
        found["jobDetail"] = {"taskDetails": [{"taskName": job, "state": "RUNNING"}, *tasks]}
        if error:
            found["error"] = {"code": 9, "message": error}
        if state in ("SUCCEEDED", "FAILED", "CANCELLED"):
            found["endTime"] = self.now()
        parse(PipelineJob, found)

    def answer(self, method: str, path: str, query: dict[str, str], body: Json) -> Json:
        """Answer one request, or raise `Refused`."""
        for (verb, pattern), respond in ROUTES.items():
            if verb == method and (match := re.fullmatch(pattern, path)):
                return respond(self, query, body, *match.groups())
        raise Refused(404, f"no such method: {method} {path}")


def parse(message: Any, body: Json) -> Json:
    """Read a body with its proto and write it again: unknown fields and wrong types are refused."""
    try:
        read = json_format.ParseDict(body, message.pb(message()))
        written: Json = json_format.MessageToDict(read)
        return written
    except json_format.ParseError as error:
        raise Refused(400, f"Invalid JSON payload received. {error}") from error


def check_job(job: Json) -> None:
    """Refuse what Vertex AI refuses in a job."""
    if not 0 < len(job.get("displayName", "")) <= 128:
        raise Refused(400, "displayName")
    for key, value in job.get("labels", {}).items():
        if not re.fullmatch("[a-z][a-z0-9_-]{0,62}", key):
            raise Refused(400, f"label key {key}")
        if not re.fullmatch("[a-z0-9_-]{0,63}", value):
            raise Refused(400, f"label value {value}")
    if not job["runtimeConfig"]["gcsOutputDirectory"].startswith("gs://"):
        raise Refused(400, "gcsOutputDirectory")
    try:
        json_format.ParseDict(job["pipelineSpec"], PIPELINE_SPEC())
    except json_format.ParseError as error:
        raise Refused(400, f"pipelineSpec: {error}") from error
    known = job["pipelineSpec"]["root"].get("inputDefinitions", {}).get("parameters", {})
    if unknown := set(job["runtimeConfig"].get("parameterValues", {})) - set(known):
        raise Refused(400, f"unknown parameters {sorted(unknown)}")


def create_job(server: VertexServer, query: dict[str, str], body: Json) -> Json:
    """Start a job, under an id that no other has."""
    job, number = parse(PipelineJob, body), query.get("pipelineJobId", "generated")
    check_job(job)
    if not re.fullmatch("[a-z][a-z0-9-]{0,127}", number):
        raise Refused(400, f"pipelineJobId {number}")
    if number in server.jobs:
        raise Refused(409, f"PipelineJob {number} already exists")
    name = f"{PARENT.removeprefix('/v1/')}/pipelineJobs/{number}"
    server.jobs[number] = {
        **job, "name": name, "state": "PIPELINE_STATE_PENDING", "createTime": server.now()
    }  # fmt: skip
    return parse(PipelineJob, server.jobs[number])


def list_jobs(server: VertexServer, query: dict[str, str], body: Json) -> Json:
    """List the newest jobs, with the fields that are asked for."""
    if query.get("orderBy") != "create_time desc":
        raise Refused(400, "this server lists the newest first only")
    fields = query["readMask"].split(",")
    newest = sorted(server.jobs.values(), key=lambda job: str(job["createTime"]), reverse=True)
    masked = [{key: job[key] for key in fields if key in job} for job in newest]
    return page("pipelineJobs", [parse(PipelineJob, job) for job in masked], query)


def page(key: str, items: list[Json], query: dict[str, str]) -> Json:
    """Give one page of a list, and where the next one starts."""
    start, size = int(query.get("pageToken", "0")), min(int(query.get("pageSize", "50")), 100)
    rest = {"nextPageToken": str(start + size)} if len(items) > start + size else {}
    return {key: items[start : start + size], **rest}


def get_job(server: VertexServer, query: dict[str, str], body: Json, number: str) -> Json:
    """Give a job."""
    if number not in server.jobs:
        raise Refused(404, f"The PipelineJob does not exist: {number}")
    return parse(PipelineJob, server.jobs[number])


def cancel_job(server: VertexServer, query: dict[str, str], body: Json, number: str) -> Json:
    """Ask a job to stop; one that has ended cannot."""
    if get_job(server, query, body, number)["state"].endswith(("SUCCEEDED", "FAILED", "ELLED")):
        raise Refused(400, "The PipelineJob has ended.")
    server.jobs[number]["state"] = "PIPELINE_STATE_CANCELLING"
    return {}


def create_schedule(server: VertexServer, query: dict[str, str], body: Json) -> Json:
    """Keep a schedule, under a number of its own."""
    if given := OUTPUT_ONLY & set(body):
        raise Refused(400, f"output only: {sorted(given)}")
    schedule = check_schedule(parse(Schedule, body))
    server.now()
    number = str(4_000_000_000 + server.tick)
    name = f"{PARENT.removeprefix('/v1/')}/schedules/{number}"
    filled = {"startTime": server.now()} | schedule
    made = {"name": name, "state": "ACTIVE", "createTime": server.now()}
    server.schedules[number] = filled | made
    return server.schedules[number]


def check_schedule(schedule: Json) -> Json:
    """Refuse what Vertex AI refuses in a schedule."""
    if not CRON.fullmatch(schedule.get("cron", "")):
        raise Refused(400, f"cron {schedule.get('cron')}")
    if int(schedule.get("maxConcurrentRunCount", 0)) < 1:
        raise Refused(400, "maxConcurrentRunCount is required")
    request = schedule["createPipelineJobRequest"]
    if f"/v1/{request['parent']}" != PARENT or "pipelineJobId" in request:
        raise Refused(400, "createPipelineJobRequest: parent, and no id")
    check_job(request["pipelineJob"])
    return schedule


def list_schedules(server: VertexServer, query: dict[str, str], body: Json) -> Json:
    """List the schedules, the newest first."""
    return page("schedules", [*reversed(server.schedules.values())], query)


def patch_schedule(server: VertexServer, query: dict[str, str], body: Json, number: str) -> Json:
    """Change when a schedule starts runs; what they are stays."""
    fields = query["updateMask"].split(",")
    allowed = {"cron", "startTime", "endTime", "maxConcurrentRunCount", "allowQueueing"}
    if not set(fields) <= allowed | {"maxConcurrentActiveRunCount"} or set(body) - set(fields):
        raise Refused(400, f"updateMask {fields}")
    given = parse(Schedule, body)
    if unset := {"startTime", "endTime"} & set(fields) - set(given):
        raise Refused(400, f"cannot be unset: {sorted(unset)}")
    schedule = unfinished(server, number)
    for key in fields:
        schedule.pop(key, None)
    schedule.update(check_schedule({**schedule, **given}))
    return schedule


def held(server: VertexServer, number: str) -> Json:
    """Give a schedule that is there."""
    if number not in server.schedules:
        raise Refused(404, f"The Schedule does not exist: {number}")
    return server.schedules[number]


def unfinished(server: VertexServer, number: str) -> Json:
    """Give a schedule that can be changed."""
    if held(server, number)["state"] == "COMPLETED":
        raise Refused(400, "The Schedule is completed.")
    return server.schedules[number]


def pause(server: VertexServer, query: dict[str, str], body: Json, number: str) -> Json:
    """Pause a schedule."""
    unfinished(server, number)["state"] = "PAUSED"
    return {}


def resume(server: VertexServer, query: dict[str, str], body: Json, number: str) -> Json:
    """Resume a schedule."""
    unfinished(server, number).update(state="ACTIVE", catchUp=body.get("catchUp", False))
    return {}


def delete(server: VertexServer, query: dict[str, str], body: Json, number: str) -> Json:
    """Delete a schedule; the operation is done at once."""
    held(server, number)
    del server.schedules[number]
    return {"name": f"{PARENT.removeprefix('/v1/')}/operations/1", "done": True}


def list_entries(server: VertexServer, query: dict[str, str], body: Json) -> Json:
    """Give the log entries of custom jobs, two on a page."""
    wanted = re.search(
        r'resource.type="ml_job" AND resource.labels.job_id=\((.*?)\)', body["filter"]
    )
    numbers = re.findall(r"\d+", wanted[1]) if wanted else []
    entries = [e for e in server.entries if e["resource"]["labels"]["job_id"] in numbers]
    return page("entries", entries, {"pageSize": "2", "pageToken": body.get("pageToken", "0")})


Respond = Callable[..., Json]
ROUTES: dict[tuple[str, str], Respond] = {
    ("POST", f"{PARENT}/pipelineJobs"): create_job,
    ("GET", f"{PARENT}/pipelineJobs"): list_jobs,
    ("GET", f"{PARENT}/pipelineJobs/([^/:]+)"): get_job,
    ("POST", f"{PARENT}/pipelineJobs/([^/:]+):cancel"): cancel_job,
    ("POST", f"{PARENT}/schedules"): create_schedule,
    ("GET", f"{PARENT}/schedules"): list_schedules,
    ("PATCH", f"{PARENT}/schedules/([^/:]+)"): patch_schedule,
    ("POST", f"{PARENT}/schedules/([^/:]+):pause"): pause,
    ("POST", f"{PARENT}/schedules/([^/:]+):resume"): resume,
    ("DELETE", f"{PARENT}/schedules/([^/:]+)"): delete,
    ("POST", "/v2/entries:list"): list_entries,
}


def handler_of(server: VertexServer) -> type[BaseHTTPRequestHandler]:
    """Make what reads requests, checks who asks, and writes the answers."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            given = self.rfile.read(length).decode()
            if self.path == "/token":
                return self.reply(200, {"access_token": server.token, "expires_in": 3600})
            if server.broken and re.match(server.broken, f"{self.command} {self.path}"):
                return self.refuse(503, "The service is currently unavailable.")
            if server.faults:
                return self.reply(*server.faults.pop(0))
            if self.headers.get("Authorization") != f"Bearer {server.token}":
                return self.refuse(401, "Request had invalid authentication credentials.")
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            body = json.loads(given or "{}")
            server.requests.append((self.command, self.path, body))
            try:
                self.reply(200, server.answer(self.command, unquote(url.path), query, body))
            except Refused as refused:
                self.refuse(*refused.args)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any

        def refuse(self, code: int, message: str) -> None:
            self.reply(code, {"error": {"code": code, "message": message}})

        def reply(self, code: int, body: Json | str) -> None:
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving() -> Generator[VertexServer]:
    """Serve on a free port of this machine until the block ends."""
    server = VertexServer()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(server)) as http:
        server.address = f"http://127.0.0.1:{http.server_port}"
        Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server
        finally:
            http.shutdown()
