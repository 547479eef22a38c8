"""Send the requests of the cases, over REST and gRPC."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

import grpc
from google.protobuf import text_format

from .case import Anything, Error, Grpc, Ours, Part, Rest
from .compare import fits
from .servers import Address

PREFIX: Final = "tensorflow_serving.apis."
RPCS: Final = {
    "PredictionService/Predict": (f"{PREFIX}predict_pb2", "Predict"),
    "PredictionService/Classify": (f"{PREFIX}classification_pb2", "Classification"),
    "PredictionService/Regress": (f"{PREFIX}regression_pb2", "Regression"),
    "PredictionService/MultiInference": (f"{PREFIX}inference_pb2", "MultiInference"),
    "PredictionService/GetModelMetadata": (f"{PREFIX}get_model_metadata_pb2", "GetModelMetadata"),
    "ModelService/GetModelStatus": (f"{PREFIX}get_model_status_pb2", "GetModelStatus"),
    "ModelService/HandleReloadConfigRequest": (f"{PREFIX}model_management_pb2", "ReloadConfig"),
    "grpc.health.v1.Health/Check": ("grpc_health.v1.health_pb2", "HealthCheck"),
}
"""Where the messages of a method are, and what their names begin with."""


def messages(rpc: str) -> tuple[Any, Any]:
    """The classes of a method's request and response (any do where no method answers)."""
    module, name = RPCS.get(rpc, RPCS["PredictionService/Predict"])
    with _without_tensorflow():
        found = import_module(module)
    return getattr(found, f"{name}Request"), getattr(found, f"{name}Response")


@contextmanager
def _without_tensorflow() -> Generator[None]:
    """TensorFlow as a mere directory: messages need no more of it, and all of it takes seconds."""
    if "tensorflow" in sys.modules:
        yield
        return
    bare = ModuleType("tensorflow")
    found = find_spec("tensorflow")
    bare.__path__ = list((found and found.submodule_search_locations) or ())
    sys.modules["tensorflow"] = bare
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


UNLIMITED: Final = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]


@dataclass(frozen=True)
class Reply:
    """What came back over REST."""

    status: int
    headers: dict[str, str]
    body: bytes
    closes: bool


def send(address: Address, case: Rest, seconds: float = 60) -> Reply:
    """Send a REST request as it is written."""
    method, _, path = case.request.partition(" ")
    body = case.body.encode() if isinstance(case.body, str) else case.body
    connection = HTTPConnection(address.host, address.rest, timeout=seconds)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in case.send.items():
            connection.putheader(name, value)
        if body or method not in ("GET", "HEAD", "OPTIONS"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        headers = {name.title(): value for name, value in response.getheaders()}
        closes = response.will_close
        return Reply(response.status, headers, response.read(), closes)
    finally:
        connection.close()


def wrong(case: Rest, reply: Reply, ours: "Ours | None" = None) -> str:
    """What of a reply is not as expected; empty: nothing."""
    status, answer = (ours.status, ours.answer) if ours else (case.status, case.answer)
    if reply.status != status or not fits(answer, reply.body):
        return f"expected {status} {answer!r}"
    for name, value in case.shows.items():
        given = reply.headers.get(name)
        if given is not None and name == "Content-Type":
            given = given.partition(";")[0]
        if given != value and not (value and given and given.lower() == value.lower()):
            return f"expected {name}: {value}"
    handled = reply.headers.get("Content-Type", "").startswith("application/json")
    if handled and (reply.closes or "Content-Length" not in reply.headers):
        return "expected Content-Length and a connection that stays open"
    return ""


@contextmanager
def channel(address: Address) -> Generator[grpc.Channel]:
    """Open a channel without a limit to the size of messages."""
    with grpc.insecure_channel(f"{address.host}:{address.grpc}", UNLIMITED) as opened:
        yield opened


def call(opened: grpc.Channel, rpc: str, request: str, seconds: float = 60) -> tuple[str, Any]:
    """Call a method: the code, and the message or the text of the error."""
    asks, answers = messages(rpc)
    service = rpc if rpc.startswith("grpc.") else f"tensorflow.serving.{rpc}"
    method: Any = opened.unary_unary(f"/{service}", asks.SerializeToString, answers.FromString)
    message = text_format.Parse(request, asks()) if rpc in RPCS else asks()
    try:
        return "OK", method(message, timeout=seconds)
    except grpc.RpcError as error:
        failed: Any = error
        return failed.code().name, failed.details()


def unlike(case: Grpc, code: str, given: Any, ours: "Ours | None" = None) -> str:
    """What of an answer is not as expected; empty: nothing."""
    wanted, answer = (ours.status, ours.answer) if ours else (case.code, case.answer)
    if code != wanted:
        return f"expected {wanted} {answer!r}"
    if isinstance(answer, Anything):
        return ""
    if isinstance(answer, Error):
        return "" if answer.fits(given) else f"expected {answer!r}"
    text = answer.value if isinstance(answer, Part) else answer
    expected = text_format.Parse(text, messages(case.rpc)[1]())
    if isinstance(answer, Part):
        return "" if _has(expected, given) else f"expected at least {text}"
    return "" if expected == given else f"expected {text}"


def _has(expected: Any, given: Any) -> bool:
    return all(value == getattr(given, one.name) for one, value in expected.ListFields())
