"""The user's TFX module: found, imported and checked before a long step starts."""

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import fsspec
from tfx.components.util import udf_utils

from ..errors import BadModule
from ..paths import resolve
from ..step import Step


def find(step: Step, function: str) -> dict[str, Any]:
    """Give the constructor's arguments for the module that the step names.

    `module_file` may be a Python file or an importable module; TFX's constructors take the latter
    as the function's dotted name. A file's directory goes onto the path, so that it may import its
    neighbours, as it may from TFX's wheel.

    Raises:
        BadModule: There is no such module, it does not load, or it lacks `function`.
    """
    module, dotted = step.parameters.get("module_file"), step.parameters.get(function)
    if not module or dotted:
        arguments = {function: dotted, "module_file": module}
    elif not module.endswith(".py"):
        arguments = {function: f"{module}.{function}", "module_file": None}
    else:
        path = resolve(module)
        if "://" in path:
            path = _fetched(path)
        if not os.path.isfile(path):
            raise BadModule(
                given=f"module_file {module!r}: there is no file {path}",
                allowed="a Python file relative to the project's root, package:NAME/PATH, "
                "or an importable module",
                todo=f"create it with a function {function}, or mend the path",
            )
        sys.path.insert(0, os.path.dirname(path))
        arguments = {function: None, "module_file": path}
    if bool(arguments[function]) != bool(arguments["module_file"]):
        _load(arguments, function)
    return arguments


def _fetched(url: str) -> str:
    """Copy a module from a bucket, as TFX does, to where it can be imported."""
    path = os.path.join(tempfile.mkdtemp(prefix="lockstep-module-"), url.rpartition("/")[2])
    try:
        files, place = fsspec.core.url_to_fs(url)
        files.get_file(place, path)
    except (OSError, ImportError, ValueError) as error:
        raise BadModule(
            given=f"module_file {url!r} cannot be read: {error}",
            allowed="a URL that this step may read, or a file of the project",
            todo="put the file into the project, and name it relative to the project's root",
        ) from error
    return path


def _load(arguments: dict[str, Any], function: str) -> Callable[..., Any]:
    """Import the function once; TFX finds it imported."""
    name = arguments["module_file"] or arguments[function]
    try:
        found: Callable[..., Any] = udf_utils.get_fn(arguments, function)
    except AttributeError as error:
        if "has no attribute" not in str(error) or repr(function) not in str(error):
            raise _broken(name, error) from error
        names = [n for n in dir(getattr(error, "obj", None)) if not n.startswith("_")]
        close = get_close_matches(function, names, 1)
        raise BadModule(
            given=f"{name} has no function {function!r}",
            allowed=f"a module with `def {function}(...)` at its top level, as in TFX",
            todo=f"did you mean {close[0]!r}? rename it to {function!r}"
            if close
            else f"add {function!r}",
        ) from error
    except Exception as error:
        raise _broken(name, error) from error
    return found


def _broken(name: str, error: Exception) -> BadModule:
    cause = error.__cause__ if isinstance(error, ImportError) and error.__cause__ else error
    line = traceback.extract_tb(cause.__traceback__)[-1]
    where = f"{line.filename}:{line.lineno}"
    if isinstance(cause, SyntaxError):
        where = f"{cause.filename}:{cause.lineno}"
    return BadModule(
        given=f"{name} does not load: {type(cause).__name__}: {cause} (at {where})",
        allowed="a module that imports without an exception",
        todo="mend that line; `python -c 'import ...'` in the project's root shows the same",
    )
