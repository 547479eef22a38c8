"""The part of CEL that kfp's compiler emits: conditions of tasks, and selectors into parameters."""

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .values import is_list, text

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<double>\d+\.\d*(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<int>\d+)
    |(?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>&&|\|\||[=!<>]=|[<>!()\[\].-]))""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(
    r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL
)
_ESCAPES: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?",
}  # fmt: skip
_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Evaluate = Callable[[Mapping[str, Any]], Any]


class ExpressionError(ValueError):
    """An expression does not parse, or does not apply to the values at hand."""


@dataclass(frozen=True)
class Expression:
    """A parsed expression; `source` is its text."""

    source: str
    evaluate: Evaluate

    def holds(self, parameters: Mapping[str, Any]) -> bool:
        """Evaluate a condition over a task's input parameters; it must be true or false.

        Raises:
            ExpressionError: when a parameter is missing or a comparison makes no sense.
        """
        value = self.evaluate({"inputs": {"parameter_values": parameters}})
        if not isinstance(value, bool):
            message = f"{self.source} is {value!r:.40}, neither true nor false"
            raise ExpressionError(message)
        return value

    def select(self, value: Any) -> Any:
        """Evaluate a selector over one parameter's value, e.g. `parseJson(string_value)["a"]`.

        Raises:
            ExpressionError: when the value has no such part.
        """
        return self.evaluate({_kind(value): value, "string_value": text(value)})


def _kind(value: Any) -> str:
    """Which field of protobuf's Value a value stands in."""
    match value:
        case bool():
            return "bool_value"
        case float():
            return "number_value"
        case str():
            return "string_value"
        case _:
            return "list_value" if is_list(value) else "struct_value"


def parse(source: str) -> Expression:
    """Parse an expression.

    Raises:
        ExpressionError: says where the expression stops making sense.
    """
    parser = _Parser(source)
    evaluate = parser.disjunction()
    parser.expect("")
    return Expression(source, evaluate)


class _Parser:
    """Recursive descent: one method per level of precedence, each giving a function of names."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = list(_tokens(source))
        self.at = 0

    def disjunction(self) -> Evaluate:
        return self._logic("||", True, self.conjunction)

    def conjunction(self) -> Evaluate:
        return self._logic("&&", False, self.comparison)

    def _logic(self, sign: str, decides: bool, part: Callable[[], Evaluate]) -> Evaluate:
        parts = [part()]
        while self.take(sign):
            parts.append(part())
        return parts[0] if len(parts) == 1 else lambda names: _combine(parts, decides, names)

    def comparison(self) -> Evaluate:
        left = self.unary()
        sign = self.peek()
        if sign not in ("==", "!=", *_ORDERS):
            return left
        self.at += 1
        right = self.unary()
        return lambda names: _compare(sign, left(names), right(names))

    def unary(self) -> Evaluate:
        if self.take("!"):
            part = self.unary()
            return lambda names: not _as(bool, part(names))
        if self.take("-"):
            part = self.unary()
            return lambda names: -_as((int, float), part(names))
        return self.postfix()

    def postfix(self) -> Evaluate:
        value = self.primary()
        while True:
            if self.take("["):
                value = _item(value, self.disjunction())
                self.expect("]")
            elif self.take("."):
                value = _item(value, _constant(self.field()))
            else:
                return value

    def primary(self) -> Evaluate:
        kind, token = self.tokens[self.at]
        self.at += 1
        if kind == "name" and self.take("("):
            if token not in _FUNCTIONS:
                raise self.unexpected(token + "()")
            function, argument = _FUNCTIONS[token], self.disjunction()
            self.expect(")")
            return lambda names: function(argument(names))
        if kind == "sign" and token == "(":
            value = self.disjunction()
            self.expect(")")
            return value
        if kind == "name":
            return _constant(_WORDS[token]) if token in _WORDS else _name(token)
        if kind in _LITERALS:
            return _constant(_LITERALS[kind](token))
        raise self.unexpected(token)

    def field(self) -> str:
        kind, token = self.tokens[self.at]
        if kind != "name":
            raise self.unexpected(token)
        self.at += 1
        return token

    def peek(self) -> str:
        kind, token = self.tokens[self.at]
        return token if kind == "sign" else ""

    def take(self, sign: str) -> bool:
        found = self.peek() == sign
        self.at += found
        return found

    def expect(self, sign: str) -> None:
        kind, token = self.tokens[self.at]
        if (token if kind in ("sign", "end") else None) != sign:
            raise self.unexpected(token)
        self.at += 1

    def unexpected(self, token: str) -> ExpressionError:
        return ExpressionError(f"{self.source}: {token or 'the end'} is not expected")


def _tokens(source: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, end = 0, len(source.rstrip())
    while at < end:
        match = _TOKEN.match(source, at)
        if match is None:
            message = f"{source}: {source[at:].strip()[:20]!r} is not expected"
            raise ExpressionError(message)
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    return [*found, ("end", "")]


def _unquote(token: str) -> str:
    def replace(match: re.Match[str]) -> str:
        *codes, plain = match.groups()
        if plain is None:
            octal = codes.pop()
            return chr(int(octal, 8) if octal else int(next(filter(None, codes)), 16))
        if plain not in _ESCAPES:
            message = f"{token}: no escape \\{plain}"
            raise ExpressionError(message)
        return _ESCAPES[plain]

    return _ESCAPE.sub(replace, token[1:-1])


_LITERALS: Final[Mapping[str, Callable[[str], Any]]] = {
    "int": int,
    "double": float,
    "string": _unquote,
}
_WORDS: Final = {"true": True, "false": False, "null": None}


def _constant(value: Any) -> Evaluate:
    return lambda _: value


def _name(name: str) -> Evaluate:
    return _item(lambda names: names, _constant(name))


def _item(value: Evaluate, key: Evaluate) -> Evaluate:
    def evaluate(names: Mapping[str, Any]) -> Any:
        container, at = value(names), key(names)
        try:
            return container[int(at) if is_list(container) else at]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            message = f"there is no {at!r:.60}"
            raise ExpressionError(message) from error

    return evaluate


def _as(kinds: Any, value: Any) -> Any:
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        message = f"{value!r:.40} is of the wrong type"
        raise ExpressionError(message)
    return value


def _combine(parts: list[Evaluate], decides: bool, names: Mapping[str, Any]) -> bool:
    """And (decided by False) or Or (by True): a deciding part outweighs an error in another."""
    problem: ExpressionError | None = None
    for part in parts:
        try:
            if bool(_as(bool, part(names))) == decides:
                return decides
        except ExpressionError as error:
            problem = problem or error
    if problem:
        raise problem
    return not decides


def _compare(sign: str, left: Any, right: Any) -> bool:
    alike = type(left) is type(right) or {type(left), type(right)} == {int, float}
    if sign in ("==", "!="):
        same = alike and bool(left == right)
        return same is (sign == "==")
    if not alike or not isinstance(left, (int, float, str)):
        message = f"{left!r:.40} {sign} {right!r:.40} cannot be compared"
        raise ExpressionError(message)
    return _ORDERS[sign](left, right)


def _number(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        try:
            return kind(value if isinstance(value, str) else _as((int, float), value))
        except (ValueError, OverflowError) as error:
            message = f"{value!r:.40} is no number"
            raise ExpressionError(message) from error

    return convert


def _parse_json(value: Any) -> Any:
    try:
        return json.loads(_as(str, value), parse_int=float)
    except ValueError as error:
        message = f"{value!r:.40} is no JSON"
        raise ExpressionError(message) from error


_FUNCTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "int": _number(int),
    "double": _number(float),
    "string": lambda value: text(value),
    "parseJson": _parse_json,
}
