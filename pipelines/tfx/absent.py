"""Stand-ins for runners that this TFX, or this machine, has not: a file that names them loads.

TFX 1.16 has no runner for KFP v1 any more, and its Airflow runner wants Airflow; what they would do
is of no matter, since their call is taken for its pipeline.
"""

import contextlib
import sys
import types
from collections.abc import Generator
from importlib import import_module
from typing import Any, Final

from .taken import take

_MODULES: Final = (
    "tfx.orchestration.airflow.airflow_dag_runner",
    "tfx.orchestration.kubeflow.kubeflow_dag_runner",
    "tfx.orchestration.beam.beam_runner",
)
_EXPERIMENTAL: Final = (
    "KubeflowDagRunner",
    "KubeflowDagRunnerConfig",
    "get_default_kubeflow_metadata_config",
    "get_default_pod_labels",
    "LABEL_KFP_SDK_ENV",
)
"""What `tfx.v1.orchestration.experimental` has had."""


class StandIn:
    """Any runner, config or function of a module that is not there; `run` hands its pipeline on."""

    def __call__(self, *_: Any, **__: Any) -> "StandIn":
        """Stand for what a call would give."""
        return StandIn()

    def __getattr__(self, name: str) -> "StandIn":
        """Stand for an attribute."""
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn()

    def run(self, pipeline: Any, *_: Any, **__: Any) -> None:
        """Do as every runner does while a file is loaded."""
        take(pipeline)


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn()


@contextlib.contextmanager
def stand_ins() -> Generator[None]:
    """Put stand-ins where a runner is missing, and take them away again."""
    experimental: Any = import_module("tfx.v1.orchestration.experimental")
    missing = [name for name in _EXPERIMENTAL if not hasattr(experimental, name)]
    absent = [name for name in _MODULES if not _is_there(name)]
    for name in absent:
        package, _, last = name.rpartition(".")
        sys.modules[name] = module = _Module(name)
        setattr(import_module(package), last, module)
    for name in missing:
        setattr(experimental, name, StandIn())
    try:
        yield
    finally:
        for name in missing:
            delattr(experimental, name)
        for name in absent:
            package, _, last = name.rpartition(".")
            del sys.modules[name]
            delattr(sys.modules[package], last)


def _is_there(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True
