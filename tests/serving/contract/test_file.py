"""What a contract's file may say, and how clearly it is refused when it says something else."""

import json
from contextlib import suppress
from pathlib import Path
from time import process_time

import pytest
import yaml
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator

from lockstep.serving.contract.file import MOST_BYTES, dump, format_schema, load, loads, read
from lockstep.serving.contract.findings.waivers import Waivers
from lockstep.serving.errors import BadContract, Exit

TAXI = Path(__file__).parents[3] / "pipelines/taxi/contract.yaml"

GOOD = """\
format: lockstep.contract/v1
model: taxi
version: 1.0.0
inputs:
  miles: {dtype: float32, default: .nan, domain: {min: 0}}
  pay: {dtype: string, domain: {values: [no, cash], open: true}}
  days: {dtype: int8, shape: [2], default: [1, 2]}
outputs:
  tip: {dtype: float32, domain: {min: 0, max: 1}}
"""

MISTAKES = {
    "empty": ("", "", "contract:1: it is empty"),
    "no mapping": (GOOD, "- 1\n", "contract:1: the file: [1]"),
    "malformed": ("model: taxi", "model: [taxi", "contract:3:"),
    "tabs": ("  miles", "\tmiles", "contract:5:"),
    "not UTF-8": ("taxi", "t\udcffxi", "contract:2: it is not UTF-8"),
    "two documents": ("version", "---\nversion", "contract:3:"),
    "anchor": ("model: taxi", "model: &name taxi", "contract:2: anchors and aliases"),
    "alias": ("model: taxi", "model: *name", "contract:2: anchors and aliases"),
    "tag": ("model: taxi", "model: !!python/name:os.system taxi", "contract:2: the tag"),
    "twice": ("model: taxi", "model: taxi\nmodel: cab", "contract:3: 'model' stands there twice"),
    "deep": ("model: taxi", f"model: {'[' * 200_000}", "contract:2: more than 30 levels"),
    "key that is a list": ("model: taxi", "? [a]\n: taxi", "contract:2: a key that is no word"),
    "endless number": ("{min: 0}", f"{{min: {'9' * 5000}}}", "thousands of digits"),
    "another format": ("contract/v1", "contract/v2", 'contract:1: format: "lockstep.contract/v2"'),
    "no format": ("format: lockstep.contract/v1\n", "", "format: it is missing"),
    "unknown field": ("version:", "verison:", "contract:3: verison: no field 'verison'"),
    "unknown field within": ("{min: 0}", "{mni: 0}", "did you mean min?"),
    "short version": ("1.0.0", "1.0", "contract:3: version: 1.0"),
    "version with a v": ("1.0.0", "v1.0.0", "allowed: MAJOR.MINOR.PATCH"),
    "name with a slash": ("model: taxi", "model: a/b", "contract:2: model: 'a/b'"),
    "unknown dtype": ("dtype: int8", "dtype: itn8", "contract:7: inputs.days.dtype"),
    "dtype that REST cannot carry": ("dtype: int8", "dtype: complex64", "allowed: bool, float32"),
    "name in use": ("pay:", "b64:", "contract:6: inputs.b64: 'b64' is how TF Serving"),
    "name with a dot": ("pay:", "pay.by:", "contract:6: inputs.pay.by"),
    "no inputs": ("inputs:", "inputs: {}\nx:", "contract:4: inputs: {}"),
    "range upside down": ("{min: 0, max: 1}", "{min: 2, max: 1}", "min 2 is above max 1"),
    "range and vocabulary": ("{min: 0, max: 1}", "{min: 2, values: [1]}", "more than one of them"),
    "empty domain": ("{min: 0, max: 1}", "{}", "outputs.tip.domain: it says nothing"),
    "open range": ("{min: 0, max: 1}", "{min: 0, open: true}", "only a vocabulary can be open"),
    "value twice": ("[no, cash]", "[no, no]", "'no' stands there twice"),
    "range of strings": ("values: [no, cash], open: true", "min: 1", "a range, but the dtype is"),
    "pattern of numbers": ("{min: 0, max: 1}", "{pattern: a}", "a pattern, but the dtype is"),
    "broken pattern": ("values: [no, cash], open: true", "pattern: '('", "no regular expression"),
    "word in quotes missing": ("[no, cash]", "[true, cash]", "True is no string; put it in quotes"),
    "number that does not fit": ("default: [1, 2]", "default: [1, 200]", "200 is no int8"),
    "default outside": ("default: .nan", "default: -1", "-1 is below min 0"),
    "default of another shape": ("[1, 2]}", "[1, 2, 3]}", "a list of 3, but the shape is [2]"),
    "default of another kind": ("default: .nan", "default: {a: 1}", "or a valid string"),
    "infinite bound": ("{min: 0, max: 1}", "{min: -.inf}", "a finite number"),
    "latency at no load": (
        "version",
        "service: {p99_ms: 5}\nversion",
        "a latency at no stated load",
    ),
    "median above p99": (
        "version",
        "service: {p50_ms: 9, p99_ms: 5, concurrency: 1}\nversion",
        "contract:3: service.p50_ms: the median 9.0 is above p99",
    ),
    "consumer of nothing": (
        "version",
        "consumers: [{application: app, inputs: [mils]}]\nversion",
        "contract:3: consumers.0.inputs: uses 'mils'\n    allowed: did you mean miles?",
    ),
    "no date": ("default: .nan", "deprecated: {sunset: soon}", "inputs.miles.deprecated.sunset"),
    "number for a text": ("model: taxi", "model: taxi\ndescription: 1", 'put it in quotes: "1"'),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_line_and_field(name: str) -> None:
    """Each mistake is refused, told where it is, and answered with what is allowed."""
    good, bad, told = MISTAKES[name]
    text = GOOD.replace(good, bad, 1) if good else ""
    assert text != GOOD
    with pytest.raises(BadContract) as refused:
        loads(text.encode(errors="surrogateescape"), "contract")
    assert told in str(refused.value)
    assert refused.value.exit_code == Exit.DEFINITION


def test_every_mistake_is_told_at_once() -> None:
    """Several mistakes are told together, in the order of their lines."""
    text = GOOD.replace("taxi", "a/b").replace("int8", "int9").replace("1.0.0", "1")
    with pytest.raises(BadContract, match=r"(?s)^3 mistakes.*:2: .*:3: .*:7: "):
        loads(text.encode(), "contract")


def test_a_contract_of_10_mb_is_refused_at_once(tmp_path: Path) -> None:
    """A file that is too large is refused by its size alone."""
    path = tmp_path / "contract.yaml"
    path.write_text(GOOD + "# padding\n" * 1_000_000)
    start = process_time()
    with pytest.raises(BadContract, match=r"has 10,000,.* bytes"):
        load(path)
    assert process_time() - start < 1


def test_the_largest_contract_is_read_in_seconds() -> None:
    """As many inputs as the limit allows are read."""
    line = "  input_{}: {{dtype: float32, unit: '1', meaning: {}}}\n"
    many = "".join(line.format(number, "what it is " * 30) for number in range(2_500))
    text = GOOD.replace("outputs:", f"{many}outputs:")
    assert MOST_BYTES * 0.8 < len(text) < MOST_BYTES
    assert len(loads(text.encode(), "contract").value.inputs) == 2_503


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """A missing file and a directory are mistakes of the user."""
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(BadContract, match="cannot be read"):
            load(path)


def test_words_stay_words() -> None:
    """`no` is a word, a missing number is TF Serving's NaN, and both survive being written."""
    contract = loads(GOOD.encode(), "contract").value
    assert contract.inputs["pay"].domain is not None
    assert contract.inputs["pay"].domain.values == ("no", "cash")
    assert contract.inputs["miles"].default == "NaN"
    assert loads(dump(contract).encode(), "again").value == contract
    assert yaml.safe_load(dump(contract))["inputs"]["pay"]["domain"]["values"] == ["no", "cash"]


def test_the_line_of_a_place_is_known() -> None:
    """A finding's place leads to its line, or to that of what is around it."""
    document = loads(GOOD.encode(), "contract")
    assert [document.line(p) for p in ("inputs.pay.unit", "outputs.tip", "service", "")] == [
        6,
        9,
        1,
        1,
    ]


def test_the_published_schema_accepts_what_is_accepted() -> None:
    """The JSON Schema of the format takes the taxi contract, and refuses an unknown field."""
    schema = format_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    taxi = json.loads(json.dumps(yaml.safe_load(TAXI.read_text()), default=str))
    assert not list(validator.iter_errors(taxi))
    assert list(validator.iter_errors({**taxi, "verison": 1}))


def test_waivers_are_read_as_strictly(tmp_path: Path) -> None:
    """A waiver of an unknown rule, or without a reason worth the name, is refused."""
    path = tmp_path / "waivers.yaml"
    waiver = {"rule": "unit-chnaged", "where": "x", "reason": "because", "expires": "2027-01-01"}
    path.write_text(yaml.safe_dump({"format": "lockstep.waivers/v1", "waivers": [waiver]}))
    with pytest.raises(BadContract) as refused:
        read(path, Waivers)
    assert "did you mean unit-changed?" in str(refused.value)
    assert "waivers.0.reason" in str(refused.value)


def nested() -> st.SearchStrategy[object]:
    """Anything that YAML can hold."""
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    keys = st.sampled_from(["format", "model", "inputs", "x", "dtype", "domain", "min"]) | st.text()
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner))


@settings(deadline=None)
@given(st.binary() | nested().map(lambda tree: yaml.safe_dump(tree).encode()))
def test_whatever_is_given_is_refused_politely(data: bytes) -> None:
    """No bytes end in anything but the one error."""
    with pytest.raises(BadContract):
        loads(data, "contract")


@settings(deadline=None)
@given(st.data())
def test_a_damaged_contract_is_read_or_refused(data: st.DataObject) -> None:
    """With some characters lost or replaced it can be written again, or is refused politely."""
    text = list(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place] = data.draw(st.text(max_size=3))
    with suppress(BadContract):
        contract = loads("".join(text).encode(errors="replace"), "contract").value
        assert loads(dump(contract).encode(), "again").value == contract
