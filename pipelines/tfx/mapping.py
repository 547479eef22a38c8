"""A TFX pipeline as a kfp pipeline."""

import re
from pathlib import Path
from typing import Any

from ..errors import NoCounterpart
from .custom import exit_task
from .graph import pipeline_of
from .nodes import add
from .parameters import Places
from .plan import Plan
from .taken import Captured
from .wiring import Wiring


def to_kfp(found: Captured, source: Path, root: Path) -> tuple[Any, dict[str, str]]:
    """Map a TFX pipeline: the kfp pipeline, and parameters' values that hold on this machine only.

    Args:
        found: The pipeline, and its exit handler.
        source: The file that makes it.
        root: The project's root.

    Raises:
        NoCounterpart: A node has none; the error names it.
    """
    pipeline = found.pipeline
    plan = Plan()
    wiring = Wiring(pipeline, source, Places(root, plan))
    for node in pipeline.components:
        add(wiring, node)
    handler = found.exit_handler
    if isinstance(handler, list | tuple):
        [handler] = handler  # TFX's documentation sets a list of one
    if handler is not None:
        plan.exit_task = exit_task(wiring, handler)
    if not plan.tasks:
        raise NoCounterpart(
            given=f"the pipeline {pipeline.id!r} has no components",
            allowed="tfx.dsl.Pipeline(components=[...]) with at least one",
            todo="add them",
        )
    name = re.sub(r"[^a-z0-9-]+", "-", pipeline.id.lower()).strip("-")
    return pipeline_of(plan, name), plan.here
