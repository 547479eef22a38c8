"""A Cloud Build file as a workflow of GitHub Actions: the same steps, the same commands.

Both run a step when what it waits for has succeeded. GitHub does so one after the other, since the
steps of a job share a workspace and jobs do not.
"""

import math
import re
import shlex
from collections.abc import Mapping
from typing import Any, Final

import yaml

from .build import BUILT_IN, Build, Step, keys, substitute, waits

CHECKOUT: Final = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683"  # v4.2.2
PYTHON: Final = "actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065"  # v5.6.0
GOOGLE: Final = "google-github-actions/auth@ba79af03959ebeac9769e648f473a284504d9193"  # v2.1.10
UPLOAD: Final = "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02"  # v4.6.2
RUNNER: Final = "ubuntu-24.04"

ON: Final[Mapping[str, Mapping[str, Any]]] = {
    "main": {"push": {"branches": ["main"]}},
    "pull-request": {"pull_request": {"branches": ["main"]}},
}
"""What starts the workflow of each name."""

_CONTEXT: Final[Mapping[str, str]] = {
    "COMMIT_SHA": "github.sha",
    "REVISION_ID": "github.sha",
    "BUILD_ID": "github.run_id",
    "BRANCH_NAME": "github.ref_name",
    "REPO_NAME": "github.event.repository.name",
    "_BASE_BRANCH": "github.base_ref",
    "_HEAD_BRANCH": "github.head_ref",
    "_PR_NUMBER": "github.event.number",
}
"""Where GitHub has what Cloud Build sets; all else is a variable of the repository."""


def workflow(build: Build, name: str) -> dict[str, Any]:
    """The whole workflow, as what YAML holds."""
    cloud = bool(build.service_account) and name == "main"
    job: dict[str, Any] = {
        "runs-on": RUNNER,
        "timeout-minutes": _minutes(build.timeout),
        "env": _environment(build),
        "steps": [*_before(cloud), *_steps(build), *_after(build)],
    }
    return {
        "name": name,
        "on": ON[name],
        "permissions": {"contents": "read"} | ({"id-token": "write"} if cloud else {}),
        "concurrency": {
            "group": f"{name}-${{{{ github.ref }}}}",
            "cancel-in-progress": name != "main",
        },
        "jobs": {name: job},
    }


def expression(build: Build, key: str) -> str:
    """What GitHub knows a substitution by: a variable of the repository, or else its default.

    >>> expression(Build(steps=(Step(name="a"),), substitutions={"_A": "b"}), "_A")
    "vars.A || 'b'"
    """
    if key not in build.substitutions:
        return _CONTEXT.get(key, f"vars.{key.removeprefix('_')}")
    default = _formatted(build, build.substitutions[key])
    return f"vars.{key.removeprefix('_')} || {default}"


def command(step: Step) -> str:
    """A step as a line of shell, where each substitution is a variable in quotes.

    >>> command(Step(name="a", entrypoint="make", args=("test", "X=$_X y")))
    'make test "X=${_X} y"'
    """
    words = (step.entrypoint, *step.args) if step.entrypoint else step.args
    line = step.script or " ".join(_word(word) for word in words)
    allowed = " || ".join(f"[ $? -eq {code} ]" for code in step.allow_exit_codes)
    return f"{line} || {allowed}" if allowed else line


def _before(cloud: bool) -> list[dict[str, Any]]:
    """Check out with history; a Python; credentials without a key that could be stolen."""
    steps: list[dict[str, Any]] = [
        {"uses": CHECKOUT, "with": {"fetch-depth": 0, "persist-credentials": False}},
        {"uses": PYTHON, "with": {"python-version-file": ".python-version"}},
        {"name": "PATH", "run": 'echo "$PWD/.venv/bin" >> "$GITHUB_PATH"'},
    ]
    if cloud:
        identity = {
            "workload_identity_provider": "${{ vars.WORKLOAD_IDENTITY_PROVIDER }}",
            "service_account": "${{ vars.SERVICE_ACCOUNT }}",
            "token_format": "access_token",
        }
        token = "${{ steps.google.outputs.access_token }}"
        login = 'docker login -u oauth2accesstoken --password-stdin "https://${IMAGE%%/*}"'
        steps += [
            {"id": "google", "uses": GOOGLE, "with": identity},
            {
                "name": "docker login",
                "env": {"TOKEN": token, "IMAGE": "${{ env._IMAGE }}"},
                "run": f'echo "$TOKEN" | {login}',
            },
        ]
    return steps


def _steps(build: Build) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for step, earlier in zip(build.steps, waits(build), strict=True):
        made: dict[str, Any] = {"id": _id(step.id), "name": step.id}
        conditions = [
            f"steps.{_id(build.steps[number].id)}.conclusion == 'success'"
            for number in sorted(earlier)
        ]
        if conditions:
            made["if"] = " && ".join(["!cancelled()", *conditions])
        if step.timeout:
            made["timeout-minutes"] = _minutes(step.timeout)
        if step.allow_failure:
            made["continue-on-error"] = True
        secrets = {name: f"${{{{ secrets.{name} }}}}" for name in step.secret_env}
        if environment := _variables(build, step.env) | secrets:
            made["env"] = environment
        if step.dir:
            made["working-directory"] = step.dir
        found.append(made | {"run": command(step)})
    return found


def _after(build: Build) -> list[dict[str, Any]]:
    paths: list[str] = build.artifacts.get("objects", {}).get("paths", [])
    if not paths:
        return []
    kept = {"name": "build", "path": "\n".join(paths), "include-hidden-files": True}
    return [{"name": "artifacts", "if": "always()", "uses": UPLOAD, "with": kept}]


def _environment(build: Build) -> dict[str, str]:
    """Every substitution that a step uses, and what all steps have."""
    commands = tuple(step.model_copy(update={"name": "-", "env": ()}) for step in build.steps)
    used = sorted(keys(Build(steps=commands)))
    shown = {key: f"${{{{ {expression(build, key)} }}}}" for key in used}
    return shown | _variables(build, build.options.env)


def _variables(build: Build, lines: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` with substitutions as expressions: an `env` cannot see another."""
    found: dict[str, str] = {}
    for line in lines:
        name, _, text = line.partition("=")
        inside = _marked(text)
        found[name] = "".join(
            f"${{{{ {expression(build, part)} }}}}" if number % 2 else part
            for number, part in enumerate(inside)
        )
    return found


def _formatted(build: Build, text: str) -> str:
    """A text with substitutions as one of GitHub's expressions."""
    parts = _marked(text)
    quoted = "".join(
        f"{{{number // 2}}}" if number % 2 else part.replace("{", "{{").replace("}", "}}")
        for number, part in enumerate(parts)
    )
    if len(parts) == 1:
        return "'" + text.replace("'", "''") + "'"
    inner = ", ".join(expression(build, key).partition(" || ")[0] for key in parts[1::2])
    return f"format('{quoted}', {inner})"


def _word(word: str) -> str:
    """A word for the shell."""
    parts = _marked(word)
    if len(parts) == 1:
        return shlex.quote(parts[0])
    escaped = (re.sub(r'([\\"$`])', r"\\\1", part) for part in parts)
    return '"' + "".join(f"${{{p}}}" if n % 2 else p for n, p in enumerate(escaped)) + '"'


def _marked(text: str) -> list[str]:
    """A text parted at its substitutions: text, key, text, key, text."""
    known = {key: f"\0{key}\0" for key in {*_keys(text), *BUILT_IN}}
    return substitute(text, known).split("\0")


def _keys(text: str) -> frozenset[str]:
    return keys(Build(steps=(Step(name="-", args=(text,)),)))


def _id(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


def _minutes(seconds: float | None) -> int:
    return math.ceil((seconds or 3600) / 60)


def dump(made: Mapping[str, Any], source: str) -> str:
    """The workflow as YAML, with the file that it comes from."""
    text = yaml.safe_dump(dict(made), sort_keys=False, width=100)
    return f"# Made from {source} by `make golden`: change that file, not this one.\n{text}"
