"""Declarations of the steps that a TFX pipeline brings along: its own nodes and placeholders.

`pipelines.tfx` adds to each use the artifacts that the node takes and gives.
"""

from typing import Any, Dict, List, Optional  # kfp reads these notations only

from kfp import dsl
from kfp.dsl import OutputPath

from .container import container


@dsl.container_component
def tfx_node(
    module_file: str,
    executor: str,
    exec_properties: Optional[Dict[str, Any]] = None,
    types: Optional[Dict[str, Any]] = None,
    beam_pipeline_args: Optional[List[Any]] = None,
) -> dsl.ContainerSpec:
    """Run the executor of a TFX node that no other component stands for.

    That is a Python function under TFX's `@component`, or a component class of the project or of
    another package. The node's inputs and outputs are added where it is used.

    Args:
        module_file: Python file (path relative to the project) or importable module with the
            executor's class.
        executor: Name of the executor's class in that module.
        exec_properties: The properties that the executor is given.
        types: What JSON does not say: artifact types of inputs and outputs, kinds of properties.
        beam_pipeline_args: Arguments for Beam; without them Beam runs inside the step.
    """
    return container("tfx_node")


@dsl.container_component
def tfx_value(
    expression: Dict[str, Any],
    value: OutputPath(str),  # type: ignore[valid-type]  # kfp's own notation
    types: Optional[Dict[str, Any]] = None,
    run_id: str = "",
) -> dsl.ContainerSpec:
    """Evaluate a TFX placeholder or predicate, which looks into artifacts when the pipeline runs.

    The artifacts that it looks into are added where it is used.

    Args:
        expression: TFX's `PlaceholderExpression` as a dict.
        value: What it comes to, in the kind that its consumer takes.
        types: Artifact types of the inputs.
        run_id: The run's id, for placeholders that ask for it.
    """
    return container("tfx_value")
