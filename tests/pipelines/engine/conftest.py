"""The pipelines of `constructs.py`, compiled."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lockstep.pipelines import ir
from lockstep.pipelines.compile import compile_pipeline

Compile = Callable[[str], ir.CompiledPipeline]


@pytest.fixture(scope="session")
def compiled() -> Compile:
    """Give a pipeline of `constructs.py` by name."""
    here = Path(__file__).parent
    return lambda name: compile_pipeline(f"{here / 'constructs.py'}:{name}", project_root=here)
