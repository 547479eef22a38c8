"""Beam pipelines, without work that Beam does again and again."""

from collections.abc import Callable, Sequence
from typing import Any

import apache_beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms import core


def make_pipeline(arguments: Sequence[str]) -> apache_beam.Pipeline:
    """Make a pipeline for the runner that the arguments name; without any, inside this process.

    The in-memory runner is named outright: Beam's default first looks for another to download.
    Nothing is packaged for remote workers: theirs is the image (or environment) that steps run in.
    """
    _remember_signatures()
    if arguments:
        return apache_beam.Pipeline(argv=[*arguments])
    return apache_beam.Pipeline(runner=FnApiRunner(), argv=["--direct_running_mode=in_memory"])


def _remember_signatures() -> None:
    """Let Beam look at each function's signature once.

    It inspects every method of every DoFn each time that one is pickled, more than 100,000 times in
    a Transform: a fifth of that step's CPU time.
    """
    inspect_: Callable[..., tuple[list[str], list[Any]]] = core.get_function_args_defaults
    if getattr(inspect_, "remembers", False):
        return
    seen: dict[Any, tuple[list[str], list[Any]]] = {}

    def remembered(function: Callable[..., Any]) -> tuple[list[str], list[Any]]:
        key = getattr(function, "__func__", None)  # a method's, whatever it is bound to
        if key is None:
            return inspect_(function)
        if key not in seen:
            seen[key] = inspect_(function)
        names, defaults = seen[key]
        return list(names), list(defaults)

    remembered.remembers = True  # type: ignore[attr-defined]  # a mark, so as not to wrap twice
    core.get_function_args_defaults = remembered
