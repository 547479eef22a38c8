"""The REST door: TF Serving's URLs, codes and bodies in front of the plane.

`model_servers/http_rest_api_{util,handler}.cc` have the routes, `http_server.cc` the codes.
"""

import asyncio
import re
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar
from urllib.parse import unquote_to_bytes

from .flags import Flags
from .http_protocol import Answer, HttpServer, Question, page
from .json_request import Request
from .json_response import (
    classes_to_json,
    error_to_json,
    regressions_to_json,
    tensors_to_json,
    versions_to_json,
)
from .metrics import Metrics
from .plane import Door, Plane
from .status import Code, StatusError
from .tensors import DEFAULT_SIGNATURE, ModelSpec
from .text_protos import read_metrics_path

__all__ = ["HTTP_CODES", "open_rest"]

HTTP_CODES: Final = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}

_WHICH: Final = r"(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?"
_ASK: Final = re.compile(
    rf"/v1/models/([^/:]+){_WHICH}:(classify|regress|predict)", re.ASCII | re.IGNORECASE
)
_LOOK: Final = re.compile(
    rf"/v1/models(?:/([^/:]+))?{_WHICH}(?:/(metadata))?", re.ASCII | re.IGNORECASE
)
_LARGE: Final = 4 * 2**20
"""Bytes of a body that is not read on the event loop; the careful way is some 50 times slower."""

_Result = TypeVar("_Result")

_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


async def open_rest(plane: Plane, flags: Flags, metrics: Metrics) -> Door:
    """Listen at `flags.rest_api_port` (0: a free one), and answer until the door is closed."""
    rest = _Rest(plane, flags, metrics)
    server = HttpServer(rest.answer, longest=rest.longest, too_long=rest.too_long)
    return await server.open(flags.host, flags.rest_api_port)


@dataclass(frozen=True)
class _Route:
    """What a URL names: a model, and the method or the part of it that is asked for."""

    spec: ModelSpec
    method: str


class _Rest:
    """Answers questions from the plane."""

    def __init__(self, plane: Plane, flags: Flags, metrics: Metrics) -> None:
        self.plane, self.metrics = plane, metrics
        self.longest, self.cors = flags.max_request_bytes, flags.rest_api_enable_cors_support
        message = f"Request body is longer than {self.longest} bytes."
        self.too_long = Answer(413, error_to_json(message), close=True)
        milliseconds = flags.rest_api_timeout_in_ms
        self.timeout = milliseconds / 1000 if milliseconds > 0 else None
        file = flags.monitoring_config_file
        self.metrics_path = read_metrics_path(file) if file else None
        self.methods: dict[str, Callable[[_Route, bytes], Awaitable[bytes]]] = {
            "predict": self._predict,
            "classify": self._classify,
            "regress": self._regress,
            "metadata": self._metadata,
            "": self._status,
        }

    async def answer(self, question: Question) -> Answer:
        """Metrics, health, TF Serving's API, or libevent's page, in this order."""
        target = question.target.decode("utf-8", "surrogateescape")
        if not target.startswith("/"):  # the absolute form, or none at all
            target = "/" + target.partition("://")[2].partition("/")[2]
        path = re.split("[?#]", target, maxsplit=1)[0]
        if path == self.metrics_path:
            return self._show_metrics(target)
        if path == "/livez" and question.method in ("GET", "HEAD"):
            return Answer(200, b"ok\n", "text/plain")
        if path == "/readyz" and question.method in ("GET", "HEAD"):
            ready = self.plane.ready
            return Answer(200 if ready else 503, b"ok\n" if ready else b"no\n", "text/plain")
        if target[:4].lower() != "/v1/":
            return page(404)
        if question.method == "OPTIONS":
            return self._options(question)
        return await self._api(question, target)

    def _show_metrics(self, target: str) -> Answer:
        if target != self.metrics_path:
            message = f"Unexpected path: {target}. Should be {self.metrics_path}"
            return Answer(400, message.encode("utf-8", "surrogateescape"), "text/plain")
        return Answer(200, self.metrics.page().encode(), "text/plain")

    def _options(self, question: Question) -> Answer:
        origin = question.headers.get(b"origin", b"")
        known = origin.startswith((b"http://", b"https://"))
        headers = _CORS if self.cors else {}
        return Answer(200 if known else 400, b"", "text/html", headers)

    async def _api(self, question: Question, target: str) -> Answer:
        start = time.perf_counter()
        name, method = "", ""
        body = self._inflate(question)
        if len(body) > self.longest:
            return self.too_long
        try:
            route = _route(question.method, target)
            if route is None:  # TF Serving fails before it renders the error
                answer, code = Answer(400), Code.INVALID_ARGUMENT
            else:
                name, method = route.spec.name, route.method
                answer, code = Answer(200, await self.methods[method](route, body)), Code.OK
        except StatusError as error:
            answer, code = (
                Answer(HTTP_CODES[error.code], error_to_json(error.message)),
                error.code,
            )
        self._record(name, method, code, time.perf_counter() - start)
        if self.cors:
            answer = Answer(answer.status, answer.body, headers=_CORS)
        return answer

    def _record(self, name: str, method: str, code: Code, seconds: float) -> None:
        count, latency = "/tensorflow/serving/request_count", "/tensorflow/serving/request_latency"
        self.metrics.count(count, {"model_name": name, "status": code.name})
        if code == Code.OK:
            api = method if method != "metadata" else ""
            labels = {"model_name": name, "API": api, "entrypoint": "REST"}
            self.metrics.observe(latency, labels, seconds * 1e6)

    def _inflate(self, question: Question) -> bytes:
        """The body, decompressed if it is said to be gzip; nothing if it is not."""
        if b"gzip" not in question.headers.get(b"content-encoding", b""):
            return question.body
        inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            body = inflater.decompress(question.body, self.longest + 1)
        except zlib.error:
            return b""
        return body if inflater.eof or len(body) > self.longest else b""

    async def _predict(self, route: _Route, body: bytes) -> bytes:
        request = await _aside(len(body), partial(Request.read, body))
        name = request.signature_name
        with self.plane.lease(route.spec) as lease:
            signature = lease.signatures.get(name or DEFAULT_SIGNATURE)
            if signature is None:
                message = (
                    f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in '
                    "signature def"
                )
                raise StatusError(Code.INVALID_ARGUMENT, message)
            rows, inputs = await _aside(len(body), partial(request.tensors, signature.inputs))
            del request  # so that the next one may have its parser
            outputs = await lease.predict(name, inputs, timeout=self.timeout)
        return tensors_to_json(outputs, rows=rows)

    async def _classify(self, route: _Route, body: bytes) -> bytes:
        name, examples = await _aside(len(body), partial(_examples, body))
        with self.plane.lease(route.spec) as lease:
            classes = await lease.classify(name, examples, timeout=self.timeout)
        return classes_to_json(classes)

    async def _regress(self, route: _Route, body: bytes) -> bytes:
        name, examples = await _aside(len(body), partial(_examples, body))
        with self.plane.lease(route.spec) as lease:
            values = await lease.regress(name, examples, timeout=self.timeout)
        return regressions_to_json(values)

    async def _metadata(self, route: _Route, body: bytes) -> bytes:
        from .metadata import metadata_to_json

        with self.plane.lease(_named(route)) as lease:
            return metadata_to_json(lease.name, lease.version, lease.metadata)

    async def _status(self, route: _Route, body: bytes) -> bytes:
        spec = _named(route)
        return versions_to_json(self.plane.versions(spec.name, spec.version))


def _named(route: _Route) -> ModelSpec:
    if not route.spec.name:
        raise StatusError(Code.INVALID_ARGUMENT, "Missing model name in request.")
    return route.spec


def _examples(body: bytes) -> tuple[str, list[bytes]]:
    request = Request.read(body)
    return request.signature_name, request.examples()


async def _aside(size: int, work: Callable[[], _Result]) -> _Result:
    """Do it on a thread if the body is large, so that others are answered meanwhile."""
    return await asyncio.to_thread(work) if size > _LARGE else work()


def _route(method: str, target: str) -> _Route | None:
    """What a URL names; None if its version is no int64.

    Raises:
        StatusError: INVALID_ARGUMENT `Malformed request: ...`.
    """
    pattern = {"POST": _ASK, "GET": _LOOK}.get(method)
    found = pattern.fullmatch(target) if pattern else None
    if not found:
        raise StatusError(Code.INVALID_ARGUMENT, f"Malformed request: {method} {target}")
    name, version, label, asked = found.groups()
    if version is not None and (len(version) > 1000 or int(version) >= 2**63):
        return None
    if method == "POST" and asked not in ("predict", "classify", "regress"):
        raise StatusError(Code.INVALID_ARGUMENT, f"Malformed request: {method} {target}")
    spec = ModelSpec(
        _unquoted(name or ""),
        None if version is None else int(version),
        None if label is None else _unquoted(label),
    )
    return _Route(spec, asked if asked in ("predict", "classify", "regress", "metadata") else "")


def _unquoted(part: str) -> str:
    encoded = part.encode("utf-8", "surrogateescape")
    return unquote_to_bytes(encoded).decode("utf-8", "surrogateescape")
