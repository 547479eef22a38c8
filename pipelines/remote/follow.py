"""Following a run to its end, wherever it runs, and what came of it."""

import time
from collections.abc import Callable

from ...components.catalogue import COMPONENTS
from ...serving.errors import Exit
from ..ir import CompiledPipeline
from ..tasks import walk
from .failures import PASSING
from .service import Run, Runs, State, TaskState

_EXITS = {State.FAILED: Exit.STEP_FAILED, State.CANCELLED: Exit.CANCELLED}

_NOT_PUSHED = "not pushed: "
"""How the pusher begins the line of its log that says why it pushed nothing."""


def follow(
    runs: Runs,
    run: str,
    listen: Callable[[TaskState], None],
    *,
    every: float = 5.0,
    patience: float = 900.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Run:
    """Tell each change of a task's state until the run has ended.

    A service that cannot be asked for up to `patience` seconds does not end this: the run goes on.
    """
    seen: dict[str, State] = {}
    silent = 0.0
    while True:
        try:
            found = runs.get(run)
            silent = 0.0
        except PASSING:
            silent += every
            if silent > patience:
                raise
            sleep(every)
            continue
        for task in found.tasks:
            key = task.id or task.name
            if seen.get(key) is not task.state:
                seen[key] = task.state
                listen(task)
        if found.state.ended:
            return found
        sleep(every)


def verdict(runs: Runs, run: Run, pipeline: CompiledPipeline) -> tuple[Exit, str]:
    """The exit code that a run which has ended stands for, and why the model was not pushed.

    Kubeflow's API says nothing of artifacts, so the pushers' logs are read.

    Raises:
        ServiceError: No log can be read, so that it is not known.
    """
    code = _EXITS.get(run.state, Exit.OK)
    if code or run.blessed:
        return code, ""
    for pusher in pushers(pipeline):
        for line in runs.logs(run.id, pusher):
            if line.startswith(_NOT_PUSHED):
                return Exit.NOT_BLESSED, line.removeprefix(_NOT_PUSHED)
    return (Exit.NOT_BLESSED if run.blessed is False else Exit.OK), ""


def pushers(pipeline: CompiledPipeline) -> list[str]:
    """The tasks that push a model."""
    return [
        task.path.rpartition("/")[2]
        for task in walk(pipeline)
        if task.lockstep_component is COMPONENTS["pusher"]
    ]
