"""The gRPC door: PredictionService and ModelService in front of the plane, and health beside them.

`model_servers/{server,prediction_service_impl,model_service_impl}.cc` have the services; the
messages are those of `tensorflow-serving-api`, which is imported when the door is opened.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from .flags import Flags
from .grpc_health import health_handlers
from .grpc_models import model_methods
from .grpc_prediction import prediction_methods
from .grpc_wire import Received
from .memory import trim_after
from .metrics import Metrics
from .plane import Door, Plane
from .status import Code, StatusError
from .text_protos import SslConfig, read_ssl_config

__all__ = ["open_grpc"]

Method = Callable[[Received, Any, float | None], Awaitable[None]]
"""Fills in a response to a request, within seconds; raises StatusError."""

_LONGEST: Final = 1024
"""Characters of an error's text, as in `grpc_status_util.cc`."""

_HOLD: Final = 0.05
"""Seconds for which answers are held back when the door closes."""

_COUNTED: Final = ("Predict", "Classify", "Regress")
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


async def open_grpc(plane: Plane, flags: Flags, metrics: Metrics) -> Door:
    """Listen at `flags.port` and `flags.grpc_socket_path`, and answer until the door is closed.

    Raises:
        StatusError: UNAVAILABLE if the address is taken.
    """
    server = grpc.aio.server(options=_options(flags))
    closing, answering = asyncio.Event(), asyncio.Event()
    answering.set()
    content = flags.enable_serialization_as_tensor_content
    services = {
        "tensorflow.serving.PredictionService": prediction_methods(plane, content=content),
        "tensorflow.serving.ModelService": model_methods(plane, metrics),
    }
    for service, methods in services.items():
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                _answering(name, method, response, metrics, answering),
                request_deserializer=_reading(read),
                response_serializer=response.SerializeToString,
            )
            for name, (read, response, method) in methods.items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    if flags.enable_grpc_healthcheck_service:
        server.add_generic_rpc_handlers((health_handlers(plane, closing),))
    port = _listen(server, flags)
    await server.start()
    return _Door(server, port, closing, answering)


class _Door:
    """The listening server."""

    def __init__(
        self, server: Any, port: int, closing: asyncio.Event, answering: asyncio.Event
    ) -> None:
        self._server, self.port = server, port
        self._closing, self._answering = closing, answering

    async def close(self, grace: float) -> None:
        """Take no more calls, let those that run end (or `grace` seconds), close.

        grpcio cancels the calls that have arrived but wait to be taken. So answers are held back
        for a moment, in which clients send nothing new and what they have sent is taken.
        """
        self._closing.set()
        self._answering.clear()
        await asyncio.sleep(_HOLD)
        stopping = asyncio.ensure_future(self._server.stop(grace))
        await asyncio.sleep(_HOLD)
        self._answering.set()
        await stopping


def _options(flags: Flags) -> list[tuple[str, Any]]:
    """The channel's arguments: messages of any length, and what the command line says."""
    given = [pair.split("=", 1) for pair in flags.grpc_channel_arguments.split(",") if "=" in pair]
    return [
        ("grpc.max_receive_message_length", flags.max_request_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
        *((key, int(value) if value.lstrip("-").isdigit() else value) for key, value in given),
    ]


def _listen(server: Any, flags: Flags) -> int:
    """Bind the addresses; give the TCP port."""
    try:
        if flags.grpc_socket_path:
            server.add_insecure_port(f"unix:{flags.grpc_socket_path}")
        if not flags.port:
            return 0
        host = f"[{flags.host}]" if ":" in flags.host else flags.host
        address = f"{host}:{max(flags.port, 0)}"  # below 0: a free one, for tests
        if flags.ssl_config_file:
            credentials = _credentials(read_ssl_config(flags.ssl_config_file))
            return int(server.add_secure_port(address, credentials))
        return int(server.add_insecure_port(address))
    except RuntimeError as error:
        raise StatusError(Code.UNAVAILABLE, str(error)) from error


def _credentials(config: SslConfig) -> grpc.ServerCredentials:
    """TLS from PEM texts."""
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        config.custom_ca.encode() or None,
        config.client_verify,
    )


def _answering(
    name: str,
    method: Method,
    response: Callable[[], Any],
    metrics: Metrics,
    answering: asyncio.Event,
) -> Callable[[Any, Any], Awaitable[Any]]:
    """What grpcio calls: answers, or ends the call with a status; counts either."""

    async def answer(received: Received | None, context: Any) -> Any:
        start = time.perf_counter()
        message, code = response(), Code.OK
        if received is None:
            return await context.abort(grpc.StatusCode.INTERNAL, "Unable to parse request")
        try:
            await method(received, message, context.time_remaining())
        except StatusError as error:
            code = error.code
            context.set_code(_CODES[code])
            context.set_details(_cut(error.message))
        if not answering.is_set():
            await answering.wait()
        trim_after(received.size)
        if name in _COUNTED:
            spec = received.message.model_spec
            _record(metrics, name, spec.name, code, time.perf_counter() - start)
        return message

    return answer


def _reading(read: Callable[[bytes], Received]) -> Callable[[bytes], Received | None]:
    """Read a request; None if it is none, which grpcio would log as a fault of ours."""

    def reading(data: bytes) -> Received | None:
        try:
            return read(data)
        except DecodeError:
            return None

    return reading


def _cut(message: str) -> str:
    short = message[:_LONGEST] + "...TRUNCATED" if len(message) > _LONGEST else message
    return short.encode("utf-8", "replace").decode()


def _record(metrics: Metrics, api: str, name: str, code: Code, seconds: float) -> None:
    count, latency = "/tensorflow/serving/request_count", "/tensorflow/serving/request_latency"
    metrics.count(count, {"model_name": name, "status": code.name})
    if code == Code.OK:
        labels = {"model_name": name, "API": api, "entrypoint": "GRPC"}
        metrics.observe(latency, labels, seconds * 1e6)
