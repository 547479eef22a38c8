# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportInvalidTypeForm=false
# mypy: ignore-errors
# ruff: noqa: UP006, UP035, UP045, RUF100, RUF013, SIM115, B006, F821, T201 - kfp reads these types; steps print
"""Pipelines with every construct of kfp that the engine honours; compiled and run by the tests."""

from typing import Dict, List, NamedTuple, Optional

from kfp import dsl

step = dsl.component(base_image="python:3.11")


@step
def flip() -> str:
    """Always heads."""
    return "heads"


@step
def write(number: int, data: dsl.Output[dsl.Dataset]) -> float:
    """Write a number into a dataset, with metadata of every kind."""
    with open(data.path, "w") as file:
        file.write(str(number))
    data.metadata.update(number=number, odd=number % 2 == 1, digits=[number], name=f"n{number}")
    return number / 2


@step
def gather(
    data: dsl.Input[List[dsl.Dataset]], halves: List[float], sums: List[List[int]]
) -> Dict[str, str]:
    """Show what Collected hands on."""
    return {
        "texts": ",".join(open(one.path).read() for one in data),
        "metadata": repr([one.metadata for one in data[:1]]),
        "halves": repr(halves),
        "sums": repr(sums),
    }


@step
def add(a: int, b: int = 10) -> int:
    """Add two numbers; the second is optional."""
    return a + b


@step
def show(
    text: str,
    nested: dict = {"n": 1},
    maybe: Optional[str] = None,
    data: Optional[dsl.Input[dsl.Dataset]] = None,
    flag: bool = True,
    number: int = 0,
) -> NamedTuple("Shown", [("text", str), ("nested", dict), ("flag", bool)]):
    """Give back what came in."""
    text += f" {number} {maybe} {open(data.path).read() if data else None}"
    return (text, nested, flag)


@step
def finish(status: dsl.PipelineTaskFinalStatus) -> str:
    """Say how the others have ended."""
    return f"{status.state} {status.pipeline_task_name} {status.error_code} {status.error_message}"


@step
def fail(message: str) -> int:
    """Print, then fail."""
    print("looking at the data")
    raise ValueError(message)


@step
def succeed_at(try_number: int, notes: str, mark: dsl.Output[dsl.Artifact]) -> int:
    """Fail until the file of notes has enough lines; find every try's output not there yet."""
    import os

    assert not os.path.exists(mark.path)
    with open(mark.path, "w"), open(notes, "a") as file:
        file.write("tried\n")
    with open(notes) as file:
        tries = len(file.readlines())
    if tries < try_number:
        raise SystemExit(3)
    return tries


@step
def kill_itself() -> None:
    """Die as if out of memory."""
    import os
    import signal
    import tempfile

    print(tempfile.mkstemp()[1])
    print("allocating", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


@step
def wait(marker: str, seconds: float = 60.0) -> None:
    """Start a child, say so, and wait."""
    import subprocess
    import sys
    import time

    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open(marker, "w") as file:
        file.write(str(child.pid))
    time.sleep(seconds)


@dsl.pipeline(name="inner")
def inner(number: int, text: Optional[str] = None) -> int:
    """A pipeline to stand inside another."""
    return add(a=number).output


@dsl.pipeline(name="every construct")
def everything(
    source: str, n: int = 3, rate: float = 0.5, numbers: List[int] = [1, 2], name: str = "it's"
) -> int:
    """Branches, loops, an importer, optional inputs, a nested pipeline, an exit handler."""
    coin = flip()
    with dsl.ExitHandler(finish()):
        with dsl.ParallelFor(numbers, parallelism=1) as number:
            written = write(number=number)
            with dsl.ParallelFor([10, 20]) as more:
                added = add(a=number, b=more)
        gather(
            data=dsl.Collected(written.outputs["data"]),
            halves=dsl.Collected(written.outputs["Output"]),
            sums=dsl.Collected(added.output),
        )
    with dsl.If(coin.output == "tails"):
        one = add(a=1)
    with dsl.Elif(n >= 3):
        with dsl.If(rate < 0.4):
            add(a=100)
        two = add(a=2)
    with dsl.Else():
        three = add(a=3)
    either = dsl.OneOf(one.output, two.output, three.output)
    imported = dsl.importer(
        artifact_uri=source, artifact_class=dsl.Dataset, metadata={"by": name, "n": 1}
    )
    show(
        text=f"{name} {rate}",
        number=either,
        nested={"list": [n, {"name": f"<{name}>"}], "whole": 10},
        data=imported.output,
    ).set_env_variable("MODE", "quick")
    with dsl.ParallelFor([{"a": 5}]) as item:
        show(text="loop", number=item.a)
    return inner(number=n).output


@dsl.pipeline(name="failures")
def failures(notes: str) -> None:
    """A failing step beside others, one that recovers, one that is killed, one that is too slow."""
    with dsl.ExitHandler(finish()):
        failed = fail(message="no good")
        add(a=failed.output)
    succeed_at(try_number=2, notes=notes).set_retry(2, backoff_duration="0s")
    kill_itself()


@dsl.pipeline(name="waiting")
def waiting(marker: str) -> None:
    """One step that takes its time, and one after it."""
    add(a=1).after(wait(marker=marker))
