# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# mypy: ignore-errors
# ruff: noqa: UP045, RUF100, RUF013 - kfp reads these types
"""A pipeline whose steps are real but cheap: it looks at data, makes a model, and pushes it."""

from typing import Optional

from kfp import dsl

from lockstep.components import pusher, span_resolver


@dsl.component(base_image="python:3.11")
def extend(
    text: str, longer: dsl.Output[dsl.Dataset], data: Optional[dsl.Input[dsl.Dataset]] = None
) -> int:
    """Write a dataset of three files: another one's text, and more."""
    import os

    before = ""
    if data:
        with open(f"{data.path}/2.txt") as file:
            before = file.read()
    os.makedirs(longer.path)
    for number in range(3):
        with open(f"{longer.path}/{number}.txt", "w") as file:
            file.write(f"{before}{text}" if number == 2 else str(number) * 10_000)
    longer.metadata["length"] = len(before) + len(text)
    return len(before) + len(text)


@dsl.component(base_image="python:3.11")
def make_model(data: dsl.Input[dsl.Dataset], size: int, model: dsl.Output[dsl.Model]):
    """Write something with the files of a SavedModel."""
    import os

    os.makedirs(f"{model.path}/Format-Serving/variables")
    with open(f"{model.path}/Format-Serving/variables/variables.index", "w") as file:
        file.write("v" * size)
    with open(f"{data.path}/2.txt") as source:
        text = source.read()
    with open(f"{model.path}/Format-Serving/saved_model.pb", "w") as file:
        file.write(text)


@dsl.pipeline(name="cheap")
def cheap(data: str, model_store: str):
    """Two branches that meet."""
    newest = span_resolver(input_base=data)
    first = extend(text=newest.outputs["fingerprint"])
    left = extend(text="left", data=first.outputs["longer"])
    right = extend(text="right", data=first.outputs["longer"])
    last = extend(text="last", data=left.outputs["longer"])
    made = make_model(data=last.outputs["longer"], size=right.outputs["Output"])
    pusher(
        model=made.outputs["model"],
        push_destination={"filesystem": {"base_directory": f"{model_store}/cheap"}},
    )
