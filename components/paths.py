"""Paths that a pipeline names, made into places on the machine where the step runs."""

from importlib.util import find_spec
from pathlib import Path

from .errors import BadArgument


def resolve(location: str) -> str:
    """Find `location`: a URL, `package:NAME/PATH`, or a path relative to the project (the cwd).

    No absolute path of a development machine enters a compiled file, so files of the project are
    named relative to its root, and data inside an installed package by the package's name.

    Raises:
        BadArgument: No such package is installed here.
    """
    if location.startswith("package:"):
        package, _, inside = location.removeprefix("package:").partition("/")
        spec = find_spec(package) if package.isidentifier() else None
        if spec is None or not spec.submodule_search_locations:
            raise BadArgument(
                given=f"{location!r}: no package {package!r} is installed here",
                allowed="package:NAME/PATH, where NAME is an installed package",
                todo="install the package in the environment (or image) that runs the step",
            )
        return str(Path(spec.submodule_search_locations[0]) / inside)
    if "://" in location:
        return location
    return str(Path.cwd() / location)
