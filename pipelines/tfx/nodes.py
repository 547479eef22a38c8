"""Node by node: what each becomes, in tasks."""

from typing import Any

from kfp import dsl

from ... import components
from ...components.catalogue import COMPONENTS
from . import containers
from .custom import custom_tasks
from .declare import artifact_class
from .parameters import snake
from .plan import Output, refuse
from .resolvers import resolver_tasks
from .settings import beam_arguments
from .standard import Standard, arguments_of, standard_of, without_none
from .wiring import Wiring


def add(wiring: Wiring, node: Any) -> None:
    """Plan a node's tasks."""
    from tfx.dsl.components.common.importer import Importer
    from tfx.dsl.components.common.resolver import Resolver
    from tfx.orchestration.pipeline import Pipeline

    wiring.contexts(node)
    if isinstance(node, Pipeline):
        raise refuse(
            node,
            "is a pipeline inside a pipeline",
            "nodes; pipelines are run one by one",
            "add its components to the outer pipeline",
        )
    if isinstance(node, Importer):
        _importer(wiring, node)
    elif isinstance(node, Resolver) or type(node).__name__ == "ResolverNode":
        resolver_tasks(wiring, node)
    else:
        _component(wiring, node)


def _importer(wiring: Wiring, node: Any) -> None:
    from tfx.dsl.components.common import importer

    [(key, channel)] = node.outputs.items()
    properties = node.exec_properties
    uri = properties[importer.SOURCE_URI_KEY]
    if not isinstance(uri, str):
        uri = wiring.converted(node, "source_uri", uri, str)
    arguments: dict[str, Any] = {
        "artifact_uri": wiring.places.data(node, "source_uri", uri),
        "artifact_class": artifact_class(channel.type),
        "reimport": bool(properties[importer.REIMPORT_OPTION_KEY]),
    }
    metadata = (channel.additional_properties or {}) | (channel.additional_custom_properties or {})
    if metadata := without_none(metadata):
        arguments["metadata"] = metadata
    wiring.put(node, snake(node.id), dsl.importer, arguments)
    wiring.plan.outputs[node.id, key] = Output(snake(node.id), "artifact")


def _component(wiring: Wiring, node: Any) -> None:
    if standard := standard_of(node):
        if standard.component not in COMPONENTS:
            raise refuse(
                node,
                "has no counterpart in this version of lockstep",
                "any of " + ", ".join(COMPONENTS),
                "take it out of the pipeline",
            )
        _standard(wiring, node, standard)
    elif hasattr(node.executor_spec, "image"):
        _container(wiring, node)
    else:
        custom_tasks(wiring, node)


def _standard(wiring: Wiring, node: Any, standard: Standard) -> None:
    component = getattr(components, standard.component)
    declared = component.component_spec.inputs
    arguments = arguments_of(node, standard, component, wiring.places, wiring.converted)
    for key, output in wiring.inputs(node).items():
        arguments[standard.renamed.get(key, key)] = output
    if "beam_pipeline_args" in declared and (beam := beam_arguments(node, standard.component)):
        arguments["beam_pipeline_args"] = wiring.places.anything(node, "beam", beam)
    name = snake(node.id)
    if standard.looks:
        look = getattr(components, standard.looks).component_spec
        asked = {key: arguments[key] for key in look.inputs if key in arguments}
        title = f"{node.id}: input"
        wiring.put(node, f"{name}_input", getattr(components, standard.looks), asked, title)
        arguments |= {key: Output(f"{name}_input", key) for key in look.outputs}
    wiring.put(node, name, component, arguments)
    wiring.gives(node, name)


def _container(wiring: Wiring, node: Any) -> None:
    arguments: dict[str, Any] = dict(wiring.inputs(node))
    component = containers.component_of(node)
    for key, value in node.exec_properties.items():
        if value is not None:
            arguments[key] = wiring.property(node, key, value)
    wiring.put(node, snake(node.id), component, arguments)
    wiring.gives(node, snake(node.id))
