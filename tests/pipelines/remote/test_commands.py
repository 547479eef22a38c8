"""`lockstep submit` and `lockstep runs`, as their user types them."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lockstep.pipelines.cli import main
from lockstep.serving.errors import Exit

from .conftest import GOLDEN
from .kfp_server import KfpServer

LOCKSTEP = str(Path(sys.executable).with_name("lockstep"))
PIPELINE = str(GOLDEN / "ingest_and_push.yaml")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Shell:
    """Runs `lockstep ARGUMENTS` in a directory of its own, in this process."""

    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Done:
        """Run a command to its end."""
        self.patch.setattr(sys, "argv", ["lockstep", *arguments])
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self.capture.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    def json(self, *arguments: str) -> Any:
        """Read what a command prints as JSON."""
        done = self(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Shell:
    """Give a shell in an empty directory, without anybody's settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return Shell(monkeypatch, capsys)


def _submit(server: KfpServer, *more: str) -> tuple[str, ...]:
    return ("submit", PIPELINE, "--host", server.url, "--param", "data=gs://b/d", *more)


def test_a_dry_run_prints_what_is_sent_and_sends_nothing(server: KfpServer, shell: Shell) -> None:
    """The bodies are, but for ids, those that the server then receives; nobody is asked for it."""
    name = ("--name", "build-7", "--why", "new data", "--experiment", "nightly")
    planned = shell.json(*_submit(server, *name, "--dry-run"))
    assert server.received == []
    done = shell(*_submit(server, *name))
    assert done.returncode == 0, done.stderr
    sent = server.changes()
    assert [one["method"] for one in planned] == [one.method for one in sent]
    for plan, one in zip(planned[:3], sent[:3], strict=True):
        assert plan["body"] == one.body
    ids = ("experiment_id", "pipeline_version_reference")
    assert {k: v for k, v in planned[3]["body"].items() if k not in ids} == {
        k: v for k, v in sent[3].body.items() if k not in ids
    }


def test_submitting_prints_the_url_of_the_run(server: KfpServer, shell: Shell) -> None:
    """And the same name again is the same run."""
    first, again = (shell(*_submit(server, "--name", "build-7")) for _ in range(2))
    (run,) = server.state.runs
    assert f"{server.url}/#/runs/details/{run}" in first.stdout
    assert again.stdout == first.stdout
    assert f"lockstep runs show {run} --host {server.url}" in first.stdout


@pytest.mark.parametrize(
    ("fate", "logs", "code", "said"),
    [
        ({}, {}, Exit.OK, "succeeded"),
        ({"trainer": "Failed"}, {}, Exit.STEP_FAILED, "error: trainer: failed"),
        ({}, {"pusher": "not pushed: too bad\n"}, Exit.NOT_BLESSED, "nothing was pushed: too bad"),
    ],
)
def test_waiting_ends_with_the_run_s_verdict(
    server: KfpServer, shell: Shell, fate: Any, logs: dict[str, str], code: Exit, said: str
) -> None:
    """Each task is told as it goes on; the exit code is that of a local run."""
    server.state.fate, server.state.logs = fate, logs
    done = shell(*_submit(server, "--wait", "--every", "0.01"))
    assert done.returncode == code, done.stderr
    assert "statistics-gen  started" in done.stdout or "trainer  started" in done.stdout
    assert said in done.stdout + done.stderr


def test_waiting_for_a_cancelled_run_says_so(server: KfpServer, shell: Shell) -> None:
    """With an exit code of its own; an interrupt ends the waiting only."""
    command = [LOCKSTEP, *_submit(server, "--wait", "--every", "0.5")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        while not server.state.runs:
            time.sleep(0.05)
        (run,) = server.state.runs
        cancelled = shell("runs", "cancel", run, "--host", server.url)
        assert "cancel" in cancelled.stdout
        waiting.communicate()
    assert waiting.returncode == Exit.CANCELLED
    ended = shell("runs", "cancel", run, "--host", server.url)
    assert "cancelled: it had ended before" in ended.stdout


def test_an_interrupt_ends_the_waiting_not_the_run(server: KfpServer, shell: Shell) -> None:
    """The message says how to end the run, too."""
    command = [LOCKSTEP, *_submit(server, "--wait", "--every", "0.5")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        while not any(one.path.count("/runs/") for one in server.received):
            time.sleep(0.05)
        waiting.send_signal(signal.SIGINT)
        _, err = waiting.communicate()
    assert waiting.returncode == Exit.INTERRUPTED
    (run,) = server.state.runs
    assert f"the run goes on; to end it: lockstep runs cancel {run}" in err
    assert not any("terminate" in one.path for one in server.received)


def test_runs_are_listed_and_shown(server: KfpServer, shell: Shell) -> None:
    """As a table and as JSON, with labels, tasks and logs."""
    shell(*_submit(server, "--name", "build-7", "--why", "new data"))
    (run,) = server.state.runs
    there = ("--host", server.url)
    (listed,) = shell.json("runs", "list", *there, "--json")
    assert (listed["id"], listed["name"], listed["labels"]["why"]) == (run, "build-7", "new data")
    table = shell("runs", "list", *there).stdout
    assert all(word in table for word in (run, "build-7", "pending", "new data"))
    shown = shell.json("runs", "show", run, *there, "--json")
    assert shown["parameters"] == {"data": "gs://b/d"}
    assert [task["name"] for task in shown["tasks"]] == ["champion"]
    text = shell("runs", "show", run, *there).stdout
    assert 'parameter data: "gs://b/d"' in text
    assert "champion: log of champion" in shell("runs", "logs", run, *there).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("submit", PIPELINE), Exit.USAGE, "--host URL"),
        (("submit", PIPELINE, "--host", "SERVER"), Exit.USAGE, "no value for the parameter"),
        (("submit", PIPELINE, "--host", "SERVER", "--param", "odd=1"), Exit.USAGE, "no parameter"),
        (("submit", "none.yaml", "--host", "SERVER"), Exit.DEFINITION, "cannot be read"),
        (("runs", "show", "none", "--host", "SERVER"), Exit.USAGE, "no run 'none'"),
        (("runs", "list", "--host", "http://127.0.0.1:1"), Exit.SERVICE_UNAVAILABLE, "refused"),
        (("runs", "list"), Exit.USAGE, "there are no runs"),
    ],
)
def test_mistakes_are_told_in_three_parts(
    server: KfpServer, shell: Shell, arguments: tuple[str, ...], code: Exit, said: str
) -> None:
    """Before anything is sent, with the exit code of its kind, and never with a traceback."""
    given = [server.url if one == "SERVER" else one for one in arguments]
    done = shell(*given)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert server.changes() == []


def test_what_the_lint_refuses_is_not_sent(server: KfpServer, shell: Shell, tmp_path: Path) -> None:
    """The server hears nothing of a pipeline that it would refuse."""
    broken = tmp_path / "broken.yaml"
    text = Path(PIPELINE).read_text(encoding="utf-8")
    broken.write_text(
        text.replace("        command:", "        lifecycle: {}\n        command:", 1)
    )
    done = shell("submit", str(broken), "--host", server.url, "--param", "data=x")
    assert done.returncode == Exit.DEFINITION, done.stderr
    assert "container-lifecycle" in done.stderr
    assert server.received == []
