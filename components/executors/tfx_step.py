"""TFX's own constructors and executors, called with what KFP hands over.

The constructor of the TFX component turns arguments into the properties that its executor reads
(defaults, checks and JSON included), so nothing here repeats what TFX knows.
"""

import inspect
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import apache_beam
from google.protobuf import json_format
from google.protobuf.message import Message
from tfx import types
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec

from ..errors import BadArgument
from ..step import Artifact, Metadata, Results, Step
from . import beam

os.environ["UNSUPPORTED_DO_NOT_PACKAGE_USER_MODULES"] = "1"  # TFX's switch: no wheel, no pip

_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "distribution_validator": {"config": "distribution_validator_config"},
    "example_diff": {
        "examples_test": "examples",
        "examples_base": "baseline_examples",
        "config": "example_diff_config",
    },
}
"""What a TFX constructor and its ComponentSpec name differently."""


def run(step: Step, component: BaseComponent) -> Results:
    """Execute `component` on the step's artifacts, and collect its outputs' metadata."""
    inputs = {
        key: [to_tfx(artifact, component.SPEC_CLASS.INPUTS[key].type)] if artifact.is_there else []
        for name, artifact in step.inputs.items()
        if (key := spec_key(step.component, name)) in component.spec.inputs
    }
    outputs = {
        key: [_empty(step, key, channel.type)] for key, channel in component.spec.outputs.items()
    }
    for key in step.outputs.keys() & component.SPEC_CLASS.OUTPUTS.keys() - outputs.keys():
        step.output(key)  # declared, but switched off by an argument: there and empty
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        arguments = step.parameters.get("beam_pipeline_args") or []
        make = partial(beam.make_pipeline, arguments, _size(step))
        executor = _executor(component, make, scratch)
        executor.Do(inputs, outputs, component.spec.exec_properties)
    return Results({key: to_metadata(value) for key, [value] in outputs.items()})


def construct(step: Step, constructor: type[BaseComponent], **changes: Any) -> BaseComponent:
    """Call a TFX component's constructor with the step's parameters and inputs.

    Dicts become the protos that the component's spec names; optional inputs that are not there
    (nothing at their path) are left out. `changes` stand in for arguments of the same name.

    Raises:
        BadArgument: The constructor, or a proto, refuses an argument.
    """
    spec = constructor.SPEC_CLASS
    accepted = inspect.signature(constructor.__init__).parameters
    arguments: dict[str, Any] = {}
    for name, value in step.parameters.items():
        if name in accepted:
            arguments[name] = _to_proto(spec_key(step.component, name), value, spec)
    for name, artifact in step.inputs.items():
        channel = spec.INPUTS.get(spec_key(step.component, name))
        if name in accepted and channel and (artifact.is_there or not channel.optional):
            arguments[name] = types.Channel(type=channel.type)
    try:
        component = constructor(**(arguments | changes))
    except (ValueError, TypeError) as error:
        raise BadArgument(
            given=f"{step.component}: {error}",
            allowed=f"the arguments of TFX's {constructor.__name__}",
            todo="mend the argument in the pipeline's definition",
        ) from error
    for name, value in arguments.items():
        parameter = spec.PARAMETERS.get(key := spec_key(step.component, name))
        if parameter and parameter.use_proto:  # a placeholder, which TFX's runners would resolve
            component.spec.exec_properties[key] = value
    return component


def spec_key(component: str, name: str) -> str:
    """Say what the ComponentSpec calls an argument of the constructor."""
    return _KEYS.get(component, {}).get(name, name)


def to_tfx(artifact: Artifact, tfx_type: type[types.Artifact]) -> types.Artifact:
    """Rebuild a TFX artifact; its type comes from the component's own signature."""
    result = tfx_type()
    result.uri = artifact.path
    for key, value in artifact.metadata.items():
        if key == "tfx_type":
            continue
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        if key in (tfx_type.PROPERTIES or {}):
            setattr(result, key, number)
        elif isinstance(number, str):
            result.set_string_custom_property(key, number)
        elif isinstance(number, int):
            result.set_int_custom_property(key, number)
        elif isinstance(number, float):
            result.set_float_custom_property(key, number)
    return result


def to_metadata(artifact: types.Artifact) -> Metadata:
    """Flatten a TFX artifact's properties into what survives Kubeflow: strings and numbers."""
    flat: Metadata = {"tfx_type": artifact.type_name}
    message = artifact.mlmd_artifact
    for key, value in [*message.properties.items(), *message.custom_properties.items()]:
        kind = value.WhichOneof("value")
        if kind in ("int_value", "double_value", "string_value"):
            flat[key] = getattr(value, kind)
        elif kind == "struct_value":
            flat[key] = json.dumps(json_format.MessageToDict(value.struct_value), sort_keys=True)
    return flat


def _empty(step: Step, key: str, tfx_type: type[types.Artifact]) -> types.Artifact:
    result = tfx_type()
    result.uri = str(step.output(key))
    return result


def _to_proto(name: str, value: Any, spec: Any) -> Any:
    kind = spec.PARAMETERS[name].type if name in spec.PARAMETERS else None
    if not (isinstance(kind, type) and issubclass(kind, Message)):
        return value
    message: Any = kind()
    try:
        return json_format.ParseDict(value, message)
    except json_format.ParseError as error:
        raise BadArgument(
            given=f"{name}: {error}",
            allowed=f"the fields of {message.DESCRIPTOR.full_name}: "
            + ", ".join(f.name for f in message.DESCRIPTOR.fields),
            todo="mend the dict in the pipeline's definition",
        ) from error


def _size(step: Step) -> int:
    """Bytes of all input artifacts."""
    files = (file for a in step.inputs.values() for file in Path(a.path).rglob("*"))
    return sum(file.stat().st_size for file in files if file.is_file())


def _executor(
    component: BaseComponent, make_pipeline: Callable[[], apache_beam.Pipeline], scratch: str
) -> BaseExecutor:
    spec = component.executor_spec
    assert isinstance(spec, ExecutorClassSpec), "every TFX component here has an executor class"
    where: dict[str, Any] = {"tmp_dir": scratch, "unique_id": "step"}
    if not issubclass(spec.executor_class, BaseBeamExecutor):
        return spec.executor_class(spec.executor_class.Context(**where))
    where["make_beam_pipeline_fn"] = make_pipeline
    return spec.executor_class(BaseBeamExecutor.Context(**where))
