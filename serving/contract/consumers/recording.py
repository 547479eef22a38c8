"""Recorded requests of the applications: what each of them sends, and what it must be answered.

They are files beside the contract, `consumers/APPLICATION/NAME.yaml` (or `.json`):

```yaml
format: lockstep.recording/v1
meaning: A short trip that is paid by card.
instances:
  - {trip_miles: 1.2, fare: 7.5, payment_type: Credit Card}
expect:
  probability: {values: [[0.31]], tolerance: 0.2, min: 0, max: 1}
```
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from ..file import Document, read
from ..part import Number, Part, Scalar, Text, problem

__all__ = ["FOLDER", "Expectation", "Recorded", "Recording", "digest", "recordings"]

FOLDER: Final = "consumers"
"""Beside the contract: a folder for each application."""

_ENDINGS: Final = (".yaml", ".yml", ".json")
Value = Scalar | tuple[Scalar, ...] | tuple[tuple[Scalar, ...], ...] | None


class Expectation(Part):
    """What one output must be, in every instance."""

    values: Annotated[
        tuple[Value, ...] | None,
        Field(min_length=1, description="One for each instance, in their order."),
    ] = None
    tolerance: Annotated[
        float, Field(ge=0, description="How far a number may be from its value.")
    ] = 0.0
    min: Annotated[Number | None, Field(description="No number is below it.")] = None
    max: Annotated[Number | None, Field(description="No number is above it.")] = None
    shape: Annotated[
        tuple[int, ...] | None, Field(description="Of one instance, without the batch.")
    ] = None


class Refusal(Part):
    """That the request is refused."""

    code: Annotated[
        str | None, Field(description="Such as INVALID_ARGUMENT; left out: any refusal will do.")
    ] = None
    contains: Annotated[str | None, Field(description="What the message says.")] = None


class Recording(Part):
    """One request of an application, and what it must be answered."""

    format: Literal["lockstep.recording/v1"]
    meaning: Annotated[Text | None, Field(description="What the request stands for.")] = None
    wire: Annotated[
        bool,
        Field(
            description="The instances go out as they stand: the application uses no client that "
            "fills in defaults and drops what the contract does not know."
        ),
    ] = False
    instances: Annotated[tuple[dict[str, Value], ...], Field(min_length=1)]
    expect: Annotated[
        dict[str, Expectation],
        Field(default_factory=dict, description="By the outputs' names; others may be anything."),
    ]
    refused: Annotated[Refusal | None, Field(description="Instead of an answer.")] = None

    @model_validator(mode="after")
    def _is_consistent(self) -> "Recording":
        if self.refused and self.expect:
            raise problem(given="both expect and refused", allowed="one of them", field="refused")
        for name, one in self.expect.items():
            if one.values is not None and len(one.values) != len(self.instances):
                raise problem(
                    given=f"{len(one.values)} values for {len(self.instances)} instances",
                    allowed="one for each instance",
                    field=f"expect.{name}.values",
                )
        return self


@dataclass(frozen=True)
class Recorded:
    """A recording, whose it is, and its file's name without the ending."""

    application: str
    name: str
    document: Document[Recording]

    @property
    def recording(self) -> Recording:
        """The request and what is expected."""
        return self.document.value


def recordings(contract: str | Path) -> dict[str, tuple[Recorded, ...]]:
    """The recordings of every application, beside a contract's file; none if there is no folder.

    Raises:
        BadContract: a file breaks the format.
    """
    folder = Path(contract).parent / FOLDER
    found = {one.name: recordings_in(one) for one in sorted(folder.glob("*")) if one.is_dir()}
    return {application: some for application, some in found.items() if some}


def recordings_in(folder: Path) -> tuple[Recorded, ...]:
    """The recordings of the application that a folder is named after.

    Raises:
        BadContract: a file breaks the format.
    """
    files = sorted(file for file in folder.glob("*") if file.suffix in _ENDINGS)
    return tuple(Recorded(folder.name, file.stem, read(file, Recording)) for file in files)


def digest(some: Sequence[Recorded]) -> str:
    """The sha256 (hex) of what recordings say: of their names and contents, not of their layout."""
    said = {one.name: one.recording.model_dump(mode="json") for one in some}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
