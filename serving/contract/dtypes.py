"""The element types that TF Serving's REST surface can carry, and which of them holds which."""

from typing import Final, Literal, get_args

DtypeName = Literal[
    "bool",
    "string",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint32",
    "uint64",
    "float32",
    "float64",
]
"""`tensorflow_serving/util/json_tensor.cc` answers any other type with 400 or 501."""

DTYPES: Final[tuple[DtypeName, ...]] = get_args(DtypeName)

INTEGERS: Final[dict[str, tuple[int, int]]] = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
"""The least and the greatest value of every integer type."""

FLOATS: Final[dict[str, int]] = {"float32": 2**24, "float64": 2**53}
"""The floating-point types, and how far each holds every whole number."""


def holds(wide: str, narrow: str) -> bool:
    """Whether every value of `narrow` is also a value of `wide`.

    >>> holds("float64", "int32"), holds("float32", "int32"), holds("int64", "uint64")
    (True, False, False)
    """
    if wide == narrow:
        return True
    if narrow in INTEGERS and (wide in INTEGERS or wide in FLOATS):
        exact = FLOATS.get(wide, 0)
        low, high = INTEGERS.get(wide, (-exact, exact))
        return low <= INTEGERS[narrow][0] and INTEGERS[narrow][1] <= high
    return (wide, narrow) == ("float64", "float32")
