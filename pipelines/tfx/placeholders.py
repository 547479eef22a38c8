"""TFX's placeholders: a step of its own evaluates what only a run can know."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kfp import dsl

from ...components import tfx_value
from .declare import extended
from .parameters import snake
from .plan import Output, RunId, Settings, Task, refuse

if TYPE_CHECKING:
    from . import nodes

_INVOCATION: Final = ("EXEC_INVOCATION", "ENVIRONMENT_VARIABLE", "INPUT_ARTIFACT")
"""Kinds of placeholder leaves that a step of its own can know."""


def evaluated(
    mapping: "nodes.Mapping",
    node: Any,
    what: str,
    placeholder: Any,
    kind: type,
    contexts: tuple[Any, ...],
) -> Output:
    """Plan the step that evaluates a placeholder, and give its output."""
    from google.protobuf import json_format
    from tfx.types import channel_utils
    from tfx.types.channel import ChannelWrappedPlaceholder

    wrapped = [p for p in placeholder.traverse() if isinstance(p, ChannelWrappedPlaceholder)]
    for one in wrapped:
        one.set_key(None)  # TFX's own, which is no name for KFP
    channels = list(dict.fromkeys(one.channel for one in wrapped))
    keys = {channel: f"input_{number}" for number, channel in enumerate(channels)}
    encoded = channel_utils.encode_placeholder_with_channels(placeholder, keys.__getitem__)
    expression = json_format.MessageToDict(encoded, preserving_proto_field_name=True)
    _check(node, what, expression)
    artifacts = {keys[channel]: mapping.channel(node, channel) for channel in channels}
    if missing := [key for key, output in artifacts.items() if output is None]:
        raise refuse(
            node,
            f"uses {what}, which looks at an artifact that is not there ({missing[0]})",
            "artifacts that a task gives",
            "look at the node that the placeholder is made of",
        )
    name = f"{snake(node.id)}_{snake(what)}"
    inputs = {key: (channel.type, False) for channel, key in keys.items()}
    component = extended(node, tfx_value, name, inputs, {}, {"value": dsl.OutputPath(kind)})
    types = {key: mapping.reference(channel.type) for channel, key in keys.items()}
    asks_for_run = "EXEC_INVOCATION" in str(expression)
    arguments: dict[str, Any] = {"expression": expression} | artifacts
    arguments |= {"types": {"inputs": types}} if types else {}
    arguments |= {"run_id": RunId()} if asks_for_run else {}
    task = Task(name, component, arguments, f"{node.id}: {what}", (), contexts, Settings())
    mapping.plan.tasks.append(task)
    return Output(name, "value")


def _check(node: Any, what: str, expression: Mapping[str, Any]) -> None:
    for leaf in _leaves(expression):
        kind = leaf.get("type", "INPUT_ARTIFACT")
        if kind not in _INVOCATION:
            raise refuse(
                node,
                f"uses {what} with a placeholder of the kind {kind}",
                "placeholders of artifacts (channel.future()), environment_variable(), and "
                "execution_invocation().pipeline_run_id",
                "compute the value in a @component, and hand its output over",
            )


def _leaves(expression: Any) -> list[Mapping[str, Any]]:
    if isinstance(expression, dict):
        own = [expression["placeholder"]] if "placeholder" in expression else []
        return own + [leaf for inner in expression.values() for leaf in _leaves(inner)]
    if isinstance(expression, list):
        return [leaf for inner in expression for leaf in _leaves(inner)]
    return []
