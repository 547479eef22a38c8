"""GitHub's workflows are Cloud Build's steps, and do what those do."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from lockstep.pipelines.ci.build import Build, Step, load, substitute, waits
from lockstep.pipelines.ci.workflow import command, dump, workflow

ROOT = Path(__file__).parents[3]
PAIRS = {"main": "cloudbuild.yaml", "pull-request": "cloudbuild-pull-request.yaml"}


def of(name: str) -> tuple[Build, dict[str, Any]]:
    """A Cloud Build file, and the job that is made from it."""
    build = load(ROOT / PAIRS[name])
    return build, workflow(build, name)["jobs"][name]


@pytest.mark.parametrize("name", PAIRS)
def test_the_workflows_are_up_to_date(name: str) -> None:
    """`make golden` would change nothing."""
    made = dump(workflow(load(ROOT / PAIRS[name]), name), PAIRS[name])
    assert (ROOT / f".github/workflows/{name}.yml").read_text() == made


def test_the_page_draws_the_files_as_they_are() -> None:
    """`make golden` would change nothing: each step stands there, and each arrow is a wait."""
    text = (ROOT / "docs/ci.md").read_text()
    assert runpy.run_path(str(ROOT / "scripts/ci_page.py"))["page"](text) == text
    for name in PAIRS:
        build = load(ROOT / PAIRS[name])
        drawn = text.partition(f"<!-- {name}: ")[2].partition(f"<!-- {name}: end")[0]
        assert drawn.count(" --> ") == sum(map(len, waits(build)))
        assert all(f"\n| {step.id} | " in drawn for step in build.steps)


def test_the_workflows_keep_their_schema() -> None:
    """GitHub's own schema takes them."""
    checker = str(Path(sys.executable).with_name("check-jsonschema"))
    files = [f".github/workflows/{name}.yml" for name in PAIRS]
    words = [checker, "--builtin-schema", "vendor.github-workflows", *files]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", PAIRS)
def test_every_step_is_there_and_waits_for_the_same(name: str) -> None:
    """The same steps in the same order; each runs when what it waits for has succeeded."""
    build, job = of(name)
    steps = {
        step["id"]: step for step in job["steps"] if step.get("id") != "google" and "id" in step
    }
    assert [*steps] == [step.id for step in build.steps]
    for step, earlier in zip(build.steps, waits(build), strict=True):
        condition = steps[step.id].get("if", "")
        assert condition.count("conclusion == 'success'") == len(earlier)
        assert all(f"steps.{build.steps[n].id}.conclusion" in condition for n in earlier)
        assert steps[step.id].get("continue-on-error", False) == step.allow_failure


@pytest.mark.parametrize("name", PAIRS)
def test_nothing_is_pinned_to_what_may_change(name: str) -> None:
    """Actions are named by commit, runners and images by version; nothing says latest."""
    build, job = of(name)
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(len(one.partition("@")[2]) == 40 for one in uses)
    texts = [job["runs-on"], *(ROOT / PAIRS[name]).read_text().split()]
    assert not [text for text in texts if "latest" in text]
    images = [
        text for key, text in build.substitutions.items() if key.endswith(("IMAGE", "BUILDER"))
    ]
    assert all(":" in text for text in images if text and not text.endswith("/runtime"))


def test_a_pull_request_gets_no_secret() -> None:
    """Whoever proposes a change can read nothing and write nowhere."""
    made = workflow(load(ROOT / PAIRS["pull-request"]), "pull-request")
    assert made["permissions"] == {"contents": "read"}
    assert "secrets." not in json.dumps(made)


WORDS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))


@settings(max_examples=50, deadline=None)
@given(WORDS, st.text("ab '\"$`\\\n", max_size=5))
def test_the_shell_gets_the_words_of_the_step(words: list[str], value: str) -> None:
    """Whatever an argument or a substitution holds, the command gets it as Cloud Build gives it."""
    escaped = [word.replace("$", "$$") for word in words]
    last = ("--a=${_KEY}b", "$$HOME $_KEY", "$_KEY")
    step = Step(name="x", entrypoint="printf", args=("%s\\0", *escaped, *last))
    environment = {**os.environ, "_KEY": value}
    shell = ["bash", "-e", "-c", command(step)]
    done = subprocess.run(shell, env=environment, check=True, capture_output=True)
    wanted = [substitute(word, {"_KEY": value}) for word in step.args[1:]]
    assert done.stdout.decode().split("\0")[:-1] == wanted


def test_exit_codes_that_are_allowed_do_not_fail() -> None:
    """Not blessed (5) goes on; any other failure does not."""
    for code, seen in ((0, 0), (5, 0), (4, 1)):
        step = Step(name="x", entrypoint="sh", args=("-c", f"exit {code}"), allow_exit_codes=(5,))
        assert subprocess.run(["bash", "-e", "-c", command(step)]).returncode == seen


def test_variables_have_the_defaults_of_the_file(tmp_path: Path) -> None:
    """A repository need only set the variables whose defaults do not suit it."""
    path = tmp_path / "cloudbuild.yaml"
    steps = [{"id": "a", "name": "$_B", "args": ["$_X", "$_Y", "$COMMIT_SHA"], "env": ["Z=$_X"]}]
    values = {"_X": "it's", "_Y": "gs://$PROJECT_ID-{x}", "_B": "b:1"}
    options = {"dynamicSubstitutions": True}
    path.write_text(json.dumps({"steps": steps, "substitutions": values, "options": options}))
    job = workflow(load(path), "main")["jobs"]["main"]
    assert job["env"] == {
        "COMMIT_SHA": "${{ github.sha }}",
        "_X": "${{ vars.X || 'it''s' }}",
        "_Y": "${{ vars.Y || format('gs://{0}-{{x}}', vars.PROJECT_ID) }}",
    }
    assert job["steps"][-1]["env"] == {"Z": "${{ vars.X || 'it''s' }}"}
    assert yaml.safe_load(dump(job, "x")) == job
