"""Finding the pipeline that a TFX user's file makes: the runner's call is taken, not obeyed."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Generator, Iterator
from importlib import import_module
from typing import Any, Final

from .absent import stand_ins
from .taken import FOUND, Captured, Taken, take

_RUNNERS: Final = (
    "tfx.orchestration.local.local_dag_runner",
    "tfx.orchestration.beam.beam_dag_runner",
    "tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner",
    "tfx.v1",
)
_HOOK: Final = "__init_subclass__"


def quietly_import() -> None:
    """Import TFX and what it says about its own dependencies; none of that is the user's."""
    os.environ["UNSUPPORTED_DO_NOT_PACKAGE_USER_MODULES"] = "1"  # TFX's switch: no wheel, no pip
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _RUNNERS:
            with contextlib.suppress(ImportError):
                import_module(name)
    logging.getLogger("absl").setLevel(logging.WARNING)


@contextlib.contextmanager
def capturing() -> Generator[list[Captured]]:
    """Take the calls of every TFX runner, those of classes that are yet to be defined included."""
    from tfx.orchestration import tfx_runner
    from tfx.orchestration.portable import tfx_runner as portable

    found: list[Captured] = []
    token = FOUND.set(found)
    flags = _flags()
    roots = (tfx_runner.TfxRunner, portable.TfxRunner)  # TFX has two
    replaced = {cls: cls.__dict__["run"] for root in roots for cls in _descendants(root)}
    for root in roots:
        setattr(root, _HOOK, classmethod(_replace))
    for cls in replaced:
        _replace(cls)
    try:
        with stand_ins(), contextlib.suppress(Taken):
            yield found
    finally:
        FOUND.reset(token)
        for root in roots:
            delattr(root, _HOOK)
        for cls, run in replaced.items():
            cls.run = run
        _forget(flags)


def _descendants(cls: Any) -> Iterator[Any]:
    for child in cls.__subclasses__():
        if "run" in child.__dict__:
            yield child
        yield from _descendants(child)


def _replace(cls: Any) -> None:
    def run(self: Any, pipeline: Any, *_: Any, **__: Any) -> None:
        take(pipeline, getattr(self, "_exit_handler", None))

    if "run" in cls.__dict__:
        cls.run = run


def _flags() -> set[str]:
    """Name the flags of absl that are defined: a file that is run again defines its own again."""
    return set(sys.modules["absl.flags"].FLAGS) if "absl.flags" in sys.modules else set()


def _forget(known: set[str]) -> None:
    for name in _flags() - known:
        with contextlib.suppress(AttributeError):
            delattr(sys.modules["absl.flags"].FLAGS, name)
