"""Optional parameters and artifacts, given and not given, and defaults of every kind."""

from typing import Any, Dict, List, Optional

from kfp import dsl
from kfp.dsl import Artifact, Input, Output


@dsl.component(base_image="python:3.11")
def make(result: Output[Artifact], text: str = "a\n  b\n") -> None:
    """Write a text."""
    with open(result.path, "w") as file:
        file.write(text)


@dsl.component(base_image="python:3.11")
def use(
    base: Optional[Input[Artifact]] = None,
    note: Optional[str] = None,
    rate: float = 2.0,
    flags: List[str] = ["a", "b"],
    options: Dict[str, Any] = {"depth": 3, "deep": {"on": True, "scale": 0.5}},
) -> None:
    """Use what is there."""


@dsl.pipeline(name="optional-inputs")
def optional_inputs(
    note: Optional[str] = None,
    rate: float = 1.0,
    options: Dict[str, Any] = {"depth": 1},
) -> None:
    """Leave out what may be left out."""
    made = make()
    use()
    use(base=made.outputs["result"], note=note, rate=rate, options=options)
    use(options={"nested": [1, 2.5, "x"], "note": f"{note}!"}, flags=[])
