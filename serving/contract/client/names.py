"""Names of a contract as Python's: of packages, classes and fields."""

import builtins
import keyword
import re
from collections.abc import Iterable
from typing import Final

__all__ = ["class_name", "field_names", "package_name"]

_TAKEN: Final = {
    *keyword.kwlist,
    *keyword.softkwlist,
    *dir(builtins),
    *("Annotated", "Any", "Field", "Literal", "as_instance", "cls", "self"),
    *("construct", "copy", "dict", "from_orm", "json", "parse_file", "parse_obj", "parse_raw"),
    *("schema", "schema_json", "update_forward_refs", "validate"),
}
"""What a field of a pydantic model cannot, or should not, be called."""


def package_name(model: str) -> str:
    """The name of the package that a model's client is imported as.

    >>> package_name("chicago-taxi.v2"), package_name("9lives")
    ('chicago_taxi_v2_client', 'model_9lives_client')
    """
    plain = re.sub(r"[^a-z0-9]+", "_", model.lower()).strip("_")
    return f"{plain if plain[:1].isalpha() else f'model_{plain}'.rstrip('_')}_client"


def class_name(model: str) -> str:
    """The name that a model has in the names of classes.

    >>> class_name("chicago-taxi.v2"), class_name("9lives"), class_name("_")
    ('ChicagoTaxiV2', 'Model9lives', 'Model')
    """
    words = re.split(r"[^A-Za-z0-9]+", model)
    plain = "".join(word[:1].upper() + word[1:] for word in words)
    return plain if plain[:1].isalpha() else f"Model{plain}"


def field_names(names: Iterable[str]) -> dict[str, str]:
    """For every tensor's name that of its field; no two fields have the same.

    >>> field_names(["miles", "class", "trip-km", "trip_km", "_id"])
    {'miles': 'miles', 'class': 'class_', 'trip-km': 'trip_km_', 'trip_km': 'trip_km', '_id': 'id_'}
    """
    names = list(names)
    plain = {name: _plain(name) for name in names}
    used = {name for name in names if plain[name] == name}
    fields: dict[str, str] = {}
    for name in names:
        field = plain[name]
        while field != name and field in used:
            field += "_"
        used.add(field)
        fields[name] = field
    return fields


def _plain(name: str) -> str:
    field = name.replace("-", "_").lstrip("_") or "field"
    field = field if not field[0].isdigit() else f"field_{field}"
    return f"{field}_" if field in _TAKEN or field.startswith("model_") else field
