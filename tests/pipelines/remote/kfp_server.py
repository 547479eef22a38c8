"""A Kubeflow Pipelines API server for tests: real HTTP on 127.0.0.1, real state, faults on demand.

    with KfpServer() as server:
        client = kfp.Client(host=server.url)

What it keeps and refuses stands in `kfp_state.py`. A run goes on by one step each time it is read.
"""

import email.parser
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .kfp_state import Json, Refusal, State, readable, select

_GRPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 429: 8, 500: 13, 503: 14}


@dataclass
class Fault:
    """What happens to the next requests that match, in place of or after the answer."""

    method: str
    path: str
    """A regular expression that the path, query included, must match somewhere."""
    times: int = 1
    status: int = 0
    """Answer this status."""
    body: str = ""
    """Answer this text, with the status or 200."""
    drop: bool = False
    """Close the connection without an answer."""
    late: bool = False
    """Do what was asked first, and only then fail: the client cannot know."""
    delay: float = 0.0
    """Seconds to wait."""


@dataclass(frozen=True)
class Received:
    """One request, as it came over the wire."""

    method: str
    path: str
    body: Any
    headers: dict[str, str]


@dataclass
class KfpServer:
    """The server: a context manager that serves until it is left."""

    state: State = field(default_factory=State)
    token: str = ""
    """What a client must send as its bearer token, if anything."""
    cookie: str = ""
    """What a client must send as its cookie, if anything."""
    forbidden: str = ""
    """A namespace that nobody may look into."""
    ui: bool = False
    """Serve what the user interface's server does, logs included, not only the API."""
    tls: Callable[[socket.socket], socket.socket] | None = None
    faults: list[Fault] = field(default_factory=list[Fault])
    received: list[Received] = field(default_factory=list[Received])
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __enter__(self) -> "KfpServer":
        """Serve on a free port."""
        handler = type("Handler", (_Handler,), {"owner": self})
        self.http = _Quiet(("127.0.0.1", 0), handler)
        if self.tls:
            self.http.socket = self.tls(self.http.socket)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.http.server_address[1]}"

    def fail(self, method: str, path: str, **what: Any) -> None:
        """Let the next requests that match go wrong, see `Fault`."""
        self.faults.append(Fault(method, path, **what))

    def changes(self) -> list[Received]:
        """The requests that ask for a change, in order."""
        return [one for one in self.received if one.method != "GET"]

    def fault_for(self, method: str, path: str) -> Fault | None:
        """The fault that is due, counted down."""
        for fault in self.faults:
            if fault.times and fault.method == method and re.search(fault.path, path):
                fault.times -= 1
                return fault
        return None


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that have gone: tests let them."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: KfpServer

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        owner = self.owner
        with owner.lock:
            body = self._body(raw)
            received = Received(self.command, self.path, body, dict(self.headers.items()))
            owner.received.append(received)
            fault = owner.fault_for(self.command, self.path) or Fault("", "", late=True)
        time.sleep(fault.delay)
        status, answer = fault.status or 200, fault.body
        if fault.late or fault.delay:
            with owner.lock:
                status, answer = self._answer(body)
        if fault.status:
            status, answer = fault.status, fault.body or _error(fault.status, "injected")
        if fault.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._write(status, answer)

    do_GET = do_POST = do_DELETE = _handle

    def _body(self, raw: bytes) -> Any:
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            message = email.parser.BytesParser().parsebytes(
                b"Content-Type: " + kind.encode() + b"\r\n\r\n" + raw
            )
            parts = message.get_payload()
            assert isinstance(parts, list)
            file = parts[0]
            return file.get_payload(decode=True).decode() if len(parts) == 1 else None  # type: ignore[union-attr]  # a leaf's payload is bytes
        return json.loads(raw) if raw else None

    def _write(self, status: int, answer: str) -> None:
        data = answer.encode(errors="surrogateescape")  # a log may hold any bytes
        self.send_response(status)
        kind = "application/json" if answer[:1] == "{" else "text/plain"
        self.send_header("Content-Type", "text/html" if answer[:1] == "<" else kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _answer(self, body: Any) -> tuple[int, str]:
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query))
        try:
            self._let_in(query, body)
            for method, pattern, action in ROUTES:
                match = re.fullmatch(pattern, address.path)
                if match and method == self.command:
                    ids = [unquote(group) for group in match.groups()]
                    done = action(self.owner, ids, query, body)
                    return 200, done if isinstance(done, str) else json.dumps(done)
        except Refusal as refusal:
            return refusal.status, _error(refusal.status, str(refusal))
        except KeyError as missing:
            return 404, _error(404, f"ResourceNotFoundError: {missing} not found.")
        if self.owner.ui:
            return 200, "<!doctype html><html><title>Kubeflow Pipelines</title></html>"
        return 404, _error(404, "Not Found")

    def _let_in(self, query: dict[str, str], body: Any) -> None:
        token, cookie = self.owner.token, self.owner.cookie
        if token and self.headers.get("authorization") != f"Bearer {token}":
            raise Refusal(401, "Request header error: there is no user identity header.")
        if cookie and self.headers.get("Cookie") != cookie:
            raise Refusal(401, "no session")
        named = query.get("namespace") or (isinstance(body, dict) and body.get("namespace"))
        if self.owner.forbidden and named == self.owner.forbidden:
            raise Refusal(403, f"User is not authorized in namespace {named}")


def _error(status: int, message: str) -> str:
    code = _GRPC_CODES.get(status, 2)
    return json.dumps({"error": message, "code": code, "message": message, "details": []})


Action = Callable[[KfpServer, list[str], dict[str, str], Any], Json | str]


def _healthz(server: KfpServer, _: list[str], __: dict[str, str], ___: Any) -> Json:
    return {"multi_user": server.state.multi_user, "tag_name": "2.5.0", "commit_sha": "unknown"}


def _pipeline_by_name(server: KfpServer, ids: list[str], query: dict[str, str], _: Any) -> Json:
    for one in server.state.pipelines.values():
        if (one["display_name"], one.get("namespace", "")) == (ids[0], query.get("namespace", "")):
            return one
    raise Refusal(404, f"Pipeline {ids[0]} not found.")


def _upload(server: KfpServer, _: list[str], query: dict[str, str], text: Any) -> Json:
    readable(text)
    given = {"display_name": query["name"], "namespace": query.get("namespace", "")}
    pipeline = server.state.create_pipeline({k: v for k, v in given.items() if v})
    server.state.upload_version(pipeline["pipeline_id"], query["name"], text)
    return pipeline


def _upload_version(server: KfpServer, _: list[str], query: dict[str, str], text: Any) -> Json:
    return server.state.upload_version(query["pipelineid"], query["name"], text)


def _list(kind: str, owner: str = "") -> Action:
    def listed(server: KfpServer, ids: list[str], query: dict[str, str], _: Any) -> Json:
        rows: list[Json] = list(getattr(server.state, kind).values())
        if ids:
            rows = [row for row in rows if row[owner] == ids[0]]
        for name in ("experiment_id", "namespace"):
            if query.get(name) and not (kind == "runs" and name == "namespace"):
                rows = [row for row in rows if row.get(name) == query[name]]
        if (
            kind == "runs"
            and server.state.multi_user
            and not {"namespace", "experiment_id"} & {*query}
        ):
            raise Refusal(400, "Namespace cannot be empty in multi-user mode")
        names = {"versions": "pipeline_versions", "recurring_runs": "recurringRuns"}
        return select(rows, query, names.get(kind, kind))

    return listed


def _get(kind: str) -> Action:
    return lambda server, ids, _, __: getattr(server.state, kind)[ids[-1]]


def _create(kind: str) -> Action:
    return lambda server, _, __, body: getattr(server.state, f"create_{kind}")(body)


def _get_run(server: KfpServer, ids: list[str], _: dict[str, str], __: Any) -> Json:
    server.state.advance(ids[0])
    return server.state.run(ids[0])


def _get_run_v1(server: KfpServer, ids: list[str], _: dict[str, str], __: Any) -> Json:
    run, workflow = server.state.runs[ids[0]], server.state.workflows[ids[0]]
    manifest = json.dumps(workflow.manifest())
    return {
        "run": {"id": ids[0], "name": run["display_name"]},
        "pipeline_runtime": {"workflow_manifest": manifest},
    }


def _terminate(server: KfpServer, ids: list[str], _: dict[str, str], __: Any) -> Json:
    server.state.terminate(ids[0])
    return {}


def _log(server: KfpServer, ids: list[str], query: dict[str, str], _: Any) -> str:
    run, pod = ids or (query["runid"], query["podname"])
    if server.ui == bool(ids):
        raise Refusal(404, "Not Found")
    workflow = server.state.workflows[run]
    task = workflow.executors().get(pod)
    if task is None:
        raise Refusal(500, f"Failed to read logs from pod {pod}")
    return workflow.logs.get(task, server.state.logs.get(task, f"log of {task}\n"))


def _switch(to: str) -> Action:
    def switch(server: KfpServer, ids: list[str], _: dict[str, str], __: Any) -> Json:
        one = server.state.recurring_runs[ids[0]]
        one["status"], one["mode"] = to, to.removesuffix("D")
        return {}

    return switch


def _delete(kind: str) -> Action:
    def delete(server: KfpServer, ids: list[str], _: dict[str, str], __: Any) -> Json:
        del getattr(server.state, kind)[ids[-1]]
        return {}

    return delete


_V2 = "/apis/v2beta1"
_ID = "([^/:]+)"
ROUTES: list[tuple[str, str, Action]] = [
    ("GET", f"{_V2}/healthz", _healthz),
    ("GET", f"{_V2}/pipelines", _list("pipelines")),
    ("POST", f"{_V2}/pipelines", _create("pipeline")),
    ("POST", f"{_V2}/pipelines/upload", _upload),
    ("POST", f"{_V2}/pipelines/upload_version", _upload_version),
    ("GET", f"{_V2}/pipelines/names/{_ID}", _pipeline_by_name),
    ("GET", f"{_V2}/pipelines/{_ID}", _get("pipelines")),
    ("DELETE", f"{_V2}/pipelines/{_ID}", _delete("pipelines")),
    ("GET", f"{_V2}/pipelines/{_ID}/versions", _list("versions", "pipeline_id")),
    ("GET", f"{_V2}/pipelines/{_ID}/versions/{_ID}", _get("versions")),
    ("DELETE", f"{_V2}/pipelines/{_ID}/versions/{_ID}", _delete("versions")),
    ("GET", f"{_V2}/experiments", _list("experiments")),
    ("POST", f"{_V2}/experiments", _create("experiment")),
    ("GET", f"{_V2}/experiments/{_ID}", _get("experiments")),
    ("GET", f"{_V2}/runs", _list("runs")),
    ("POST", f"{_V2}/runs", _create("run")),
    ("GET", f"{_V2}/runs/{_ID}", _get_run),
    ("DELETE", f"{_V2}/runs/{_ID}", _delete("runs")),
    ("POST", f"{_V2}/runs/{_ID}:terminate", _terminate),
    ("GET", f"/apis/v1beta1/runs/{_ID}", _get_run_v1),
    ("GET", f"/apis/v1alpha1/runs/{_ID}/nodes/{_ID}/log", _log),
    ("GET", "/k8s/pod/logs", _log),
    ("GET", f"{_V2}/recurringruns", _list("recurring_runs")),
    ("POST", f"{_V2}/recurringruns", _create("recurring_run")),
    ("GET", f"{_V2}/recurringruns/{_ID}", _get("recurring_runs")),
    ("DELETE", f"{_V2}/recurringruns/{_ID}", _delete("recurring_runs")),
    ("POST", f"{_V2}/recurringruns/{_ID}:enable", _switch("ENABLED")),
    ("POST", f"{_V2}/recurringruns/{_ID}:disable", _switch("DISABLED")),
]
"""Every method of the API that lockstep's users meet, and kfp's client's own."""
