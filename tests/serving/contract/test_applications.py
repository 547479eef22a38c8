"""What applications are given: JSON Schema of an instance, and the OpenAPI document."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from lockstep.serving.contract.client.instance import instance
from lockstep.serving.contract.client.openapi import openapi
from lockstep.serving.contract.file import load, loads
from lockstep.serving.contract.model import Contract

TAXI: Final = load(Path(__file__).parents[3] / "pipelines/taxi/contract.yaml").value

TEXT: Final = """\
format: lockstep.contract/v1
model: taxi
version: 1.2.3
signature: SIGNATURE
inputs:
  miles: {dtype: float32, default: NaN, domain: {min: 0}, unit: mi, meaning: The way.}
  rank: {dtype: int8, default: 3, deprecated: {sunset: 2027-01-01, instead: miles}}
  pay: {dtype: string, domain: {values: [cash, card]}}
  firm: {dtype: string, domain: {values: [a], open: true}}
  zone: {dtype: string, domain: {pattern: "a|b"}}
  grid: {dtype: bool, shape: [2, -1]}
outputs:
  tip: {dtype: float32, shape: [1], domain: {min: 0, max: 1}}
"""
GOOD: Final[dict[str, Any]] = {
    "miles": 1,
    "rank": 3,
    "pay": "cash",
    "firm": "z",
    "zone": "a",
    "grid": [[True], [False]],
}


def contract(signature: str = "serving_default", outputs: str = "") -> Contract:
    """A contract, with more outputs if asked for."""
    text = TEXT.replace("SIGNATURE", signature) + outputs
    return loads(text.encode(), "contract").value


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """Whether a JSON Schema takes a value."""
    Draft202012Validator.check_schema(schema)
    return not list(Draft202012Validator(schema).iter_errors(value))


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"extra": 1}, True),
        ({"miles": -1}, False),
        ({"miles": "1"}, False),
        ({"rank": 128}, False),
        ({"rank": 1.5}, False),
        ({"pay": "coin"}, False),
        ({"zone": "ab"}, False),
        ({"zone": "cab"}, False),
        ({"grid": [[True]]}, False),
        ({"grid": [[True, False], [True, False]]}, True),
    ],
)
def test_an_instance_is_what_the_contract_says(change: dict[str, Any], fits: bool) -> None:
    """Types, ranges, vocabularies, patterns and shapes are in the JSON Schema."""
    assert accepts(instance(contract()), {**GOOD, **change}) == fits


def test_an_application_may_send_less_and_more_than_the_wire_takes() -> None:
    """A client takes instances without defaults and with extras; TF Serving every input only."""
    less = {name: value for name, value in GOOD.items() if name not in ("miles", "rank")}
    more = {**GOOD, "extra": 1}
    loose, wire = instance(contract()), instance(contract(), wire=True)
    assert [accepts(loose, one) for one in (less, GOOD, more)] == [True, True, True]
    assert [accepts(wire, one) for one in (less, GOOD, more)] == [False, True, False]


def test_words_reach_the_application() -> None:
    """Unit, meaning, deprecation and what a left out number means are described."""
    facts = instance(contract())["properties"]
    assert facts["miles"]["description"] == "The way. Unit: mi. Left out, it is NaN: no value."
    assert facts["rank"]["deprecated"] is True
    assert "use miles" in facts["rank"]["description"]
    assert (facts["rank"]["default"], "default" in facts["miles"]) == (3, False)


@pytest.mark.parametrize("one", [TAXI, contract(), contract("other", "  b: {dtype: int64}\n")])
def test_the_openapi_document_is_valid(one: Contract) -> None:
    """A public validator accepts the document as OpenAPI 3.1, after a way through JSON."""
    document = json.loads(json.dumps(openapi(one), allow_nan=False))
    assert not [*OpenAPIV31SpecValidator(document).iter_errors()]


def test_the_paths_are_those_of_tf_serving() -> None:
    """Predict, metadata and status, each by version and by label: TF Serving's own URLs."""
    paths = openapi(contract())["paths"]
    assert {
        (path, method) for path, item in paths.items() for method in item if method != "parameters"
    } == {
        ("/v1/models/taxi:predict", "post"),
        ("/v1/models/taxi/versions/{version}:predict", "post"),
        ("/v1/models/taxi/labels/{label}:predict", "post"),
        ("/v1/models/taxi", "get"),
        ("/v1/models/taxi/versions/{version}", "get"),
        ("/v1/models/taxi/labels/{label}", "get"),
        ("/v1/models/taxi/metadata", "get"),
        ("/v1/models/taxi/versions/{version}/metadata", "get"),
        ("/v1/models/taxi/labels/{label}/metadata", "get"),
    }


def resolved(one: Contract, name: str) -> dict[str, Any]:
    """A schema of the document, able to follow its references."""
    document = openapi(one)
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


def test_requests_are_rows_or_columns() -> None:
    """A request has rows or columns, not both, and names the signature where it must."""
    rows, columns = {"instances": [GOOD]}, {"inputs": {k: [v] for k, v in GOOD.items()}}
    schema = resolved(contract(), "PredictRequest")
    named = {"signature_name": "other"}
    assert [accepts(schema, one) for one in (rows, columns, {**rows, **columns}, {})] == [
        True,
        True,
        False,
        False,
    ]
    assert not accepts(schema, {"instances": []})
    assert not accepts(schema, {**rows, **named})
    other = resolved(contract("other"), "PredictRequest")
    assert [accepts(other, one) for one in (rows, {**rows, **named})] == [False, True]


def test_answers_have_the_form_of_tf_serving() -> None:
    """A single output comes without its name, several by name, bytes in base64."""
    one = resolved(contract(), "PredictResponse")
    assert accepts(one, {"predictions": [[0.5], [0.25]]})
    assert accepts(one, {"outputs": [[0.5], [0.25]]})
    assert not accepts(one, {"predictions": [{"tip": [0.5]}]})
    two = resolved(contract(outputs="  png_bytes: {dtype: string}\n"), "PredictResponse")
    assert accepts(two, {"predictions": [{"tip": [0.5], "png_bytes": {"b64": "aGk="}}]})
    assert not accepts(two, {"predictions": [{"tip": [0.5], "png_bytes": "hi"}]})
    assert accepts(two, {"outputs": {"tip": [[0.5]], "png_bytes": [{"b64": "aGk="}]}})


def test_answers_of_tf_serving_are_described() -> None:
    """What TF Serving was observed to answer fits the document."""
    state = {"version": "123", "state": "AVAILABLE"}
    status = {"error_code": "OK", "error_message": ""}
    seen = {
        "Status": {"model_version_status": [{**state, "status": status}]},
        "Metadata": {
            "model_spec": {"name": "taxi", "version": "123", "signature_name": ""},
            "metadata": {"signature_def": {"signature_def": {}}},
        },
        "Error": {"error": "Servable not found for request: Specific(taxi, 99)"},
    }
    for name, body in seen.items():
        assert accepts(resolved(contract(), name), body), name


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_what_the_schema_forbids_is_outside_the_contract(data: st.DataObject) -> None:
    """A number is within the JSON Schema if and only if the contract's domain has it."""
    low, high = data.draw(st.integers(-9, 9)), data.draw(st.integers(-9, 9))
    low, high = min(low, high), max(low, high)
    ranged = TEXT.replace("domain: {min: 0}", f"domain: {{min: {low}, max: {high}}}")
    schema = instance(loads(ranged.replace("SIGNATURE", "s").encode(), "contract").value)
    number = data.draw(st.integers(-20, 20))
    assert accepts(schema, {**GOOD, "miles": number}) == (low <= number <= high)
