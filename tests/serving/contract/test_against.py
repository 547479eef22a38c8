"""How schemas and SavedModels keep a contract, and the first contract that they give."""

import json
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lockstep.serving.contract.checks.draft import draft
from lockstep.serving.contract.checks.saved_model import (
    Signature,
    TensorSpec,
    against_model,
    read_signatures,
)
from lockstep.serving.contract.checks.schema_pbtxt import against_schema, read_schema
from lockstep.serving.contract.domain import Domain
from lockstep.serving.contract.file import dump, loads
from lockstep.serving.contract.model import Contract
from lockstep.serving.contract.protos import ENUMS, MESSAGES, message
from lockstep.serving.contract.rules import RULES
from lockstep.serving.errors import BadContract, BadSchema, UnreadableModel

schema_pb2: Any = import_module("tensorflow_metadata.proto.v0.schema_pb2")  # it has no types
TFX = Path(str(find_spec("tfx") and find_spec("tfx").origin)).parent  # type: ignore[union-attr] # it is there

SCHEMA = """
feature { name: "miles" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } }
  float_domain { min: 0 max: 50 } skew_comparator { infinity_norm { threshold: 0.1 } } }
feature { name: "hour" type: INT presence { min_fraction: 1 } value_count { min: 1 max: 1 }
  int_domain { min: 0 max: 23 } }
feature { name: "pay" type: BYTES presence { min_fraction: 1 } domain: "pay" }
feature { name: "company" type: BYTES string_domain { value: "a" }
  distribution_constraints { min_domain_mass: 0.9 } value_count { max: 1 } }
feature { name: "history" type: FLOAT shape { dim { size: 3 } } presence { min_fraction: 1 } }
feature { name: "old" type: INT lifecycle_stage: DEPRECATED value_count { max: 1 } }
feature { name: "tips" type: FLOAT }
string_domain { name: "pay" value: "cash" value: "card" }
"""

CONTRACT = """
format: lockstep.contract/v1
model: taxi
version: 1.0.0
inputs:
  miles: {dtype: float32, domain: {min: 0, max: 50}}
  hour: {dtype: int32, domain: {values: [1, 2]}}
  pay: {dtype: string, default: "", domain: {values: ["", cash]}}
outputs:
  tip: {dtype: float32, shape: [1]}
"""


def contract(old: str = "", new: str = "") -> Contract:
    """The contract, with a piece of its text replaced."""
    assert old in CONTRACT
    return loads(CONTRACT.replace(old, new, 1).encode(), "contract").value


def schema(tmp_path: Path) -> Any:
    """The features of the schema."""
    path = tmp_path / "schema.pbtxt"
    path.write_text(SCHEMA)
    return read_schema(path)


def test_a_schema_is_read_as_tfdv_reads_it(tmp_path: Path) -> None:
    """Types, shapes, presence and domains of a schema are those that it states, in either form."""
    read = schema(tmp_path)
    assert {name: (f.dtype, f.shape, f.always) for name, f in read.items()} == {
        "miles": ("float32", (), True),
        "hour": ("int64", (), True),
        "pay": ("string", None, False),
        "company": ("string", (), False),
        "history": ("float32", (3,), True),
        "old": ("int64", (), False),
        "tips": ("float32", None, False),
    }
    assert read["company"].domain == Domain(values=("a",), open=True)
    assert read["pay"].domain == Domain(values=("cash", "card"))
    from google.protobuf import text_format

    binary = tmp_path / "schema.pb"
    parsed = text_format.Parse(SCHEMA, schema_pb2.Schema())
    binary.write_bytes(parsed.SerializeToString())
    assert read_schema(binary) == read


SCHEMA_CASES = {
    "agreed": ("", "", set()),
    "unknown feature": ("miles:", "mils:", {"schema-no-feature"}),
    "another kind": (
        "hour: {dtype: int32, domain: {values: [1, 2]}",
        "hour: {dtype: string",
        {"schema-dtype"},
    ),
    "digits lost": (
        "miles: {dtype: float32, domain: {min: 0, max: 50}",
        "miles: {dtype: int64",
        {"schema-dtype"},
    ),
    "whole miles": ("miles: {dtype: float32", "miles: {dtype: int64", set()),
    "another shape": ("dtype: int32", "dtype: int32, shape: [2]", {"schema-shape"}),
    "beyond the data": ("max: 50", "max: 500", {"schema-domain"}),
    "unknown word": ("cash]", "cash, app]", {"schema-domain"}),
    "any word": (', domain: {values: ["", cash]}', "", {"schema-domain"}),
    "never missing": (
        "dtype: float32, d",
        "dtype: float32, default: NaN, d",
        {"schema-always-present"},
    ),
    "on its way out": ("  pay:", "  old: {dtype: int64}\n  pay:", {"schema-feature-gone"}),
}


@pytest.mark.parametrize("name", SCHEMA_CASES)
def test_a_contract_is_held_against_the_training_data(name: str, tmp_path: Path) -> None:
    """Each way in which a contract promises what the data does not bear out has its rule."""
    old, new, rules = SCHEMA_CASES[name]
    found = against_schema(contract(old, new), schema(tmp_path))
    assert {f.rule for f in found} == rules | {"schema-feature-unclaimed"}


FLOATS, ONE = TensorSpec("float32", (-1,)), TensorSpec("float32", (-1, 1))
SIGNATURE = Signature(
    {"miles": FLOATS, "hour": TensorSpec("int32", (-1,)), "pay": TensorSpec("string", (-1,))},
    {"tip": ONE},
)
LEFT = "model-optional-left-to-client"


def signature(
    inputs: dict[str, TensorSpec | None] | None = None,
    outputs: dict[str, TensorSpec | None] | None = None,
    defaults: frozenset[str] = frozenset(),
) -> Signature:
    """The signature, with some inputs or outputs replaced, or taken out by None."""
    sides = [
        {name: spec for name, spec in {**old, **(new or {})}.items() if spec}
        for old, new in ((SIGNATURE.inputs, inputs), (SIGNATURE.outputs, outputs))
    ]
    return Signature(sides[0], sides[1], defaults)


MODEL_CASES = {
    "kept": (signature(), {LEFT}),
    "input missing": (signature({"miles": None}), {LEFT, "model-input-missing"}),
    "input more": (signature({"new": FLOATS}), {LEFT, "model-input-extra"}),
    "input more, filled": (
        signature({"new": FLOATS}, defaults=frozenset({"new"})),
        {LEFT, "model-input-extra-filled"},
    ),
    "another type": (
        signature({"miles": TensorSpec("float64", (-1,))}),
        {LEFT, "model-input-dtype"},
    ),
    "another shape": (signature({"miles": ONE}), {LEFT, "model-input-shape"}),
    "any rank": (signature({"miles": TensorSpec("float32", None)}), {LEFT}),
    "one at a time": (
        signature({"miles": TensorSpec("float32", (1,))}),
        {LEFT, "model-fixed-batch"},
    ),
    "output missing": (
        signature(outputs={"tip": None, "p": ONE}),
        {LEFT, "model-output-missing", "model-output-extra-to-one"},
    ),
    "output of another type": (
        signature(outputs={"tip": TensorSpec("float64", (-1, 1))}),
        {LEFT, "model-output-dtype"},
    ),
    "output of another shape": (signature(outputs={"tip": FLOATS}), {LEFT, "model-output-shape"}),
    "output of unknown size": (signature(outputs={"tip": TensorSpec("float32", (-1, -1))}), {LEFT}),
    "output more": (signature(outputs={"p": ONE}), {LEFT, "model-output-extra-to-one"}),
    "only examples": (
        Signature({"examples": TensorSpec("string", (-1,))}, {"tip": ONE}),
        {"model-only-examples"},
    ),
}


@pytest.mark.parametrize("name", MODEL_CASES)
def test_a_model_is_held_against_the_contract(name: str) -> None:
    """Each way in which a signature breaks a contract has its rule."""
    there, rules = MODEL_CASES[name]
    found = against_model(contract(), {"serving_default": there})
    assert {f.rule for f in found} == rules


def test_more_outputs_do_no_harm_beside_several() -> None:
    """A further output changes the form of the answer only beside a single one."""
    two = contract("outputs:\n", "outputs:\n  rank: {dtype: int64}\n")
    there = signature(outputs={"rank": TensorSpec("int64", (-1,)), "p": ONE})
    assert {f.rule for f in against_model(two, {"serving_default": there})} == {
        LEFT,
        "model-output-extra",
    }


def test_defaults_of_a_signature_are_enough_for_grpc() -> None:
    """Where only gRPC is offered, what the signature fills in is not left to the client."""
    grpc = contract("inputs:", "transports: [grpc]\ninputs:")
    there = signature(defaults=frozenset({"pay"}))
    assert against_model(grpc, {"serving_default": there}) == ()


def test_a_missing_signature_is_told_with_those_there() -> None:
    """A signature of another name is a finding that lists the names."""
    (found,) = against_model(contract(), {"predict": SIGNATURE, "__saved_model_init_op": SIGNATURE})
    assert found.rule == "model-no-signature"
    assert "predict" in found.what
    assert "init_op" not in found.what


def test_every_rule_of_the_checks_is_shown() -> None:
    """The cases above meet each rule about schemas and models."""
    shown = {rule for *_, rules in SCHEMA_CASES.values() for rule in rules}
    shown |= {rule for _, rules in MODEL_CASES.values() for rule in rules}
    shown |= {"schema-feature-unclaimed", "model-output-extra", "model-no-signature"}
    assert shown == {rule.id for rule in RULES.values() if rule.group in ("schema", "model")}


def test_a_saved_model_of_tfx_is_read() -> None:
    """The signatures of a SavedModel that TFX ships are read without TensorFlow."""
    model = TFX / "components/testdata/trainer/keras/Format-Serving"
    read = read_signatures(str(model))["serving_default"]
    assert read.takes_examples
    assert {spec.dtype for spec in read.outputs.values()} == {"float32"}


def test_reading_models_and_schemas_loads_nothing_heavy() -> None:
    """The checks run where TensorFlow and TFDV are not installed."""
    code = (
        "import sys; from lockstep.serving.contract.checks import saved_model, schema_pbtxt as s\n"
        "saved_model.read_signatures(sys.argv[1]); s.read_schema(sys.argv[2])\n"
        "print([m for m in ('tensorflow', 'tensorflow_metadata', 'tfx') if m in sys.modules])"
    )
    data = TFX / "components/testdata"
    files = [data / "trainer/keras/Format-Serving", data / "schema_gen/schema.pbtxt"]
    done = subprocess.run(
        [sys.executable, "-c", code, *files], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


def test_what_is_no_model_or_schema_is_told(tmp_path: Path) -> None:
    """An empty directory, a damaged file, a graph that is not for serving, and no schema."""
    with pytest.raises(UnreadableModel, match=r"has no saved_model\.pb"):
        read_signatures(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff\xff")
    with pytest.raises(UnreadableModel, match="cannot be read"):
        read_signatures(str(tmp_path))
    saved = message("SavedModel")
    saved.meta_graphs.add().meta_info_def.tags.append("train")
    (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(UnreadableModel, match="no graph with the tag 'serve'"):
        read_signatures(str(tmp_path))
    upside_down = "feature { name: 'x' int_domain { min: 5 max: 1 } }"
    for text in ("", "feature {", "feature: 1", upside_down, "\udcff"):
        path = tmp_path / "schema.pbtxt"
        path.write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(BadSchema):
            read_schema(path)
    with pytest.raises(BadSchema, match="cannot be read"):
        read_schema(tmp_path / "none.pbtxt")


def test_the_schema_messages_are_those_of_tensorflow_metadata() -> None:
    """Every field that is read of a schema has the number and the type of the real one."""
    real = schema_pb2.DESCRIPTOR.message_types_by_name
    assert {"Schema", "Feature", "IntDomain", "FeaturePresence"} < set(MESSAGES) & set(real)
    for name in set(MESSAGES) & set(real):
        theirs = real[name].fields_by_name
        for field in message(name).DESCRIPTOR.fields:
            same = theirs[field.name]
            assert (field.number, field.type) == (same.number, same.type), (name, field.name)
    for name, values in ENUMS.items():
        there = schema_pb2.DESCRIPTOR.enum_types_by_name[name].values_by_name
        assert {value: there[value].number for value in there} == values


@pytest.mark.slow
def test_the_model_messages_are_those_of_tensorflow() -> None:
    """Every field that is read of a SavedModel has the number of the real one."""
    code = (
        "import json\n"
        "from tensorflow.core.protobuf import meta_graph_pb2 as g, saved_model_pb2 as s\n"
        "from tensorflow.core.framework import tensor_shape_pb2 as t, types_pb2 as d\n"
        "kinds = [s.SavedModel, g.MetaGraphDef, g.SignatureDef, g.TensorInfo, t.TensorShapeProto]\n"
        "kinds = [kind.DESCRIPTOR for kind in kinds]\n"
        "facts = {k.name: {f.name: f.number for f in k.fields} for k in kinds}\n"
        "facts['DataType'] = dict(d.DataType.items())\n"
        "print(json.dumps(facts))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    facts = json.loads(done.stdout.splitlines()[-1])
    types = facts.pop("DataType")
    for name, numbers in facts.items():
        for field, (number, _) in MESSAGES[name].items():
            assert numbers[field] == number, (name, field)
    from lockstep.serving.contract.checks.saved_model import DTYPES

    spelled = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16"}
    named = {number: spelled.get(n, n.removeprefix("DT_").lower()) for n, number in types.items()}
    assert {number: named[number] for number in DTYPES} == DTYPES


def test_a_first_contract_needs_no_repair(tmp_path: Path) -> None:
    """What is drafted from a model and a schema is a contract that both of them keep."""
    features = schema(tmp_path)
    drafted = draft("taxi", {"serving_default": SIGNATURE}, features, without=("tips",))
    assert loads(dump(drafted).encode(), "drafted").value == drafted
    assert drafted.inputs["pay"].default == ""
    assert drafted.inputs["hour"].domain == features["hour"].domain
    found = (
        *against_schema(drafted, features),
        *against_model(drafted, {"serving_default": SIGNATURE}),
    )
    assert {f.rule for f in found} == {"schema-feature-unclaimed", LEFT}


def test_a_first_contract_from_a_schema_alone(tmp_path: Path) -> None:
    """Without a model each feature but the excluded ones is an input, and one output stands in."""
    features = schema(tmp_path)
    drafted = draft("taxi", None, features, without=("tips",))
    assert set(drafted.inputs) == set(features) - {"tips"}
    assert list(drafted.outputs) == ["prediction"]


def test_what_gives_no_contract_is_told(tmp_path: Path) -> None:
    """Serialized examples, a missing signature, an unknown feature and an odd type are refused."""
    examples = Signature({"examples": TensorSpec("string", (-1,))}, {"tip": ONE})
    with pytest.raises(BadContract, match=r"serialized tf\.Examples"):
        draft("taxi", {"serving_default": examples}, None)
    with pytest.raises(BadContract, match="no signature 'serving_default'"):
        draft("taxi", {"serve": examples}, None)
    with pytest.raises(BadContract, match="no feature 'tisp'"):
        draft("taxi", None, schema(tmp_path), without=("tisp",))
    with pytest.raises(BadContract, match=r"(?s)model.*allowed: letters, digits"):
        draft("a/b", {"serving_default": SIGNATURE}, None)
    with pytest.raises(BadContract, match=r"inputs\.miles:"):
        draft("taxi", {"serving_default": signature({"miles:0": FLOATS})}, None)
    with pytest.raises(BadContract, match="miles is a float16"):
        draft("taxi", {"serving_default": signature({"miles": TensorSpec("float16", (-1,))})}, None)
    with pytest.raises(BadContract, match="miles has any rank"):
        draft("taxi", {"serving_default": signature({"miles": TensorSpec("float32", None)})}, None)
