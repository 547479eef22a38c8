"""From a compiled pipeline and a command line's wishes to a `Submission`."""

import copy
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from ..engine.parameters import bind, from_text
from ..ir import CompiledPipeline
from ..tasks import walk
from .labels import labels_of
from .service import Submission


def submission_of(
    pipeline: CompiledPipeline,
    parameters: Mapping[str, str],
    *,
    name: str = "",
    why: str = "",
    directory: Path | None = None,
    experiment: str = "",
    pipeline_root: str = "",
    cache: bool = True,
    service_account: str = "",
) -> Submission:
    """Check the parameters and name the run; `directory` is where git tells the commit.

    Raises:
        BadParameter: One is unknown, missing, or of the wrong type.
    """
    inputs = pipeline.spec["root"].get("inputDefinitions", {})
    given = from_text(inputs, parameters)
    bind(inputs, given)
    sent = pipeline if cache else uncached(pipeline)
    return Submission(
        pipeline=sent,
        name=name or new_name(pipeline.name),
        parameters=given,
        labels=labels_of(sent.digest, why, directory or Path()),
        experiment=experiment,
        pipeline_root=pipeline_root,
        service_account=service_account,
    )


def new_name(pipeline: str) -> str:
    """A name that no other run has; it sorts by time."""
    stem = re.sub(r"[^a-z0-9-]+", "-", pipeline.lower())
    return f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


def uncached(pipeline: CompiledPipeline) -> CompiledPipeline:
    """The same pipeline with no task cached: another file, and so another digest."""
    changed = copy.deepcopy(pipeline)
    for task in walk(changed):
        task.spec["cachingOptions"] = {"enableCache": False}
    return changed
