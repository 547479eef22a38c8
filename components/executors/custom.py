"""Executors of what a TFX pipeline brings along: its own nodes, and its placeholders."""

import hashlib
import importlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from google.protobuf import json_format
from tfx import types
from tfx.dsl.compiler import placeholder_utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.proto.orchestration import placeholder_pb2
from tfx.types.value_artifact import ValueArtifact

from ..errors import BadArgument, BadModule
from ..paths import resolve
from ..step import Artifact, Results, Step
from . import beam, tfx_step

FINAL_STATUS: Final = "pipeline_task_final_status"
"""The input of an exit handler that KFP fills in."""

_KINDS: Final[Mapping[str, Any]] = {"int": int, "float": float}


def tfx_node(step: Step) -> Results:
    """Call the executor of a TFX node, as TFX's own launcher would."""
    executor_class = _find(step.parameters["module_file"], step.parameters["executor"])
    kinds = _types(step)
    inputs = {key: [_input(step, key, name)] for key, name in kinds.get("inputs", {}).items()}
    given = {key: value for key, value in inputs.items() if value != [None]}
    outputs = {key: [_output(step, key, name)] for key, name in kinds.get("outputs", {}).items()}
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        _make(executor_class, step, scratch).Do(given, outputs, _properties(step, kinds))
    return Results({key: tfx_step.to_metadata(value) for key, [value] in outputs.items()})


def tfx_value(step: Step) -> Results:
    """Evaluate a placeholder with TFX's own resolver."""
    expression: Any = placeholder_pb2.PlaceholderExpression()  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at import
    json_format.ParseDict(step.parameters["expression"], expression)
    kinds = _types(step)
    inputs: dict[str, Any] = {}
    for key, name in kinds.get("inputs", {}).items():
        artifact = _input(step, key, name)
        if artifact is not None:
            artifact.uri = step.inputs[key].uri  # what has been read from its path is remembered
            inputs[key] = [artifact]
    run = step.parameters.get("run_id", "")
    info = ExecutionInfo(input_dict=inputs, pipeline_run_id=run)
    context = placeholder_utils.ResolutionContext(exec_info=info)
    value = placeholder_utils.resolve_placeholder_expression(expression, context)
    if value is None:
        raise BadArgument(
            given=f"the placeholder {placeholder_utils.debug_str(expression)} comes to nothing",
            allowed="a placeholder whose artifacts exist when the step runs",
            todo="look at the node that makes the artifact; in TFX the same is an error",
        )
    return Results(parameters={"value": value})


def _types(step: Step) -> Mapping[str, Mapping[str, str]]:
    return step.parameters.get("types") or {}


def _find(module_file: str, name: str) -> Any:
    """Import `module_file`, a file of the project or an importable module, and take `name`."""
    try:
        found: Any = _module(module_file)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, OSError, SyntaxError) as error:
        raise BadModule(
            given=f"{module_file} does not give {name}: {type(error).__name__}: {error}",
            allowed="a file of the project, or an importable module, that defines it "
            "at its top level",
            todo="look at the module; it must also load where no pipeline is being made",
        ) from error
    return found


def _module(module_file: str) -> Any:
    if not module_file.endswith(".py"):
        return importlib.import_module(module_file)
    path = resolve(module_file)
    sys.path.insert(0, os.path.dirname(path))
    name = "lockstep_project_" + hashlib.sha256(path.encode()).hexdigest()[:16]
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


def _type(name: str) -> type[types.Artifact]:
    module, _, inside = name.partition(":")
    found: type[types.Artifact] = _find(module, inside)
    return found


def _input(step: Step, key: str, type_name: str) -> Any:
    artifact: Artifact | None = step.inputs.get(key)
    if artifact is None or not artifact.is_there:
        return None
    made = tfx_step.to_tfx(artifact, _type(type_name))
    if isinstance(made, ValueArtifact):
        made.read()
    return made


def _output(step: Step, key: str, type_name: str) -> types.Artifact:
    kind = _type(type_name)
    made = kind()
    value = issubclass(kind, ValueArtifact)
    made.uri = str(step.output_as_file(key) if value else step.output(key))
    return made


def _properties(step: Step, kinds: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Give every property the kind that it had before it became JSON."""
    values = dict(step.parameters.get("exec_properties") or {})
    for key, kind in kinds.get("properties", {}).items():
        if kind == FINAL_STATUS:
            values[key] = json.dumps(step.parameters.get(FINAL_STATUS))
        elif key in values:
            values[key] = _cast(values[key], kind)
    return values


def _cast(value: Any, kind: str) -> Any:
    if kind == "bool":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind == "str":
        return value if isinstance(value, str) else json.dumps(value)
    if kind in _KINDS:
        return _KINDS[kind](value)
    return json.loads(value) if isinstance(value, str) and kind in ("dict", "list") else value


def _make(executor_class: Any, step: Step, scratch: str) -> Any:
    where: dict[str, Any] = {"tmp_dir": scratch, "unique_id": "step"}
    if not issubclass(executor_class, BaseBeamExecutor):
        return executor_class(executor_class.Context(**where))
    arguments = step.parameters.get("beam_pipeline_args") or []
    make = partial(beam.make_pipeline, arguments)
    return executor_class(BaseBeamExecutor.Context(make_beam_pipeline_fn=make, **where))
