"""The language of contracts: the core schema of YAML 1.2, what JSON has and comments.

`no` is a word, `1e3` a number, a date a string. Anchors, tags and duplicate keys are refused: each
part says its own facts.
"""

import re
from typing import Any, Final

import yaml

from ..errors import BadContract
from .model import MISSING

__all__ = ["Place", "parse_yaml", "write_yaml"]

_DEEPEST: Final = 30

Place = tuple[str | int, ...]
"""The way to a value: keys of mappings and numbers of list items."""


def parse_yaml(data: bytes, name: str) -> tuple[Any, dict[Place, int]]:
    """What a document holds, and the line of every place in it.

    Raises:
        BadContract: it is not plain YAML; `name` is what the mistake is told of.
    """
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


def write_yaml(tree: Any) -> str:
    """A tree in block style, its innermost collections in a line each."""
    return yaml.dump(
        tree,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=None,
    )


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
