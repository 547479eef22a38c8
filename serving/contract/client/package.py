"""A Python package for the applications that call a model: typed, documented, with tests."""

import json
import textwrap
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from ..file import dump_json
from ..model import Contract, Input
from ..plausible import plausible
from .fields import PythonField, fields, source
from .names import class_name, package_name

__all__ = ["client_package", "distribution_name"]

_WIDTH: Final = 88
_TYPING: Final = ("Annotated", "Literal")
_TEMPLATES: Final = {
    "README.md": "README.md",
    "pyproject.toml": "pyproject.toml",
    "examples/plain_grpc.py": "plain_grpc.py",
    "src/{package}/__init__.py": "init.py",
    "src/{package}/client.py": "client.py",
    "src/{package}/data.py": "data.py",
    "tests/test_client.py": "test_client.py",
}


def client_package(contract: Contract) -> dict[str, bytes]:
    """The files of the package by their path: the same bytes for the same contract.

    Raises:
        BadContract: two of its names cannot both be Python's.
    """
    facts = _facts(contract)
    environment = _environment(contract)
    made = {
        path.format_map(facts): environment.get_template(f"{name}.jinja").render(facts).encode()
        for path, name in _TEMPLATES.items()
    }
    package = f"src/{facts['package']}"
    made[f"{package}/contract.json"] = dump_json(contract) + b"\n"
    made[f"{package}/py.typed"] = b""
    return dict(sorted(made.items()))


def distribution_name(model: str) -> str:
    """The name that pip knows the package of a model by.

    >>> distribution_name("chicago_taxi")
    'chicago-taxi-client'
    """
    return package_name(model).replace("_", "-")


def _facts(contract: Contract) -> dict[str, Any]:
    inputs, outputs = fields(contract.inputs), fields(contract.outputs)
    name = class_name(contract.model)
    required = [field for field in inputs if field.default is None]
    return {
        "model": contract.model,
        "version": contract.version,
        "contract": contract,
        "description": contract.description,
        "summary": _one_line(contract.description or f"A client of the model {contract.model}."),
        "distribution": distribution_name(contract.model),
        "package": package_name(contract.model),
        "name": name,
        "imported": sorted(["Instance", "Prediction", f"Async{name}Client", f"{name}Client"]),
        "lockstep": version("lockstep"),
        "inputs": inputs,
        "outputs": outputs,
        "imports": _imports([*inputs, *outputs]),
        "variable": package_name(contract.model).removesuffix("_client"),
        "given": {name: _given(name, one) for name, one in contract.inputs.items()},
        "required": required,
        "unknown": [f.tensor for f in required if plausible(contract.inputs[f.tensor]) is None],
        "promises": _promises(contract),
    }


def _imports(made: Iterable[PythonField]) -> list[str]:
    text = " ".join(field.annotation for field in made)
    typing = [name for name in _TYPING if f"{name}[" in text]
    lines = [f"from typing import {', '.join(typing)}", ""] if typing else []
    own = f"from lockstep.serving.contract.client.typed import {', '.join(_own(text))}"
    return [*lines, own, *(["from pydantic import Field"] if "Field(" in text else [])]


def _own(text: str) -> list[str]:
    return [*(["OneOf"] if "OneOf(" in text else []), "TypedInstance", "TypedPrediction"]


def _environment(contract: Contract) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    words: dict[str, Any] = {
        "cell": _cell,
        "docstring": _docstring,
        "example": lambda name: _tensor_of_one(contract.inputs[name]),
        "source": source,
        "toml": json.dumps,  # its escapes are a subset of those of TOML's strings
    }
    environment.globals |= words
    return environment


def _docstring(text: str, indent: int) -> str:
    """The inside of a docstring, wrapped; nothing in it can end it or escape from it."""
    plain = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in _one_line(text))
    plain = plain.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    plain = f"{plain[:-1]}\\{plain[-1]}" if plain.endswith('"') else plain
    room = _WIDTH - indent
    if len(plain) + 6 <= room:
        return plain
    lines = textwrap.wrap(plain, room - 3, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * indent).join([*lines, ""])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    """Text in a cell of a Markdown table."""
    return _one_line(text).replace("\\", "\\\\").replace("|", r"\|").replace("<", "&lt;")


def _given(name: str, one: Input) -> Any:
    """A plausible value as a field of the instance takes it."""
    value = plausible(one)
    return _to_bytes(value) if one.dtype == "string" and name.endswith("_bytes") else value


def _to_bytes(value: Any) -> Any:
    return [_to_bytes(item) for item in value] if isinstance(value, list) else b""


def _tensor_of_one(one: Input) -> str:
    """A batch of one instance in Python's source: dtype, shape with the batch, flat values."""
    shape = (1, *(1 if size < 0 else size for size in one.shape))
    return f'("{one.dtype}", {shape}, [{", ".join(map(source, _flat(plausible(one))))}])'


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [item for part in value for item in _flat(part)]
    return ["" if value is None else value]


def _promises(contract: Contract) -> list[str]:
    """The service level in sentences."""
    level = contract.service
    told = {
        "Half of the requests are answered within {} ms": level.p50_ms,
        "99 % of the requests are answered within {} ms": level.p99_ms,
        "{} requests per second": level.requests_per_second,
        "Up to {} instances in a request": level.max_instances,
        "Up to {} bytes in a request": level.max_request_bytes,
        "{} % of a month's requests are answered": level.availability_percent,
    }
    load = f", with {level.concurrency} under way at once"
    return [
        f"{text.format(f'{value:,.10g}')}{load if ' ms' in text else ''}."
        for text, value in told.items()
        if value is not None
    ]
