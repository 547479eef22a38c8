"""What the packages of `lockstep contract client` are made of: typed instances and predictions."""

import math
from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator

__all__ = ["OneOf", "TypedInstance", "TypedPrediction"]


class TypedInstance(BaseModel):
    """What is asked about: one field for each input, checked as the contract says.

    Types are strict, but NumPy's numbers and arrays are taken as Python's, and NaN as None where a
    number may be missing. What the contract does not know is left out, as if it had not been given.
    """

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        protected_namespaces=(),
        regex_engine="python-re",
        strict=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        value = _to_python(value)
        return _nan_to_none(value)

    def as_instance(self) -> dict[str, Any]:
        """By the contract's names; a missing number is left out, and NaN within a list."""
        given = self.model_dump(by_alias=True, exclude_none=True)
        return {name: _none_to_nan(value) for name, value in given.items()}


class TypedPrediction(BaseModel):
    """One answer: a field for each output; further outputs are left out."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, populate_by_name=True, protected_namespaces=()
    )

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return _to_python(value)


def OneOf(*values: object) -> AfterValidator:
    """A constraint beside a type: one of these values."""

    def check(value: object) -> object:
        if value not in values:
            message = f"Input should be one of {', '.join(map(str, values))}"
            raise ValueError(message)
        return value

    return AfterValidator(check)


def _to_python(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _nan_to_none(value: Any) -> Any:
    if isinstance(value, list):
        return [_nan_to_none(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _none_to_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_none_to_nan(item) for item in value]
    return math.nan if value is None else value
