"""An exit handler with the final status, and a task that ignores a failure before it."""

from kfp import dsl
from kfp.dsl import PipelineTaskFinalStatus


@dsl.component(base_image="python:3.11")
def report(channel: str, status: PipelineTaskFinalStatus) -> None:
    """Say how it ended."""
    print(channel, status.state)  # noqa: T201 - the log is all that a cluster shows


@dsl.component(base_image="python:3.11")
def work(fail: bool = False) -> str:
    """Fail if asked to."""
    if fail:
        raise RuntimeError
    return "done"


@dsl.component(base_image="python:3.11")
def tidy(text: str = "nothing") -> None:
    """Run whatever came before."""


@dsl.pipeline(name="exit-handler")
def exit_handler(channel: str = "team", fail: bool = False) -> None:
    """Report at the end, however it ends."""
    with dsl.ExitHandler(report(channel=channel), name="guarded"):
        worked = work(fail=fail)
        tidy(text=worked.output).ignore_upstream_failure()
