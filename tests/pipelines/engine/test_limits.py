"""What a step may take, and what happens when it takes more."""

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lockstep.pipelines.engine.forks import Template
from lockstep.pipelines.engine.launch import Ended, Processes, Step
from lockstep.pipelines.engine.limits import limit_of, quantity, resident

HUNGRY = """
import subprocess, sys, time
if len(sys.argv) == 1:
    subprocess.run([sys.executable, __file__, "child"])
held = bytearray(300 * 2**20)
print("holding", flush=True)
time.sleep(30)
"""


@given(st.integers(0, 10**6), st.sampled_from(["", "k", "M", "G", "Ki", "Mi", "Gi", "Ti"]))
def test_quantities_are_those_of_kubernetes(number: int, unit: str) -> None:
    """Decimal and binary units, of whole bytes."""
    powers = {"": 0, "k": 1, "M": 2, "G": 3, "T": 4}
    base = 1024 if unit.endswith("i") else 1000
    expected = number * base ** powers[{"Ki": "k"}.get(unit, unit.removesuffix("i"))]
    assert quantity(f"{number}{unit}") == expected
    assert quantity(f"{Decimal(number) / 4}{unit}") == expected // 4


@pytest.mark.parametrize("text", ["", "much", "1.5.2G", "-1", "3GiB", "0x10", "1 G"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """And the message shows one that is."""
    with pytest.raises(ValueError, match="no quantity such as 512Mi"):
        quantity(text)


def test_both_spellings_of_a_limit_are_read() -> None:
    """A quantity; or a number of gigabytes, as older compilers wrote it."""
    assert limit_of({"resourceMemoryLimit": "2Gi", "memoryLimit": 2.1}) == "2Gi"
    assert quantity(limit_of({"memoryLimit": 0.5})) == 5 * 10**8
    assert limit_of({"resourceCpuLimit": "2"}) == ""


def test_what_a_process_holds_is_seen() -> None:
    """This one holds some megabytes; one that has ended holds nothing."""
    assert 2**20 < resident(os.getpid()) < 2**36
    assert resident(2**30) == 0


def in_fork(step: Step) -> Ended:
    """Run a step in a fork of a template."""
    template = Template("json", {})
    try:
        return template.run(step)
    finally:
        template.close()


@pytest.mark.parametrize("launch", [in_fork, lambda step: Processes().run(step)])
def test_a_step_that_holds_too_much_is_ended(
    tmp_path: Path, launch: Callable[[Step], Ended]
) -> None:
    """With what its children hold; the message says how much it was."""
    (tmp_path / "hungry.py").write_text(HUNGRY)
    step = Step("hungry", (), {}, tmp_path, tmp_path / "log.txt", memory=200 * 2**20)
    ended = launch(step)
    assert ended.breach == "memory"
    assert str(ended).startswith("stopped by its memory limit: it held ")
    assert ended.peak_memory > 200 * 2**20
    assert ended.seconds < 20
