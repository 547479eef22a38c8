"""What every part of a contract has in common: frozen, strict, and clear about a mistake."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

__all__ = ["Number", "Part", "Scalar", "Text", "problem"]

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Number = int | Annotated[float, Field(allow_inf_nan=False)]
Scalar = bool | Number | str

PROBLEM = "contract"
"""The type of every error that `problem` makes."""


def problem(*, given: str, allowed: str, field: str = "") -> PydanticCustomError:
    """A mistake in a part, or in one of its fields: what is there, and what may be."""
    context = {"given": given, "allowed": allowed, "field": field}
    return PydanticCustomError(PROBLEM, "{given}; allowed: {allowed}", context)


class Part(BaseModel):
    """A frozen piece of a contract; a field that it does not have is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
