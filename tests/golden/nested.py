"""A pipeline within a pipeline, used twice: parameters in, artifacts out."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Output


@dsl.component(base_image="python:3.11")
def write(text: str, result: Output[Artifact]) -> None:
    """Write a text."""
    with open(result.path, "w") as file:
        file.write(text)


@dsl.component(base_image="python:3.11")
def read(source: Input[Artifact]) -> str:
    """Read a text."""
    with open(source.path) as file:
        return file.read()


@dsl.pipeline(name="inner")
def inner(text: str, times: int = 2) -> Artifact:
    """Write a text, within another pipeline."""
    return write(text=f"{text} x {times}").outputs["result"]


@dsl.pipeline(name="nested")
def nested(text: str) -> str:
    """Write two texts, read the second."""
    inner(text=text)
    second = inner(text="again", times=3)
    return read(source=second.output).output
