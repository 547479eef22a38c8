"""The methods of ModelService: which versions there are, and which models are served."""

from collections.abc import Mapping
from typing import Any, Final

from .grpc_prediction import messages, read_spec
from .grpc_wire import Received
from .metrics import Metrics
from .plane import Plane
from .status import Code, StatusError

__all__ = ["model_methods"]

_STATES: Final[Mapping[str, int]] = {
    "START": 10,
    "LOADING": 20,
    "AVAILABLE": 30,
    "UNLOADING": 40,
    "END": 50,
}
"""`ModelVersionStatus.State` in `apis/get_model_status.proto`."""


def model_methods(plane: Plane, metrics: Metrics) -> dict[str, tuple[Any, Any, Any]]:
    """Reader, response and method by name."""
    service = _Models(plane, metrics)
    return {
        "GetModelStatus": (
            *messages("get_model_status", "GetModelStatus"),
            service.get_model_status,
        ),
        "HandleReloadConfigRequest": (
            *messages("model_management", "ReloadConfig"),
            service.handle_reload_config_request,
        ),
    }


class _Models:
    """Each method fills in the response to a request."""

    def __init__(self, plane: Plane, metrics: Metrics) -> None:
        self.plane, self.metrics = plane, metrics

    async def get_model_status(
        self, received: Received, response: Any, timeout: float | None
    ) -> None:
        spec = read_spec(received.message)  # its label is ignored, as by TF Serving
        for found in self.plane.versions(spec.name, spec.version):
            one = response.model_version_status.add()
            one.version = found.version
            one.state = _STATES[found.state]
            one.status.error_code = int(found.code)
            one.status.error_message = found.message

    async def handle_reload_config_request(
        self, received: Received, response: Any, timeout: float | None
    ) -> None:
        request = received.message
        before = {name: self.metrics.total(name) for name in request.metric_names}
        try:
            if request.config.WhichOneof("config") != "model_config_list":
                message = (
                    "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                    "Only ModelConfigList is currently supported"
                )
                raise StatusError(Code.INVALID_ARGUMENT, message)
            await self.plane.reload(request.config)
        except StatusError as error:
            response.status.error_code = int(error.code)
            response.status.error_message = error.message
            raise
        response.status.SetInParent()
        for name, value in before.items():
            metric = response.metric.add(name=name)
            metric.int64_value_increase = int(self.metrics.total(name) - value)
