"""The methods of PredictionService: from messages to the plane, and back."""

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np

from .grpc_tensors import array_to_proto, proto_to_array
from .grpc_wire import Received, read_any, read_predict
from .plane import Classes, Lease, Plane, Task
from .status import Code, StatusError
from .tensors import DEFAULT_SIGNATURE, Array, ModelSpec

__all__ = ["messages", "prediction_methods", "read_spec", "write_spec"]

_SIGNATURE_DEF: Final = "signature_def"


def read_spec(request: Any) -> ModelSpec:
    """The model that a request names.

    Raises:
        StatusError: INVALID_ARGUMENT `Missing ModelSpec`.
    """
    if not request.HasField("model_spec"):
        raise StatusError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
    return _spec(request.model_spec)


def _spec(spec: Any) -> ModelSpec:
    version = spec.version.value if spec.HasField("version") else None
    return ModelSpec(spec.name, version, spec.version_label or None)


def write_spec(spec: Any, lease: Lease, signature_name: str) -> None:
    """Say who has answered."""
    spec.name = lease.name
    spec.version.value = lease.version
    spec.signature_name = signature_name or DEFAULT_SIGNATURE


def messages(module: str, name: str) -> tuple[Any, Any]:
    """What reads a method's request, and its response, from `tensorflow_serving.apis`."""
    apis = import_module(f"tensorflow_serving.apis.{module}_pb2")
    read = read_predict if name == "Predict" else read_any
    return partial(read, getattr(apis, f"{name}Request")), getattr(apis, f"{name}Response")


def prediction_methods(plane: Plane, *, content: bool) -> dict[str, tuple[Any, Any, Any]]:
    """Reader, response and method by name; `content` is `--enable_..._as_tensor_content`."""
    service = _Prediction(plane, content)
    return {
        "Predict": (*messages("predict", "Predict"), service.predict),
        "Classify": (*messages("classification", "Classification"), service.classify),
        "Regress": (*messages("regression", "Regression"), service.regress),
        "MultiInference": (*messages("inference", "MultiInference"), service.multi_inference),
        "GetModelMetadata": (
            *messages("get_model_metadata", "GetModelMetadata"),
            service.get_model_metadata,
        ),
    }


class _Prediction:
    """Each method fills in the response to a request within `timeout` seconds (None: for ever)."""

    def __init__(self, plane: Plane, content: bool) -> None:
        self.plane, self.content = plane, content

    async def predict(self, received: Received, response: Any, timeout: float | None) -> None:
        request = received.message
        name = request.model_spec.signature_name
        with self.plane.lease(read_spec(request)) as lease:
            inputs = _inputs(received, lease, name)
            filtered = request.output_filter
            outputs = await lease.predict(name, inputs, outputs=filtered, timeout=timeout)
            write_spec(response.model_spec, lease, name)
        for alias, array in outputs.items():
            array_to_proto(array, response.outputs[alias], content=self.content)

    async def classify(self, received: Received, response: Any, timeout: float | None) -> None:
        request = received.message
        name = request.model_spec.signature_name
        with self.plane.lease(read_spec(request)) as lease:
            classes = await lease.classify(name, _examples(request.input), timeout=timeout)
            write_spec(response.model_spec, lease, name)
        _write_classes(response.result, classes)

    async def regress(self, received: Received, response: Any, timeout: float | None) -> None:
        request = received.message
        name = request.model_spec.signature_name
        with self.plane.lease(read_spec(request)) as lease:
            values = await lease.regress(name, _examples(request.input), timeout=timeout)
            write_spec(response.model_spec, lease, name)
        _write_values(response.result, values)

    async def multi_inference(
        self, received: Received, response: Any, timeout: float | None
    ) -> None:
        request = received.message
        first = _spec(request.tasks[0].model_spec) if request.tasks else ModelSpec("")
        with self.plane.lease(first) as lease:
            tasks = _tasks(request.tasks)
            answers = await lease.multi_inference(tasks, _examples(request.input), timeout=timeout)
            for task, answer in zip(tasks, answers, strict=True):
                result = response.results.add()
                write_spec(result.model_spec, lease, task.signature_name)
                if isinstance(answer, Classes):
                    _write_classes(result.classification_result, answer)
                else:
                    _write_values(result.regression_result, answer)

    async def get_model_metadata(
        self, received: Received, response: Any, timeout: float | None
    ) -> None:
        request = received.message
        spec = read_spec(request)
        if not request.metadata_field:
            message = "GetModelMetadataRequest must specify at least one metadata_field"
            raise StatusError(Code.INVALID_ARGUMENT, message)
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                message = f"Metadata field {field} is not supported"
                raise StatusError(Code.INVALID_ARGUMENT, message)
        with self.plane.lease(spec) as lease:
            response.model_spec.name = lease.name
            response.model_spec.version.value = lease.version
            packed = response.metadata[_SIGNATURE_DEF]
            packed.type_url = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
            packed.value = lease.metadata


def _inputs(received: Received, lease: Lease, signature_name: str) -> dict[str, Array]:
    """The tensors of a request; those that cannot be read are the last mistake to be told of."""
    inputs: dict[str, Array] = {}
    for alias, proto in received.message.inputs.items():
        array = proto_to_array(proto, received.contents.get(alias))
        if array is None:
            signature = lease.signatures.get(signature_name or DEFAULT_SIGNATURE)
            if signature is not None and alias in signature.inputs:
                raise StatusError(Code.INVALID_ARGUMENT, f"tensor parsing error: {alias}")
            array = np.empty(0)
        inputs[alias] = array
    return inputs


def _examples(source: Any) -> list[bytes]:
    """The serialized examples of an `Input`, each with the context before it."""
    if source.WhichOneof("kind") == "example_list_with_context":
        context = source.example_list_with_context.context.SerializeToString()
        examples = source.example_list_with_context.examples
        return [context + example.SerializeToString() for example in examples]
    return [example.SerializeToString() for example in source.example_list.examples]


def _tasks(tasks: Sequence[Any]) -> list[Task]:
    """The tasks of a MultiInference, all of one model."""
    for task in tasks:
        if not task.model_spec.name:
            message = "Found ModelSpec with an empty model name."
            raise StatusError(Code.INVALID_ARGUMENT, message)
        if task.model_spec.name != tasks[0].model_spec.name:
            message = "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            raise StatusError(Code.INVALID_ARGUMENT, message)
    return [Task(task.method_name, task.model_spec.signature_name) for task in tasks]


def _write_classes(result: Any, classes: Classes) -> None:
    labels = None if classes.labels is None else classes.labels.tolist()
    scores = None if classes.scores is None else classes.scores.tolist()
    for index in range(len(labels or scores or ())):
        row = result.classifications.add()
        label_row = labels[index] if labels else None
        score_row = scores[index] if scores else None
        for column in range(len(label_row or score_row or ())):
            one = row.classes.add()
            if label_row:
                one.label = label_row[column].decode("utf-8", "replace")
            if score_row:
                one.score = score_row[column]


def _write_values(result: Any, values: Array) -> None:
    for value in values.tolist():
        result.regressions.add().value = value
