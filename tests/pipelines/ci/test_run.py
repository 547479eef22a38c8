"""`lockstep ci run` does on this machine what Cloud Build would do with the same file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings, strategies as st
from typer.testing import CliRunner

from lockstep.pipelines.ci.build import BadBuild, Build, Step, Volume, load, substituted
from lockstep.pipelines.ci.command import Command, Place, command_of, secret_names, volumes_of
from lockstep.pipelines.ci.execute import State, execute
from lockstep.pipelines.cli import app
from lockstep.pipelines.errors import CannotRunStep
from lockstep.serving.errors import Exit, LockstepError

ROOT = Path(__file__).parents[3]
LOCKSTEP = Path(sys.executable).with_name("lockstep")
Told = tuple[int, str]
Run = Callable[..., Told]


def sh(name: str, line: str, **more: object) -> dict[str, object]:
    """A step of one line of shell that waits for nothing, unless told otherwise."""
    return {"id": name, "name": "x", "entrypoint": "sh", "args": ["-c", line], "waitFor": ["-"]} | (
        more
    )


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one commit, in which commands are run."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    (root / "file").write_text("committed\n")
    (root / "below").mkdir()
    (root / "below/other").write_text("")
    (root / ".gitignore").write_text(".lockstep/\n")
    who = ["-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *who, *words], check=True)
    return root


@pytest.fixture
def run(repository: Path) -> Run:
    """Write a build's file, which is in no commit, and run it; the exit code and what it said."""

    def build(steps: list[dict[str, object]], *options: str, **more: object) -> Told:
        path = repository / "build.yaml"
        path.write_text(yaml.safe_dump({"steps": steps, **more}))
        named = any("BUILD_ID" in option for option in options)
        words = ["ci", "run", "build.yaml", *options]
        words += [] if named else ["--substitution=BUILD_ID=b"]
        done = CliRunner().invoke(app, words)
        error = done.exception
        if isinstance(error, LockstepError):
            return int(error.exit_code), f"{done.output}{error}"
        assert error is None or isinstance(error, SystemExit), done.output
        return done.exit_code, done.output

    return build


def test_steps_share_a_clone_of_the_commit(run: Run, repository: Path) -> None:
    """What is not committed is not built; what a step writes the next one reads."""
    (repository / "file").write_text("changed\n")
    steps = [
        sh("one", "cat file; echo 1 > found; pwd"),
        sh("two", "cat ../found; pwd", dir="below", waitFor=["one"]),
        sh("three", "pwd", dir="/workspace/below", waitFor=["one"]),
    ]
    code, said = run(steps, "--keep")
    workspace = repository / ".lockstep/builds/b/workspace"
    assert code == Exit.OK, said
    assert "2 files that are not committed are not part of this build" in said
    for line in ("one | committed", f"one | {workspace}", "two | 1", f"three | {workspace}/below"):
        assert line in said.splitlines()
    assert (repository / ".lockstep/builds/b/logs/two.log").read_text() == f"1\n{workspace}/below\n"
    assert "build b: succeeded in" in said
    assert not (repository / "found").exists()


def test_a_workspace_goes_when_all_went_well(run: Run, repository: Path) -> None:
    """Logs and artifacts stay; after a failure the workspace does, too; an id is taken once."""
    artifacts = {"objects": {"location": "gs://b", "paths": [".hidden/*.md"]}}
    code, said = run([sh("a", "mkdir .hidden; echo 1 > .hidden/diff.md")], artifacts=artifacts)
    folder = repository / ".lockstep/builds/b"
    assert (code, (folder / "artifacts/diff.md").read_text()) == (Exit.OK, "1\n"), said
    assert not (folder / "workspace").exists()
    code, said = run([sh("a", "true")])
    assert (code, "is there already" in said) == (Exit.USAGE, True)
    assert run([sh("a", "false")], "--substitution=BUILD_ID=c")[0] == Exit.STEP_FAILED
    assert (folder.parent / "c/workspace/file").exists()


def test_a_step_gets_what_the_file_gives_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Substitutions, environment and secrets, and nothing that the caller happens to have."""
    monkeypatch.setenv("TOKEN", "t0p")
    monkeypatch.setenv("LOCKSTEP_STORE", "mine")
    show = 'echo "${_A}/$$B/$$C/$${TOKEN-none}/$${LOCKSTEP_STORE-none}/$SHORT_SHA/$BRANCH_NAME"'
    steps = [
        sh("with", show, env=["B=$_A"], secretEnv=["TOKEN"]),
        sh("without", show, env=["B=$_A=2", "C="]),
        {
            "id": "script",
            "name": "x",
            "waitFor": ["-"],
            "script": "echo $((1+1)) ${TOKEN-none} $_A",
            "automapSubstitutions": True,
        },
    ]
    options = {"env": ["C=$_A$_A"], "dynamicSubstitutions": True}
    known = {"_A": "$_B.", "_B": "b"}
    secrets = {"secretManager": [{"versionName": "v", "env": "TOKEN"}]}
    more = {"substitutions": known, "options": options, "availableSecrets": secrets}
    code, said = run(steps, "--substitution=_B=ü ", **more)
    assert code == Exit.OK, said
    sha = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout[:7]
    lines = said.splitlines()
    assert f"with | ü ./ü ./ü .ü ./t0p/none/{sha}/main" in lines
    assert f"without | ü ./ü .=2//none/none/{sha}/main" in lines
    assert "script | 2 none ü ." in lines
    assert "t0p" not in said.replace("/t0p/", "")


def test_independent_steps_run_side_by_side(run: Run) -> None:
    """Two steps that wait for each other's file both come to their end."""
    meet = "touch {0}; until [ -e {1} ]; do sleep 0.05; done"
    steps = [sh("a", meet.format("a", "b")), sh("b", meet.format("b", "a"))]
    code, said = run(steps, timeout="20s")
    assert code == Exit.OK, said


def test_a_failure_ends_the_build(run: Run, repository: Path) -> None:
    """Steps that run are stopped with all that they started, later ones never begin."""
    steps = [
        sh("slow", "sleep 60 & echo $$! > pid; touch ready; wait"),
        sh("bad", "until [ -e ready ]; do sleep 0.05; done; echo why >&2; exit 9"),
        sh("later", "touch later", waitFor=["slow"]),
    ]
    code, said = run(steps)
    assert code == Exit.STEP_FAILED
    assert "build b: step bad failed (9)" in said
    assert f"to do:   read {repository}/.lockstep/builds/b/logs/bad.log" in said
    states = dict(
        line.split()[:2] for line in said.splitlines() if line.startswith(("slow ", "la"))
    )
    assert states == {"slow": "stopped", "later": "not"}
    assert "bad | why" in said
    pid = int((repository / ".lockstep/builds/b/workspace/pid").read_text())
    assert gone(pid)


def gone(pid: int) -> bool:
    """Whether a process has ended, or is about to be reaped."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_failures_that_are_allowed_go_on(run: Run) -> None:
    """Any with allowFailure, those of allowExitCodes; and what waits for them runs."""
    steps = [
        sh("any", "exit 7", allowFailure=True),
        sh("named", "exit 5", allowExitCodes=[3, 5]),
        sh("late", "sleep 60", allowFailure=True, timeout="0.2s"),
        sh("after", "echo here", waitFor=["any", "named", "late"]),
    ]
    code, said = run(steps)
    assert (code, "after | here" in said) == (Exit.OK, True), said
    assert said.count("failed, which is allowed") == 6
    assert run([sh("a", "exit 4", allowExitCodes=[5])], "--substitution=BUILD_ID=c")[0] == 4


def test_time_is_limited(run: Run, repository: Path) -> None:
    """A step, and the build, end when their time is over, with all that they started."""
    code, said = run([sh("a", "sleep 60 & echo $$! > pid; wait", timeout="0.5s")])
    assert (code, "step a timed out" in said) == (Exit.STEP_FAILED, True), said
    assert gone(int((repository / ".lockstep/builds/b/workspace/pid").read_text()))
    code, said = run([sh("a", "sleep 60")], "--substitution=BUILD_ID=c", timeout="0.5s")
    assert code == Exit.STEP_FAILED
    assert "build c: it took longer than 0.5 s" in said


def test_what_a_step_leaves_running_ends_with_it(run: Run, repository: Path) -> None:
    """As it would with its container."""
    code, said = run([sh("a", "sleep 60 & echo $$! > pid")], "--keep")
    assert code == Exit.OK, said
    assert gone(int((repository / ".lockstep/builds/b/workspace/pid").read_text()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing(
    repository: Path, number: signal.Signals, tmp_path: Path
) -> None:
    """Ctrl-C and SIGTERM end every step with all that it started; the exit code says so."""
    pid = tmp_path / "pid"
    step = sh("a", f"sleep 60 & echo $$! > {pid}.new; mv {pid}.new {pid}; wait")
    (repository / "build.yaml").write_text(yaml.safe_dump({"steps": [step]}))
    words = [str(LOCKSTEP), "ci", "run", "build.yaml"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 20
    while not pid.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, b"Traceback" in said) == (Exit.INTERRUPTED, False)
    assert gone(int(pid.read_text()))


def test_what_cannot_be_known_is_asked_for(run: Run, repository: Path) -> None:
    """Before anything runs: a project nobody named, a secret nobody has, a commit that is none."""
    code, said = run([sh("a", "echo gs://$PROJECT_ID-models")])
    assert (code, "--substitution PROJECT_ID=..." in said) == (Exit.USAGE, True)
    secret = {"inline": [{"kmsKeyName": "k", "envMap": {"MISSING_ONE": "c"}}]}
    code, said = run([sh("a", "true", secretEnv=["MISSING_ONE"])], availableSecrets=secret)
    assert (code, "MISSING_ONE=... lockstep ci run" in said) == (Exit.ENVIRONMENT, True)
    assert run([sh("a", "true")], "--commit=elsewhere")[0] == Exit.USAGE
    assert run([sh("a", "true")], "--volume=/srv")[0] == Exit.USAGE
    assert run([sh("a", "true")], "--substitution=BUILD_ID=../x")[0] == Exit.USAGE
    assert run([sh("a", "true")], "--substitution=_A=1")[0] == Exit.USAGE
    assert run([sh("a", "true", volumes=[{"name": "v", "path": "/v"}])])[0] == Exit.ENVIRONMENT
    code, said = run([{"id": "a", "name": "python:3.11", "args": ["x"]}])
    assert (code, "leaves its entrypoint to its image" in said) == (Exit.ENVIRONMENT, True)
    code, said = run([sh("a", "", entrypoint="no-such-command")], "--keep")
    assert (code, "step a failed (127)" in said) == (Exit.STEP_FAILED, True)
    assert not (repository / ".lockstep/builds/x").exists()


def test_a_dry_run_only_tells(run: Run, repository: Path) -> None:
    """Every step with what it waits for, its limits and its line; nothing is written."""
    steps = [sh("a", "touch it", timeout="5s"), sh("b", "exit 5", waitFor=["a"], env=["A=b c"])]
    secret = {"inline": [{"kmsKeyName": "k", "envMap": {"MISSING_ONE": "c"}}]}
    options = {"secretEnv": ["MISSING_ONE"]}
    code, said = run(steps, "--dry-run", availableSecrets=secret, options=options)
    assert code == Exit.OK
    assert "a: after nothing; at most 5 s; secret MISSING_ONE\n  sh -c 'touch it'\n" in said
    assert "b: after a; secret MISSING_ONE\n  'A=b c' sh -c 'exit 5'\n" in said
    assert not (repository / ".lockstep").exists()


def test_a_container_gets_the_workspace_and_docker_s_socket(tmp_path: Path) -> None:
    """Its command line holds no secret's value, and volumes are those of the whole build."""
    build = Build.model_validate(
        {
            "steps": [
                {
                    "id": "one step",
                    "name": "gcr.io/cloud-builders/docker",
                    "args": ["build", "."],
                    "dir": "below",
                    "env": ["A=1"],
                    "secretEnv": ["TOKEN"],
                    "volumes": [{"name": "v", "path": "/v"}],
                },
                {"name": "bash:5", "script": "echo it"},
            ],
            "options": {"env": ["B=2"]},
        }
    )
    place = Place(tmp_path / "w", tmp_path, "b", True, "/run/d.sock", ("/srv/models",))
    made = command_of(build, 0, place, {"TOKEN": "old", "PATH": "/bin"}, {"TOKEN": "t"})
    assert made.words == (
        *("docker", "run", "--rm", "--name", "lockstep-b-one-step", "--network", "host"),
        *("--volume", f"{tmp_path}/w:/workspace", "--volume", f"{tmp_path}/home:/builder/home"),
        *("--volume", "/run/d.sock:/var/run/docker.sock", "--volume", "/srv/models:/srv/models"),
        *("--volume", "lockstep-b-v:/v"),
        *("--workdir", "/workspace/below", "--env", "HOME=/builder/home", "--env", "B=2"),
        *("--env", "A=1", "--env", "TOKEN", "gcr.io/cloud-builders/docker", "build", "."),
    )
    assert dict(made.environment) == {"TOKEN": "t", "PATH": "/bin"}
    assert made.end == ("docker", "kill", "lockstep-b-one-step")
    assert (volumes_of(build, place), secret_names(build)) == (("lockstep-b-v",), ("TOKEN",))
    script = command_of(build, 1, place, {}, {"TOKEN": "t"})
    assert script.script == "#!/usr/bin/env bash\necho it"
    assert script.words[-3:] == ("--entrypoint", "/builder/script", "bash:5")
    assert f"{tmp_path}/scripts/1:/builder/script:ro" in script.words


def test_without_containers_google_s_builders_are_the_commands_of_their_names() -> None:
    """And what needs a container is refused by name."""
    place = Place(Path("/w"), Path("/f"), "b")

    def here(step: Step) -> Command:
        return command_of(Build(steps=(step,)), 0, place, {"PATH": "/bin"}, {})

    name = "gcr.io/cloud-builders/git:1"
    assert here(Step(name=name, args=("log",))).words == ("git", "log")
    assert here(Step(name="x", entrypoint="make")).environment["PATH"] == "/w/.venv/bin:/bin"
    with pytest.raises(CannotRunStep, match="mounts the volume v"):
        here(Step(name=name, volumes=(Volume(name="v", path="/v"),)))


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_no_step_starts_before_what_it_waits_for(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever waits for what, whatever fails: only what has passed lets others start."""
    count = data.draw(st.integers(1, 6))
    named = [data.draw(st.sets(st.integers(0, n - 1))) if n else set() for n in range(count)]
    codes = data.draw(st.lists(st.sampled_from([0, 0, 0, 5, 1]), min_size=count, max_size=count))
    steps = tuple(
        Step(
            name="a",
            id=f"s{n}",
            wait_for=tuple(f"s{m}" for m in sorted(before)) or ("-",),
            allow_exit_codes=(5,),
        )
        for n, before in enumerate(named)
    )
    folder = tmp_path_factory.mktemp("build")
    commands = [Command(("sh", "-c", f"exit {code}"), {}, folder, {}) for code in codes]
    events: list[tuple[str, bool]] = []
    build = Build(steps=steps)
    result = execute(build, commands, folder, lambda s, line: events.append((s, "after" in line)))
    for number, step in enumerate(result.steps):
        if step.state in (State.NOT_RUN, State.STOPPED):
            continue
        start = events.index((f"s{number}", False))
        assert all((f"s{m}", True) in events[:start] for m in named[number])
        assert step.state.passed == (codes[number] != 1)
        assert all(codes[m] != 1 for m in named[number])
    assert result.passed == (1 not in codes)
    assert bool(result.failed) == (1 in codes)


def test_this_project_s_builds_can_be_run() -> None:
    """Every step of both files has a line of its own, as a process and in a container."""
    for name in ("cloudbuild.yaml", "cloudbuild-pull-request.yaml"):
        build = substituted(load(ROOT / name), {"PROJECT_ID": "p", "_BASE_BRANCH": "main"})
        secrets = dict.fromkeys(secret_names(build), "")
        for docker in (False, True):
            place = Place(Path("/w"), Path("/f"), "b", docker)
            for number, step in enumerate(build.steps):
                words = command_of(build, number, place, os.environ, secrets).words
                assert words[-len(step.args) :] == step.args


@pytest.mark.parametrize("name", ["cloudbuild.yaml", "cloudbuild-pull-request.yaml"])
def test_what_others_wait_for_cannot_be_left_out(name: str, tmp_path: Path) -> None:
    """A file without a step that another one waits for is refused before anything runs."""
    whole = yaml.safe_load((ROOT / name).read_text())
    named = {one for step in whole["steps"] for one in step["waitFor"]} - {"-"}
    assert named
    for gone in named:
        steps = [step for step in whole["steps"] if step["id"] != gone]
        (tmp_path / name).write_text(yaml.safe_dump({**whole, "steps": steps}))
        with pytest.raises(BadBuild, match=f"waits for '{gone}'"):
            load(tmp_path / name)
