"""A compiled pipeline's text and its digest."""

import copy
import json
import random
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from lockstep.pipelines import ir
from lockstep.pipelines.errors import DefinitionError
from lockstep.pipelines.tasks import parts
from lockstep.serving.errors import Exit

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)
"""Any JSON value."""


def spec_with(value: Any) -> ir.Json:
    """Build a small pipeline spec with `value` somewhere in it."""
    return {
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.13.0",
        "pipelineInfo": {"name": "p"},
        "components": {},
        "deploymentSpec": {"executors": {}},
        "root": {
            "dag": {"tasks": {"t": {"inputs": {"parameters": {"v": {"constant": value}}}}}},
            "inputDefinitions": {"parameters": {"n": {"defaultValue": value}}},
        },
    }


def shuffled(value: Any, order: random.Random) -> Any:
    """Rebuild a JSON value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        pairs = list(cast(ir.Json, value).items())
        order.shuffle(pairs)
        return {key: shuffled(inner, order) for key, inner in pairs}
    return [shuffled(inner, order) for inner in parts(value)] if isinstance(value, list) else value


@given(VALUES, st.none() | VALUES)
def test_what_is_written_is_read_back(value: Any, platform: Any) -> None:
    """Reading the text of a pipeline gives the same documents and the same digest."""
    compiled = ir.CompiledPipeline(
        spec_with(value), {} if platform is None else {"platforms": {"kubernetes": platform}}
    )
    again = ir.parse(ir.dump(compiled))
    assert again == compiled
    assert again.digest == compiled.digest
    assert ir.dump(again) == ir.dump(compiled)


@given(VALUES, st.randoms(use_true_random=False), TEXT)
def test_the_digest_is_blind_to_order_comments_and_sdk(
    value: Any, order: random.Random, sdk: str
) -> None:
    """Two files that mean the same have the same digest."""
    compiled = ir.CompiledPipeline(spec_with(value), {"platforms": {"kubernetes": value}})
    other = ir.CompiledPipeline(
        {**shuffled(compiled.spec, order), "sdkVersion": sdk}, shuffled(compiled.platform, order)
    )
    commented = "# a comment\n" + ir.dump(other) + "# another\n"
    assert ir.parse(commented).digest == compiled.digest


@given(VALUES, VALUES)
def test_the_digest_sees_everything_else(one: Any, other: Any) -> None:
    """Two files that mean different things have different digests."""
    first, second = ir.CompiledPipeline(spec_with(one)), ir.CompiledPipeline(spec_with(other))
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (first.digest == second.digest) == same
    assert ir.CompiledPipeline(first.spec, {"platforms": {"k": one}}).digest != first.digest


def test_the_header_says_how_to_run_it() -> None:
    """A reader of the file sees name, digest, inputs and how to run it, before anything else."""
    compiled = ir.CompiledPipeline(spec_with("two\nlines"))
    header = [line for line in ir.dump(compiled).splitlines() if line.startswith("#")]
    assert header[0] == '# Pipeline "p", compiled by lockstep.'
    assert header[1] == f"# Digest: sha256:{compiled.digest}"
    assert '#    n: ?, default "two\\nlines"' in header
    assert any("lockstep run" in line for line in header)


def test_what_looks_like_a_date_is_a_string() -> None:
    """A hand-written default like 2020-01-01 stays what JSON can hold."""
    text = ir.dump(ir.CompiledPipeline(spec_with("2020-01-01"))).replace("'", "")
    assert ir.parse(text).inputs["n"]["defaultValue"] == "2020-01-01"


GOOD = ir.dump(ir.CompiledPipeline(spec_with(1)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "0 pipeline specs"),
        ("a: [1, 2", ":2 is not the YAML"),
        ("a: 1\nb: c: d\n", ":2 is not the YAML"),
        ("a: 1\na: 2\n", ":2 is not the YAML of a pipeline: key 'a'"),
        ("a: 1\n\non: 2\n", ":3 is not the YAML of a pipeline: key 'on'"),
        ("- 1\n", "a document that is no mapping"),
        ("a: !!python/object:x {}\n", ":1 is not the YAML"),
        ("a: \x00\n", "is not the YAML"),
        ("a: &x [*x]\n", "is not the YAML"),
        ("a: !!set {x}\n", ":1 is not the YAML"),
        ("a: !!binary aGk=\n", ":1 is not the YAML"),
        ("a: .nan\n", "is not the YAML"),
        ("pipelineSpec: {schemaVersion: 2.0.0}\n", "has schemaVersion missing"),
        (GOOD.replace("2.1.0", "2.0.0"), "has schemaVersion 2.0.0"),
        (GOOD.replace("pipelineInfo", "info"), "no mapping `pipelineInfo`"),
        (GOOD.replace("    tasks", "    jobs").replace("  dag", "  implementation"), "`root.dag`"),
        (GOOD.replace("name: p", "name: [p]"), "name that is no string"),
        (f"{GOOD}---\n{GOOD}", "2 pipeline specs"),
        (f"{GOOD}---\nplatforms: {{}}\n---\nplatforms: {{}}\n", "2 platform documents"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(text: str, says: str, tmp_path: Path) -> None:
    """Whatever is wrong with a file, the error names the file and, where there is one, the line."""
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(DefinitionError) as caught:
        ir.load(path)
    assert str(path) in caught.value.given
    assert says in caught.value.given
    assert caught.value.exit_code == Exit.DEFINITION


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file and one that is no text are definition errors, too."""
    with pytest.raises(DefinitionError, match=r"nowhere\.yaml"):
        ir.load(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DefinitionError, match=r"binary\.yaml"):
        ir.load(tmp_path / "binary.yaml")


def test_reading_does_not_share_what_it_read() -> None:
    """Two readings of one text are equal and independent."""
    first, second = ir.parse(GOOD), ir.parse(GOOD)
    changed = copy.deepcopy(first.spec)
    first.spec["root"]["dag"]["tasks"].clear()
    assert second.spec == changed
