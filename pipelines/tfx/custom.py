"""Nodes that are not TFX's own: `@component` functions, and component classes with an executor."""

from typing import Any

from kfp import dsl

from ...components import tfx_node
from .declare import extended
from .parameters import snake
from .plan import Task, outputs_in, refuse
from .settings import beam_arguments
from .wiring import Wiring

_FINAL_STATUS = "pipeline_task_final_status"


def custom_tasks(wiring: Wiring, node: Any) -> None:
    """Plan a node that is run by its own executor, in the runtime image."""
    arguments, component = _called(wiring, node)
    arguments |= wiring.inputs(node)
    wiring.put(node, snake(node.id), component, arguments)
    wiring.gives(node, snake(node.id))


def exit_task(wiring: Wiring, node: Any) -> Task:
    """Plan the exit handler: it takes no artifacts, and runs at the end whatever happens."""
    if node.inputs:
        raise refuse(
            node,
            "is the exit handler, and takes artifacts: " + ", ".join(node.inputs),
            "parameters, and FinalStatusStr",
            "read in it what has been written to a known place",
        )
    arguments, component = _called(wiring, node)
    if outputs_in(arguments):
        raise refuse(
            node,
            "is the exit handler, and has a placeholder among its properties",
            "values, RuntimeParameters and FinalStatusStr",
            "write the value out",
        )
    return Task(snake(node.id), component, arguments, node.id)


def _called(wiring: Wiring, node: Any) -> tuple[dict[str, Any], Any]:
    """Give the arguments of `tfx_node` for a node, and its declaration with the artifacts."""
    from tfx.components.example_gen.component import FileBasedExampleGen
    from tfx.orchestration.kubeflow.decorators import FinalStatusStr

    executor = getattr(node.executor_spec, "executor_class", None)
    if executor is None or isinstance(node, FileBasedExampleGen):
        raise refuse(
            node,
            f"has an executor that no step here runs: {_named(node)}",
            "TFX's own ExampleGens (Csv, Import, BigQuery, and FileBasedExampleGen with the "
            "Parquet executor), executor classes of other components, and containers",
            "convert the data to CSV, TFRecord or Parquet; or write a @component",
        )
    status = {k for k, v in node.exec_properties.items() if isinstance(v, FinalStatusStr)}
    properties = {
        key: wiring.property(node, key, value)
        for key, value in node.exec_properties.items()
        if value is not None and key not in status
    }
    module, _, name = wiring.reference(executor).partition(":")
    types = _types(wiring, node, status)
    arguments: dict[str, Any] = {"module_file": module, "executor": name}
    arguments |= {"exec_properties": properties} if properties else {}
    arguments |= {"types": types} if types else {}
    if beam := beam_arguments(node):
        arguments["beam_pipeline_args"] = wiring.places.anything(node, "beam", beam)
    inputs = {key: (c.type, node.spec.INPUTS[key].optional) for key, c in node.inputs.items()}
    outputs = {key: channel.type for key, channel in node.outputs.items()}
    extra = {_FINAL_STATUS: dsl.PipelineTaskFinalStatus} if status else {}
    return arguments, extended(node, tfx_node, snake(node.id), inputs, outputs, extra)


def _types(wiring: Wiring, node: Any, status: set[str]) -> dict[str, dict[str, str]]:
    """Say what JSON does not: the types of artifacts, and the kinds of properties."""
    kinds = {
        key: getattr(parameter.type, "__name__", "")
        for key, parameter in node.spec.PARAMETERS.items()
        if node.exec_properties.get(key) is not None
    }
    found = {
        "inputs": {key: wiring.reference(channel.type) for key, channel in node.inputs.items()},
        "outputs": {key: wiring.reference(channel.type) for key, channel in node.outputs.items()},
        "properties": {k: _FINAL_STATUS if k in status else kind for k, kind in kinds.items()},
    }
    return {key: value for key, value in found.items() if value}


def _named(node: Any) -> str:
    executor = getattr(node.executor_spec, "executor_class", node.executor_spec)
    return getattr(executor, "__name__", type(executor).__name__)
