"""Second floor: TFX components as Kubeflow components, and the executors that do their work.

    from lockstep.components import csv_example_gen, statistics_gen

Names load their declarations (and kfp with them) on first use, so that the entrypoint stays light.
"""

from importlib import import_module
from typing import Any

from .catalogue import COMPONENTS

__all__ = list(COMPONENTS)  # pyright: ignore[reportUnsupportedDunderAll]  # names come from __getattr__


def __getattr__(name: str) -> Any:
    """Load a component's declaration by name (PEP 562)."""
    if name not in COMPONENTS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f".{COMPONENTS[name].module}", __name__), name)


def __dir__() -> list[str]:
    """Name every component, for completion."""
    return sorted(__all__)
