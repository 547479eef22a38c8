"""Beam inside the step's own process, without work that it does again and again."""

from collections.abc import Callable
from typing import Any

import apache_beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms import core


def in_memory_pipeline() -> apache_beam.Pipeline:
    """Make a pipeline that runs in this process, its runner named: no look for another."""
    _remember_signatures()
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
