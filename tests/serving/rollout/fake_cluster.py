"""A Kubernetes API server for tests: discovery, server-side apply with dry run, and a kubelet.

It keeps objects in memory and answers over HTTP, so that the official client is the one that asks.
It validates nothing and merges nothing: what is applied is what is there. Its "kubelet" gives each
Deployment the status of one that is done, or of one that is stuck. `tests/cluster` runs the same
scenarios against a real API server.
"""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlparse

Object = dict[str, Any]
KINDS = {
    "api/v1": ["Namespace", "ConfigMap", "Service", "ServiceAccount", "Pod"],
    "apis/apps/v1": ["Deployment"],
    "apis/gateway.networking.k8s.io/v1": ["HTTPRoute"],
}


def plural(kind: str) -> str:
    """As in a path."""
    return f"{kind.lower()}s"


def fields_of(value: Any) -> Any:
    """FieldsV1 of a value: maps by their keys, lists of named maps by name, others whole."""
    if isinstance(value, dict) and value:
        return {f"f:{key}": fields_of(inner) for key, inner in value.items()}
    if (
        isinstance(value, list)
        and value
        and all(isinstance(v, dict) and "name" in v for v in value)
    ):
        items = sorted(value, key=lambda one: str(one["name"]))  # as API servers do
        return {
            "k:" + json.dumps({"name": one["name"]}): {".": {}, **fields_of(one)} for one in items
        }
    return {}


class FakeCluster:
    """What is in the cluster, and how its kubelet behaves."""

    def __init__(self) -> None:
        """Begin empty."""
        self.objects: dict[str, Object] = {}
        self.requests: list[tuple[str, str]] = []
        self.stuck: Callable[[Object], bool] = lambda _: False
        self.refused: set[str] = set()
        self.waiting = ""

    def get(self, kind: str, name: str) -> Object | None:
        """An object by its kind and name, whatever its namespace."""
        ends = f"/{plural(kind)}/{name}"
        return next((one for path, one in self.objects.items() if path.endswith(ends)), None)

    def apply(self, path: str, body: Object, manager: str, dry_run: bool) -> Object:
        """Server-side apply."""
        old = self.objects.get(path)
        meta = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
        changed = old is None or old.get("spec") != body.get("spec")
        generation = (old["metadata"]["generation"] if old else 0) + changed
        fields = fields_of({k: v for k, v in body.items() if k not in ("apiVersion", "kind")})
        managed = {"manager": manager, "operation": "Apply", "fieldsV1": fields}
        extra = {"uid": path, "generation": generation, "managedFields": [managed]}
        one = {**body, "metadata": {**meta, **extra}}
        if body["kind"] == "Deployment":
            one["status"] = self.status(one)
        if not dry_run:
            self.objects[path] = one
        return one

    def status(self, one: Object) -> Object:
        """What the kubelet and the controllers make of a Deployment."""
        wanted = one["spec"].get("replicas", 1)
        ready = 0 if self.stuck(one) else wanted
        return {
            "observedGeneration": one["metadata"]["generation"],
            **{"replicas": wanted, "updatedReplicas": wanted, "readyReplicas": ready},
        }

    @contextmanager
    def running(self) -> Generator[str]:
        """Answer on a free port while the block runs; its address."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _discovery(path: str) -> Object | None:
    if path == "version":
        return {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}
    if path == "api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "apis":
        names = [path.split("/")[1] for path in KINDS if path.startswith("apis/")]
        versions = [{"groupVersion": f"{name}/v1", "version": "v1"} for name in names]
        groups = [
            {"name": name, "versions": [version], "preferredVersion": version}
            for name, version in zip(names, versions, strict=True)
        ]
        return {"kind": "APIGroupList", "groups": groups}
    if path in KINDS:
        resources = [
            {
                "name": plural(kind),
                "singularName": kind.lower(),
                "namespaced": kind != "Namespace",
                "kind": kind,
                "verbs": ["get", "list", "patch", "delete"],
            }
            for kind in KINDS[path]
        ]
        return {"kind": "APIResourceList", "resources": resources}
    return None


def _waiting_pods(cluster: FakeCluster) -> Object:
    state = {"state": {"waiting": {"reason": cluster.waiting}}}
    specs = [
        one["spec"]["template"]["spec"]
        for one in cluster.objects.values()
        if one["kind"] == "Deployment" and cluster.waiting and cluster.stuck(one)
    ]
    pods = [{"spec": s, "status": {"containerStatuses": [state]}} for s in specs]
    return {"kind": "PodList", "apiVersion": "v1", "items": pods}


MISSING: Final = {"kind": "Status", "message": "not found", "code": 404}


def _handler(cluster: FakeCluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet

        def do_GET(self) -> None:
            path = urlparse(self.path).path.strip("/")
            found = _discovery(path) or cluster.objects.get(path)
            if found is None and path.endswith("/pods"):
                found = _waiting_pods(cluster)
            self._answer(found)

        def do_PATCH(self) -> None:
            url = urlparse(self.path)
            path, query = url.path.strip("/"), parse_qs(url.query)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Content-Type"] == "application/apply-patch+yaml"
            dry_run = query.get("dryRun") == ["All"]
            cluster.requests.append(("dry run" if dry_run else "apply", path))
            if body["kind"] in cluster.refused:
                self._answer({"kind": "Status", "message": "forbidden: no permission"}, 403)
            else:
                self._answer(cluster.apply(path, body, query["fieldManager"][0], dry_run))

        def do_DELETE(self) -> None:
            path = urlparse(self.path).path.strip("/")
            cluster.requests.append(("delete", path))
            self._answer(cluster.objects.pop(path, None))

        def _answer(self, found: Object | None, code: int = 200) -> None:
            data = json.dumps(MISSING if found is None else found).encode()
            self.send_response(404 if found is None else code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
