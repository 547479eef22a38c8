"""Read and write `contract.yaml`: every mistake is told with its line and its field.

The language is YAML 1.2's core schema (what JSON has, and comments): `no` is a word, `1e3` a
number, a date a string. Anchors, tags and duplicate keys are refused: each part says its own facts.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ..errors import BadContract, one_of
from .model import FORMAT, MISSING, Contract
from .part import PROBLEM

__all__ = [
    "MOST_BYTES",
    "Document",
    "dump",
    "dump_json",
    "format_schema",
    "load",
    "loads",
    "parse",
    "read",
]

MOST_BYTES: Final = 2**20
_DEEPEST: Final = 30
_MOST_TOLD: Final = 10

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document(Generic[Model]):
    """What a file says, the file's name, and the line of everything in it."""

    value: Model
    name: str
    lines: Mapping[Place, int]

    def line(self, where: str) -> int:
        """The line of a dotted path, or of the nearest part around it that the file has."""
        return _line(self.lines, _split(where))


def load(path: str | Path) -> Document[Contract]:
    """Read a contract from a file.

    Raises:
        BadContract: there is no such file, or it breaks the format.
    """
    return read(path, Contract)


def loads(data: bytes, name: str) -> Document[Contract]:
    """Read a contract from bytes; `name` is what mistakes are told of.

    Raises:
        BadContract: it breaks the format.
    """
    return parse(data, name, Contract)


def read(path: str | Path, model: type[Model]) -> Document[Model]:
    """Read a file in the contract's language: a contract, waivers.

    Raises:
        BadContract: there is no such file, or it breaks the format.
    """
    try:
        size = Path(path).stat().st_size
        data = Path(path).read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        raise BadContract(
            given=f"{path} cannot be read: {error.strerror}",
            allowed="a file in YAML or JSON",
            todo="give its path; `lockstep contract init` writes a first one",
        ) from error
    _refuse_size(size, str(path))
    return parse(data, str(path), model)


def parse(data: bytes, name: str, model: type[Model]) -> Document[Model]:
    """Read bytes in the contract's language, YAML or JSON.

    Raises:
        BadContract: they break the format.
    """
    _refuse_size(len(data), name)
    tree, lines = _parse(data, name)
    try:
        return Document(model.model_validate_json(json.dumps(tree)), name, lines)
    except ValidationError as error:
        raise _mistakes(error, name, lines, model) from None


def format_schema() -> dict[str, Any]:
    """The JSON Schema of the format itself, for editors and other tools."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{FORMAT.replace('/', ':')}",
    }
    return head | Contract.model_json_schema()


def dump(contract: Contract) -> str:
    """A contract as YAML, without what is left at its default."""
    data = contract.model_dump(mode="json", exclude_defaults=True)
    return yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=None,
    )


def dump_json(contract: Contract) -> bytes:
    """A contract as JSON, for a version's papers."""
    return json.dumps(contract.model_dump(mode="json", exclude_defaults=True), indent=2).encode()


def _refuse_size(size: int, name: str) -> None:
    if size > MOST_BYTES:
        raise BadContract(
            given=f"{name} has {size:,} bytes",
            allowed=f"up to {MOST_BYTES:,} bytes",
            todo="leave data out: a vocabulary that long is better open, or a pattern",
        )


def _parse(data: bytes, name: str) -> tuple[Any, dict[Place, int]]:
    try:
        text = data.decode()
        _refuse_what_is_not_plain(text, name)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                raise _malformed(name, 1, "it is empty")
            lines: dict[Place, int] = {}
            _note_lines(root, (), lines, name)
            return loader.construct_document(root), lines
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _malformed(name, line, "it is not UTF-8") from error
    except yaml.YAMLError as error:
        mark, last = getattr(error, "problem_mark", None), len(data.splitlines())
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise _malformed(name, min(mark.line + 1, last) if mark else 1, what) from error
    except ValueError as error:
        raise _malformed(name, 1, "an integer of thousands of digits") from error


def _refuse_what_is_not_plain(text: str, name: str) -> None:
    """Look at the events before anything is built of them: aliases and depth can explode."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _malformed(name, line, "anchors and aliases are not allowed")
        if tag := getattr(event, "tag", None):
            raise _malformed(name, line, f"the tag {tag} is not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _malformed(name, line, f"more than {_DEEPEST} levels")


def _note_lines(node: yaml.Node, path: Place, lines: dict[Place, int], name: str) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _note_lines(item, (*path, number), lines, name)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _malformed(name, line, "a key that is no word")
            if (inner := (*path, key.value)) in lines:
                raise _malformed(name, line, f"{key.value!r} stands there twice")
            lines[inner] = line
            _note_lines(value, inner, lines, name)


def _malformed(name: str, line: int, what: str) -> BadContract:
    return BadContract(
        given=f"{name}:{line}: {what}",
        allowed="one document in plain YAML 1.2, or JSON: no anchors, tags or duplicate keys",
        todo="mend that line",
    )


def _mistakes(
    error: ValidationError, name: str, lines: Mapping[Place, int], model: type[BaseModel]
) -> BadContract:
    told: dict[Place, tuple[str, str]] = {}
    for one in error.errors(include_url=False):
        context = one.get("ctx", {})
        place = (*one["loc"], *_split(str(context.get("field", ""))))
        path = _spelled(place, lines, missing=one["type"] == "missing")
        if one["type"] == "extra_forbidden":
            field = str(one["loc"][-1])
            what = f"no field {field!r}", one_of(_fields(model, one["loc"][:-1]), field)
        else:
            what = _given_and_allowed(one["type"], one["msg"], one["input"], context)
        told[path] = what if path not in told else _either(told[path], what)
    first = sorted(told, key=lambda path: _line(lines, path))
    texts = [
        f"{name}:{_line(lines, path)}: {_dotted(path)}: {given}\n    allowed: {allowed}"
        for path, (given, allowed) in ((path, told[path]) for path in first[:_MOST_TOLD])
    ]
    more = len(told) - len(texts)
    counted = "one mistake" if len(told) == 1 else f"{len(told)} mistakes"
    return BadContract(
        given="\n  ".join(
            [f"{counted} in {name}", *texts, *([f"and {more} more"] if more else [])]
        ),
        allowed="what docs/contract.md describes, and `lockstep contract format` in JSON Schema",
        todo="mend these lines",
    )


def _either(first: tuple[str, str], second: tuple[str, str]) -> tuple[str, str]:
    """What may be in one place, if several kinds of things may."""
    return first if second[1] in first[1] else (first[0], f"{first[1]}, or {second[1]}")


def _given_and_allowed(kind: str, said: str, given: Any, context: Any) -> tuple[str, str]:
    if kind == PROBLEM:
        return context["given"], context["allowed"]
    if kind == "missing":
        return "it is missing", "this field is required"
    shown = json.dumps(given, default=str)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    if kind == "string_type" and not isinstance(given, dict | list):
        return shown, f'text; put it in quotes: "{shown}"'
    if kind == "literal_error":
        return shown, one_of(re.findall(r"'([^']*)'", str(context["expected"])), str(given))
    return shown, said.removeprefix("Input should be ")


def _fields(model: type[BaseModel], place: Place) -> list[str]:
    """The fields that a part may have, read off the format's own JSON Schema."""
    at = schema = _schema(model)
    for step in (*place, None):
        for one in at.get("anyOf", [at]):
            if "$ref" in one:
                at = schema["$defs"][one["$ref"].rpartition("/")[2]]
        if step is not None:
            inner = at.get("properties") or at.get("patternProperties") or {}
            at = inner.get(step) or next(iter(inner.values()), None) or at["items"]
    return list(at["properties"])


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _spelled(place: Place, lines: Mapping[Place, int], *, missing: bool = False) -> Place:
    """The part of a place that the file has: pydantic also names what it tried there."""
    path: Place = ()
    for step in place:
        if (*path, step) not in lines:
            return (*path, step) if missing else path
        path = (*path, step)
    return path


def _split(where: str) -> Place:
    return tuple(int(step) if step.isdecimal() else step for step in where.split(".") if step)


def _line(lines: Mapping[Place, int], path: Place) -> int:
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path, 1)


def _dotted(path: Place) -> str:
    return ".".join(map(str, path)) or "the file"


def _number(text: str) -> float | str:
    """A number; what is none is spelled as TF Serving spells it, for JSON has no word for it."""
    return MISSING if text.lower() == ".nan" else float(text.lower().replace(".inf", "inf"))


_CORE: Final = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
)
"""The core schema of YAML 1.2.2, section 10.3.2, less octal and hexadecimal integers."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # the faster of two
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML would take for something else than a string."""


for _kind, _pattern, _first in _CORE:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})$"), list(_first)
        )
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: _number(node.value))
