"""The one container that every component is: the runtime image and the one entrypoint."""

from kfp import dsl

from .catalogue import DEFAULT_IMAGE, ENTRYPOINT


def container(name: str) -> dsl.ContainerSpec:
    """Say how component `name` starts: KFP puts the whole ExecutorInput in place of `{{$}}`."""
    return dsl.ContainerSpec(
        image=DEFAULT_IMAGE,
        command=[*ENTRYPOINT, name],
        args=["--executor_input", "{{$}}"],
    )
