"""Values that a TFX pipeline names, made fit for a compiled file: no place on this machine."""

import inspect
import json
import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ..errors import NoCounterpart
from .plan import Parameter, Plan, refuse

_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_EMPTY: Final = inspect.Parameter.empty


@dataclass(frozen=True)
class Places:
    """Where the project is, and the plan whose parameters stand for places outside of it."""

    root: Path
    plan: Plan

    def data(self, node: Any, argument: str, value: Any) -> Any:
        """Make input data a parameter; it has a default if that is true on every machine."""
        if not isinstance(value, str):
            return value
        portable = self._portable(value)
        return self._declare(node, argument, value, _EMPTY if portable is None else portable)

    def destination(self, node: Any, argument: str, value: Any) -> Any:
        """Make a place that is written to a parameter; only a URL is true on every machine."""
        if not isinstance(value, str):
            return value
        return self._declare(node, argument, value, value if "://" in value else _EMPTY)

    def module(self, node: Any, argument: str, value: Any) -> Any:
        """Name a file of the project as the project does."""
        if not isinstance(value, str) or "://" in value:
            return value
        portable = self._portable(value)
        if portable is not None:
            return portable
        raise refuse(
            node,
            f"takes the {argument} {value}, which is outside of the project {self.root}",
            "files of the project, of an installed package, or importable modules",
            "name the project's root: --project DIR; or move the file into it",
        )

    def anything(self, node: Any, argument: str, value: Any) -> Any:
        """Look into a value for paths of this machine: of the project, or a parameter."""
        if isinstance(value, dict):
            return {key: self.anything(node, argument, inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.anything(node, argument, inner) for inner in value]
        if not isinstance(value, str) or not os.path.isabs(value) or value == "/":
            return value
        portable = self._portable(value)
        return portable or self._declare(node, argument, value, _EMPTY)

    def runtime(self, node: Any, parameter: Any, kind: type) -> Parameter:
        """Declare TFX's RuntimeParameter; what is JSON in TFX is a list or dict here."""
        name = snake(parameter.name)
        default = _EMPTY if parameter.default is None else parameter.default
        if isinstance(default, str) and os.path.isabs(default):
            portable = self._portable(default)
            if portable is None:
                self.plan.here[name] = default
            default = _EMPTY if portable is None else portable
        if kind in (dict, list) and isinstance(default, str):
            try:
                default = json.loads(default)
            except ValueError as error:
                raise refuse(
                    node,
                    f"has a RuntimeParameter {parameter.name!r} with the default {default!r}",
                    "JSON: the argument is a proto, a list or a dict",
                    f"mend the default: {error}",
                ) from error
        return self._put(name, kind, default)

    def _declare(self, node: Any, argument: str, value: str, default: Any) -> Parameter:
        known = next((name for name, here in self.plan.here.items() if here == value), None)
        if known is not None and default is _EMPTY:
            return Parameter(known)
        name = f"{snake(node.id)}_{argument}"
        if default is _EMPTY:
            self.plan.here[name] = value
        return self._put(name, str, default)

    def _put(self, name: str, kind: type, default: Any) -> Parameter:
        kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD
        made = inspect.Parameter(name, kinds, default=default, annotation=kind)
        known = self.plan.parameters.setdefault(name, made)
        if (known.annotation, known.default) != (kind, default):
            raise NoCounterpart(
                given=f"the pipeline has two parameters {name!r}, of different kinds or defaults",
                allowed="one kind and one default for each RuntimeParameter",
                todo="give one of them another name",
            )
        return Parameter(name)

    def _portable(self, value: str) -> str | None:
        """Write a place as it is true on every machine: URL, package:, or relative; else None."""
        if "://" in value or value.startswith("package:") or not value:
            return value
        path = Path(os.path.abspath(value))
        if packaged := _in_package(path):
            return packaged
        if path.is_relative_to(self.root) and (os.path.isabs(value) or path.exists()):
            return path.relative_to(self.root).as_posix()
        return None if os.path.isabs(value) else Path(value).as_posix()


def snake(name: str) -> str:
    """Write a TFX id as KFP writes names: `CsvExampleGen.new` is `csv_example_gen_new`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def _in_package(path: Path) -> str | None:
    """Name a path inside an installed package by the package."""
    parts = path.parts
    at = next((i for i in range(len(parts) - 1, 0, -1) if parts[i - 1] in _INSTALLED), None)
    if at is None or not parts[at].isidentifier():
        return None
    spec = find_spec(parts[at])
    places = list((spec and spec.submodule_search_locations) or ())
    inside = any(path.is_relative_to(place) for place in places)
    return f"package:{'/'.join(parts[at:])}" if inside else None
