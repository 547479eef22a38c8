"""TFX's container components: the same image and command, KFP's placeholders in place of TFX's."""

import inspect
from typing import Any, Final, NoReturn

from kfp import dsl
from kfp.dsl import ConcatPlaceholder

from .declare import artifacts, made
from .parameters import snake
from .plan import refuse

_KINDS: Final = (int, float, bool, str, dict, list)
_KIND: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD


def component_of(node: Any) -> Any:
    """Make the kfp component of a node with a `TemplatedExecutorContainerSpec`."""
    spec = node.executor_spec
    inputs = {key: (channel.type, False) for key, channel in node.inputs.items()}
    outputs = {key: channel.type for key, channel in node.outputs.items()}
    parameters = [
        inspect.Parameter(key, _KIND, annotation=_annotation(node, key))
        for key, value in node.exec_properties.items()
        if value is not None
    ]

    def container(**given: Any) -> dsl.ContainerSpec:
        def words(part: list[Any]) -> list[Any]:
            return [_word(node, given, word) for word in part]

        return dsl.ContainerSpec(spec.image, words(spec.command), words(spec.args))

    return made(snake(node.id), [*parameters, *artifacts(inputs, outputs)], container)


def _annotation(node: Any, key: str) -> type:
    declared = node.spec.PARAMETERS[key].type
    return declared if declared in _KINDS else str


def _word(node: Any, given: dict[str, Any], word: Any) -> Any:
    """Translate one word of a command line; an artifact's URI becomes its path in the container."""
    from tfx.dsl.component.experimental import placeholders as old
    from tfx.dsl.placeholder.placeholder import Placeholder

    if isinstance(word, str):
        return word
    if isinstance(word, old.ConcatPlaceholder):
        return ConcatPlaceholder([_word(node, given, item) for item in word.items])
    if isinstance(word, old.InputUriPlaceholder):
        return given[word.input_name].path
    if isinstance(word, old.OutputUriPlaceholder):
        return given[word.output_name].path
    if isinstance(word, old.InputValuePlaceholder) and word.input_name in node.exec_properties:
        return given[word.input_name]
    if isinstance(word, Placeholder):
        return _expression(node, given, word.encode())
    _refuse(node, word)


def _expression(node: Any, given: dict[str, Any], expression: Any) -> Any:
    """Translate what `ph.input`, `ph.output`, `ph.exec_property` and `+` are made of."""
    kind = expression.WhichOneof("expression_type")
    if kind == "value":
        return getattr(expression.value, expression.value.WhichOneof("value"))
    if kind == "placeholder" and expression.placeholder.key in given:
        return given[expression.placeholder.key]
    operator = expression.operator
    name = operator.WhichOneof("operator_type")
    if name == "concat_op":
        parts = operator.concat_op.expressions
        return ConcatPlaceholder([_expression(node, given, part) for part in parts])
    if name == "index_op" and not operator.index_op.index:
        return _expression(node, given, operator.index_op.expression)
    if name == "artifact_uri_op":
        return _expression(node, given, operator.artifact_uri_op.expression).path
    _refuse(node, name or kind)


def _refuse(node: Any, word: Any) -> NoReturn:
    raise refuse(
        node,
        f"has a command with {word!r}",
        "strings, InputUriPlaceholder, OutputUriPlaceholder, InputValuePlaceholder of a "
        "parameter, ConcatPlaceholder, ph.input(...).uri, ph.output(...).uri, ph.exec_property",
        "hand the artifact over by its path, and read it in the container",
    )
