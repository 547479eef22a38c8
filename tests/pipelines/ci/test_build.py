"""A Cloud Build file is read as Cloud Build reads it, and a mistake in it is told."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lockstep.pipelines.ci.build import (
    BUILT_IN,
    BadBuild,
    Build,
    Step,
    load,
    substitute,
    substituted,
    values,
    waits,
)
from lockstep.pipelines.errors import BadSubstitution
from lockstep.serving.errors import Exit

FILE = """
steps:
  - {id: lint, name: python, args: [ruff, check], waitFor: ["-"], timeout: 60s}
  - {id: test, name: python, env: [COMMIT=$SHORT_SHA], waitFor: ["-"]}
  - {id: build, name: docker, args: [build, --tag, "${_IMAGE}:$COMMIT_SHA", "$$HOME"]}
  - {name: shell, script: "echo $_IMAGE", waitFor: [lint]}
substitutions: {_IMAGE: runtime}
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A file of four steps."""
    path = tmp_path / "cloudbuild.yaml"
    path.write_text(FILE)
    return path


def test_what_waits_for_what(written: Path) -> None:
    """A step waits for those it names, for none with `-`, and for all before it otherwise."""
    build = load(written)
    assert waits(build) == (frozenset(), frozenset(), frozenset({0, 1}), frozenset({0}))
    assert [build.label(number) for number in range(4)] == ["lint", "test", "build", "#3"]
    assert build.steps[0].timeout == 60.0


def test_substitutions_are_made_everywhere_but_in_scripts(written: Path) -> None:
    """Arguments and environments get their values, `$$` a dollar, and a script stays as it is."""
    build = substituted(load(written), {"COMMIT_SHA": "0123456789"})
    assert build.steps[1].env == ("COMMIT=0123456",)
    assert build.steps[2].args == ("build", "--tag", "runtime:0123456789", "$HOME")
    assert build.steps[3].script == "echo $_IMAGE"


def test_substitutions_reach_scripts_through_the_environment() -> None:
    """With automapSubstitutions a step's environment holds every value."""
    step = Step(name="shell", script="echo $_A", automap_substitutions=True)
    build = substituted(Build(steps=(step,), substitutions={"_A": "1"}), {"_A": "2"})
    assert "_A=2" in build.steps[0].env


def test_substitutions_in_substitutions(tmp_path: Path) -> None:
    """With dynamicSubstitutions a default may name another, and is made after it."""
    path = tmp_path / "cloudbuild.yaml"
    path.write_text(
        "steps: [{name: a, args: [$_B]}]\nsubstitutions: {_B: $_A-2, _A: '1'}\n"
        "options: {dynamicSubstitutions: true}\n"
    )
    assert substituted(load(path), {}).steps[0].args == ("1-2",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps: []", "steps"),
        ("steps: [{name: a, waitfor: [b]}]", "waitFor"),
        ("steps: [{name: a, args: [1]}]", "args"),
        ("steps: [{name: a, timeout: 5m}]", "seconds with an s"),
        ("steps: [{name: a, waitFor: [b]}]", "waits for 'b'"),
        ("steps: [{name: a, id: x}, {name: b, id: x}]", "two steps have the id 'x'"),
        ("steps: [{name: a}]\nsubstitutions: {IMAGE: b}", "an underscore"),
        ("steps: [{name: a", "cannot be read"),
    ],
)
def test_a_mistake_in_the_file(tmp_path: Path, text: str, told: str) -> None:
    """What Cloud Build would refuse is refused at once and by name."""
    path = tmp_path / "cloudbuild.yaml"
    path.write_text(text)
    with pytest.raises(BadBuild) as caught:
        load(path)
    assert told in str(caught.value)
    assert caught.value.exit_code == Exit.DEFINITION


@pytest.mark.parametrize(
    ("args", "defaults", "told"),
    [
        ("$_A", {}, "has no value"),
        ("a", {"_A": "1"}, "nothing uses it"),
        ("${_A:-b}", {"_A": "1"}, "bash expansion"),
    ],
)
def test_a_mistake_in_the_values(args: str, defaults: dict[str, str], told: str) -> None:
    """A value that is missing or unused stops the build before its first step."""
    build = Build(steps=(Step(name="a", args=(args,)),), substitutions=defaults)
    with pytest.raises(BadBuild, match=told):
        substituted(build, {})


def test_a_value_for_nothing() -> None:
    """A value that the file does not ask for is the caller's mistake, not the file's."""
    build = Build(steps=(Step(name="a"),))
    with pytest.raises(BadSubstitution, match="does not declare") as caught:
        substituted(build, {"_B": "1"})
    assert caught.value.exit_code == Exit.USAGE


def test_a_circle_of_substitutions() -> None:
    """Substitutions that need each other are refused rather than followed for ever."""
    build = Build.model_validate(
        {
            "steps": [{"name": "a", "args": ["$_A"]}],
            "substitutions": {"_A": "$_B", "_B": "$_A"},
            "options": {"dynamicSubstitutions": True},
        }
    )
    with pytest.raises(BadBuild, match="need each other"):
        values(build, {})


@given(st.data())
def test_steps_run_after_what_they_wait_for(data: st.DataObject) -> None:
    """Whatever is named, a step waits for exactly that, and only for steps before it."""
    count = data.draw(st.integers(1, 8))
    named = [data.draw(st.sets(st.integers(0, n - 1))) if n else set() for n in range(count)]
    steps = tuple(
        Step(name="a", id=f"s{n}", wait_for=tuple(f"s{m}" for m in sorted(before)) or ("-",))
        for n, before in enumerate(named)
    )
    assert waits(Build(steps=steps)) == tuple(map(frozenset, named))


@given(st.text(), st.sampled_from([key for key in BUILT_IN if key != "_A"]))
def test_text_survives_substitution(text: str, built_in: str) -> None:
    """Escaped text comes out as it was, values are not looked into, unknown built-ins are empty."""
    escaped = text.replace("$", "$$")
    assert substitute(escaped, {}) == text
    assert substitute(f"${{_A}}{escaped}", {"_A": "$_B"}) == f"$_B{text}"
    assert substitute(f"${{{built_in}}}", {}) == ""
