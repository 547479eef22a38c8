"""Beam pipelines, without work that Beam does again and again."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Final

import apache_beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms import core

ENOUGH: Final = 64 << 20
"""Bytes of input from which processes, each with imports of its own, are worth it."""


def make_pipeline(arguments: Sequence[str], size: int = 0) -> apache_beam.Pipeline:
    """Make a pipeline for the runner that the arguments name; without any, on this machine.

    `size` is that of the input, in bytes: less than `ENOUGH` is worked on inside this process, more
    by a process per core. The runner is named outright: Beam's default first looks for another to
    download. Nothing is packaged for remote workers: theirs is the image (or environment) that
    steps run in.
    """
    _remember_signatures()
    if arguments:
        return apache_beam.Pipeline(argv=[*arguments])
    here = ["--direct_running_mode=in_memory"]
    if size >= ENOUGH and (cores := len(os.sched_getaffinity(0))) > 1:
        here = ["--direct_running_mode=multi_processing", f"--direct_num_workers={cores}"]
        print(f"Beam: {cores} processes for {size >> 20} MiB of input")  # noqa: T201  # a step's log
    return apache_beam.Pipeline(runner=FnApiRunner(), argv=here)


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
