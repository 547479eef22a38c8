"""TFX's placeholders, as what a step of its own can evaluate."""

from collections.abc import Mapping
from typing import Any, Final

from .plan import refuse

_INVOCATION: Final = ("EXEC_INVOCATION", "ENVIRONMENT_VARIABLE", "INPUT_ARTIFACT")
"""Kinds of placeholder leaves that a step of its own can know."""


def expression_of(node: Any, what: str, placeholder: Any) -> tuple[dict[str, Any], dict[Any, str]]:
    """Encode a placeholder: TFX's expression as a dict, and the names of its channels in it."""
    from google.protobuf import json_format
    from tfx.types import channel_utils
    from tfx.types.channel import ChannelWrappedPlaceholder

    wrapped = [p for p in placeholder.traverse() if isinstance(p, ChannelWrappedPlaceholder)]
    for one in wrapped:
        one.set_key(None)  # TFX's own, which is no name for KFP
    channels = dict.fromkeys(one.channel for one in wrapped)
    keys = {channel: f"input_{number}" for number, channel in enumerate(channels)}
    encoded = channel_utils.encode_placeholder_with_channels(placeholder, keys.__getitem__)
    expression = json_format.MessageToDict(encoded, preserving_proto_field_name=True)
    _check(node, what, expression)
    return expression, keys


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
