"""The OpenAPI 3.1 document of TF Serving's REST surface, for one contract.

Paths, bodies and errors are those of TF Serving 2.20 (`model_servers/http_rest_api_handler.cc`,
`util/json_tensor.cc`).
"""

from typing import Any, Final

from ..model import Contract
from .instance import columns, instance, prediction

__all__ = ["openapi"]

Json = dict[str, Any]

_VERSION: Final[Json] = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "The number of a version.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
}
_LABEL: Final[Json] = {
    "name": "label",
    "in": "path",
    "required": True,
    "description": "A label of the server's configuration, such as stable or canary.",
    "schema": {"type": "string", "pattern": "^[^/:]+$"},
}
_ERRORS: Final = {
    "400": "The request is malformed, or not what the signature takes; or the label is unknown. "
    "TF Serving also answers a malformed path so (and a version above 2**63 - 1 without a body).",
    "404": "No such model or version is loaded.",
    "429": "The server's queue is full.",
    "500": "The model failed.",
    "503": "The server is overloaded.",
    "504": "The server's own time limit has passed.",
}


def openapi(contract: Contract, server: str = "http://localhost:8501") -> Json:
    """The OpenAPI document: predict, status and metadata, by version and by label.

    Args:
        contract: The contract.
        server: The address that the document names.
    """
    model = f"/v1/models/{contract.model}"
    version, label = f"{model}/versions/{{version}}", f"{model}/labels/{{label}}"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": contract.model,
            "version": contract.version,
            **({"description": text} if (text := _description(contract)) else {}),
        },
        "servers": [{"url": server}],
        "paths": {
            f"{model}:predict": _predict(contract, "", []),
            f"{version}:predict": _predict(contract, "Version", [_VERSION]),
            f"{label}:predict": _predict(contract, "Label", [_LABEL]),
            model: _status(contract, "", []),
            version: _status(contract, "Version", [_VERSION]),
            label: _status(contract, "Label", [_LABEL]),
            f"{model}/metadata": _metadata(contract, "", []),
            f"{version}/metadata": _metadata(contract, "Version", [_VERSION]),
            f"{label}/metadata": _metadata(contract, "Label", [_LABEL]),
        },
        "components": {"schemas": _schemas(contract)},
    }


def _predict(contract: Contract, by: str, parameters: list[Json]) -> Json:
    operation: Json = {
        "operationId": f"predict{by}",
        "summary": f"Ask {contract.model}{_by(by)}.",
        "requestBody": {"required": True, "content": _content("PredictRequest")},
        "responses": _responses("PredictResponse", "The answers, in the order asked.", _ERRORS),
    }
    if contract.deprecated:
        operation["deprecated"] = True
    return _path("post", operation, parameters)


def _status(contract: Contract, by: str, parameters: list[Json]) -> Json:
    operation: Json = {
        "operationId": f"status{by}",
        "summary": f"The state of {contract.model}'s versions{_by(by)}; 200 in any state.",
        "responses": _responses("Status", "The versions, newest first.", ["400", "404"]),
    }
    if by == "Label":  # get_model_status_impl.cc looks for a version only
        operation["description"] = (
            "TF Serving ignores the label here: any label, even an unknown one, shows all of them. "
            "The label's metadata tell whether it is served."
        )
    return _path("get", operation, parameters)


def _metadata(contract: Contract, by: str, parameters: list[Json]) -> Json:
    operation = {
        "operationId": f"metadata{by}",
        "summary": f"The signatures of {contract.model}{_by(by)}; 200 once it is loaded.",
        "responses": _responses("Metadata", "The signatures.", ["400", "404"]),
    }
    return _path("get", operation, parameters)


def _by(by: str) -> str:
    return f", by {by.lower()}" if by else ""


def _path(method: str, operation: Json, parameters: list[Json]) -> Json:
    item: Json = {method: operation}
    return item | ({"parameters": parameters} if parameters else {})


def _responses(schema: str, description: str, errors: Any) -> Json:
    answers = {"200": {"description": description, "content": _content(schema)}}
    failures = {
        code: {"description": _ERRORS[code], "content": _content("Error")} for code in errors
    }
    return {**answers, **failures}


def _content(schema: str) -> Json:
    return {"application/json": {"schema": _ref(schema)}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(contract: Contract) -> Json:
    rows: Json = {"type": "array", "items": _ref("Instance"), "minItems": 1}
    if most := contract.service.max_instances:
        rows["maxItems"] = most
    return {
        "Instance": instance(contract, wire=True),
        "Prediction": prediction(contract),
        "PredictRequest": {
            "description": "Rows (instances) or columns (inputs), not both. Columns are equally "
            "long. A whole number is written without a fraction: TF Serving refuses 1.0 for 1. "
            "It does not check domains: values outside them get an answer that means nothing.",
            "oneOf": [
                _request(contract, "instances", rows),
                _request(contract, "inputs", columns(contract)),
            ],
        },
        "PredictResponse": {
            "description": "Rows are answered by predictions, columns by outputs.",
            "oneOf": [
                _object({"predictions": {"type": "array", "items": _ref("Prediction")}}),
                _object({"outputs": prediction(contract, batch=True)}),
            ],
        },
        "Status": _object({"model_version_status": {"type": "array", "items": _version_status()}}),
        "Metadata": _object({"model_spec": _model_spec(), "metadata": {"type": "object"}}),
        "Error": _object({"error": {"type": "string"}}),
    }


def _request(contract: Contract, key: str, schema: Json) -> Json:
    """TF Serving takes exactly one of the two keys, and ignores what it does not know."""
    other = {"instances": "inputs", "inputs": "instances"}[key]
    named = {"type": "string", "const": contract.signature}
    default = contract.signature == "serving_default"
    return {
        "type": "object",
        "properties": {key: schema, "signature_name": named, other: False},
        "required": [key] if default else [key, "signature_name"],
    }


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _version_status() -> Json:
    states = ["UNKNOWN", "START", "LOADING", "AVAILABLE", "UNLOADING", "END"]
    status = _object({"error_code": {"type": "string"}, "error_message": {"type": "string"}})
    return _object(
        {
            "version": {"type": "string", "pattern": "^[0-9]+$"},
            "state": {"type": "string", "enum": states},
            "status": status,
        }
    )


def _model_spec() -> Json:
    text = {"type": "string"}
    return _object({"name": text, "signature_name": text, "version": text})


def _description(contract: Contract) -> str:
    levels = contract.service.model_dump(exclude_none=True)
    promises = ", ".join(f"{name} {value:g}" for name, value in levels.items())
    owners = ", ".join(
        f"{owner.team} ({owner.contact})" if owner.contact else owner.team
        for owner in contract.owners
    )
    parts = (
        contract.description,
        f"Service level: {promises}." if promises else "",
        f"Owners: {owners}." if owners else "",
    )
    return "\n\n".join(part for part in parts if part)
