"""Bad input: a clear error, the documented exit code, and nothing half-written."""

import os
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from lockstep.serving.errors import Exit

if TYPE_CHECKING:
    from tests.e2e.conftest import Project, Run

MODULES = {
    "no_run_fn": "def run_the_fn(fn_args):\n    pass\n",
    "raises": 'def run_fn(fn_args):\n    raise ValueError("no luck today")\n',
    "syntax": "def run_fn(fn_args)\n    pass\n",
}
HEADER = "fare,payment_type,trip_seconds"
ROW = "5.5,Cash,600"
SCHEMA = """
feature { name: "fare" type: FLOAT }
feature { name: "payment_type" type: BYTES domain: "payment_type" }
feature { name: "trip_seconds" type: INT }
string_domain { name: "payment_type" value: "Cash" value: "Credit Card" }
"""
FILES = {
    "schema.pbtxt": [SCHEMA],
    "empty/a.csv": [],
    "ragged/a.csv": [HEADER, ROW, "5.5,Cash"],
    "misfits/changed.csv": [HEADER, ROW, "5.5,Cash,ten minutes"],
    "misfits/grown.csv": [f"{HEADER},weather", "5.5,Shells,600,fine"],
}


def finished(run: "Run", task: str) -> bool:
    """Whether a task has left anything that a later step could take for its output."""
    facts = run.task(task)
    return facts["state"] == "SUCCEEDED" or bool(facts["outputs"]["artifacts"])


@pytest.fixture(scope="module")
def bad_data(project: "Project") -> "Run":
    """Ingest what cannot be ingested, and validate what does not fit the schema."""
    for name, lines in FILES.items():
        file = project.root / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines))
    return project.run("pipelines/bad_data.py")


@pytest.fixture(scope="module")
def bad_modules(project: "Project") -> "Run":
    """Train with modules that cannot."""
    (project.root / "modules").mkdir()
    for name, text in MODULES.items():
        (project.root / "modules" / f"{name}.py").write_text(text)
    return project.run("pipelines/retrain.py:bad_modules", **parameters())


def parameters() -> dict[str, str | Path]:
    """Parameters of the pipelines that only train: TFX's penguin examples, and the store."""
    spec = find_spec("tfx")
    assert spec is not None
    assert spec.submodule_search_locations
    tfx = Path(spec.submodule_search_locations[0])
    return {"examples_uri": tfx / "components/testdata/penguin/data", "model_store": "models"}


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("csv-example-gen", "input_base 'data/nowhere': there is no such directory"),
        ("csv-example-gen-2", "data/empty/a.csv is empty"),
        ("csv-example-gen-3", "data/ragged/a.csv, line 3: 2 cells, but the header has 3"),
        ("example-validator", "trip_seconds (split changed): Unexpected data type"),
        ("example-validator", "weather (split grown): New column"),
        ("example-validator", "payment_type (split grown): Unexpected string values"),
    ],
)
def test_bad_data_is_refused(bad_data: "Run", task: str, says: str) -> None:
    """No such file, empty, ragged, another type, an unseen column, a value out of its domain."""
    assert bad_data.code == bad_data.task(task)["code"] == Exit.DATA
    assert not finished(bad_data, task)
    said = bad_data.err[bad_data.err.index(f"error: {task}: ") :]
    assert says in said.partition("  log: ")[0]
    assert "\n  to do:   " in said.partition("  log: ")[0]


def test_anomalies_stop_the_pipeline(bad_data: "Run") -> None:
    """What comes after the validation does not run."""
    assert bad_data.states()["schema-gen"] == "SKIPPED"
    assert bad_data.states()["statistics-gen"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("trainer", "modules/no_run_fn.py has no function 'run_fn'"),
        ("trainer-2", "ValueError: no luck today (at modules/raises.py:2)"),
        ("trainer-3", "modules/syntax.py does not load: SyntaxError: expected ':'"),
    ],
)
def test_bad_modules_are_refused(
    project: "Project", bad_modules: "Run", task: str, says: str
) -> None:
    """No `run_fn`, one that raises, a syntax error: each is told with the place to mend."""
    assert bad_modules.code == bad_modules.task(task)["code"] == Exit.STEP_FAILED
    assert says in bad_modules.err
    assert not finished(bad_modules, task)
    assert bad_modules.states()[task.replace("trainer", "pusher")] == "SKIPPED"


def test_a_syntax_error_in_a_pipeline_is_told_with_its_line(project: "Project") -> None:
    """It does not compile: file, line and text are named, and no run is made."""
    (project.root / "pipelines/broken.py").write_text("from kfp import dsl\ndef p(:\n")
    before = project.runs()
    said = project.lockstep("run", "pipelines/broken.py", "--root", "kept")
    assert said.returncode == Exit.DEFINITION
    assert said.stderr.startswith("error: pipelines/broken.py:2: SyntaxError")
    assert "def p(:" in said.stderr
    assert project.runs() == before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("row=1", "no parameter 'row'"),
        ("rows=many", "the parameter 'rows'"),
        ("rows", "--param rows"),
    ],
)
def test_a_wrong_parameter_is_refused(project: "Project", given: str, says: str) -> None:
    """An unknown name, a wrong type, no value: told before anything runs."""
    before = project.runs()
    said = project.lockstep("run", "pipelines/ingest.py", "--root", "kept", "--param", given)
    assert said.returncode == Exit.USAGE
    assert says in said.stderr
    assert "to do:" in said.stderr
    assert project.runs() == before


def test_an_interrupted_run_leaves_nothing_behind(project: "Project") -> None:
    """Ctrl-C in the middle of training: exit code 130, no process left, nothing pushed."""
    mark = str(uuid4())
    options = [f"--param={k}={v}" for k, v in {**parameters(), "steps": 10**9}.items()]
    command = ["run", "pipelines/retrain.py:retrain", "--root", "kept", *options]
    before = project.runs()
    process = subprocess.Popen(
        project.command(*command),
        cwd=project.root,
        env={**os.environ, "LOCKSTEP_TEST": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(f"/{10**9}", project, before)
        assert len(marked(mark)) > 1
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    (directory,) = project.runs() - before
    assert process.returncode == Exit.INTERRUPTED, err
    assert f"{directory.name} cancelled" in out
    assert marked(mark) == []
    assert not (directory / "trainer/1/executor_output.json").exists()
    assert project.versions("retrained") == []


def test_the_run_after_an_interrupted_one_starts_cleanly(project: "Project") -> None:
    """The same pipeline, into the same store and beside what was interrupted, succeeds."""
    run = project.run("pipelines/retrain.py:retrain", **parameters())
    assert run.code == 0, run.err
    pushed = run.metadata("pusher", "pushed_model")["pushed_version"]
    assert project.versions("retrained") == [pushed]


def wait_for(text: str, project: "Project", before: set[Path]) -> None:
    """Wait until the trainer of the new run has printed something."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for directory in project.runs() - before:
            log = directory / "trainer/log.txt"
            if log.exists() and text in log.read_text():
                return
        time.sleep(0.1)
    pytest.fail(f"no {text!r} in the trainer's log")


def marked(mark: str) -> list[int]:
    """The processes whose environment has a mark: a command and all its descendants."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:  # another user's, or gone by now
            continue
    return found


UNSHARE = ("unshare", "--map-root-user", "--mount", "sh", "-c")
"""A mount namespace of its own: what is mounted there is gone with the command."""


def can_mount(directory: Path) -> bool:
    """Whether a small disk can be made here."""
    mount = f"mount -t tmpfs -o size=64k tmpfs '{directory}'"
    return shutil.which("unshare") is not None and not subprocess.call([*UNSHARE, mount])


def test_a_full_disk_is_told(project: "Project", tmp_path: Path) -> None:
    """Where there is no room for the examples, the run says so and nothing counts as written."""
    if not can_mount(tmp_path):
        pytest.skip("needs a mount namespace: util-linux, and root or unprivileged user namespaces")
    run = " ".join(map(str, project.command("run", "pipelines/ingest.py", "--root", "disk")))
    (project.root / "disk").mkdir()
    script = f"mount -t tmpfs -o size=256k tmpfs disk; {run}; code=$?; cp -r disk '{tmp_path}/'"
    said = subprocess.run(
        [*UNSHARE, f"{script}; exit $code"],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == Exit.ENVIRONMENT, said.stderr
    assert "no space" in said.stderr
    assert "to do:" in said.stderr
    assert not list(tmp_path.glob("disk/runs/*/csv-example-gen/1/executor_output.json"))
