"""The same commands for Vertex AI."""

import json
from pathlib import Path

import pytest

from lockstep.serving.errors import Exit

pytest.importorskip("google.cloud.aiplatform_v1", reason="comes with lockstep[tfx]")
from .test_commands import PIPELINE, Shell, shell
from .test_vertex import server, service_account, task
from .vertex_server import VertexServer

__all__ = ["server", "shell"]  # fixtures

THERE = ("--vertex", "--project", "acme", "--region", "europe-west4")
SUBMIT = ("submit", PIPELINE, *THERE, "--bucket", "acme-runs", "--param", "data=gs://b/d")


@pytest.fixture(autouse=True)
def credentials(server: VertexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let google-auth find a service account, and the APIs our server."""
    (tmp_path / "key.json").write_text(json.dumps(service_account(server)))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    for service in ("AIPLATFORM", "LOGGING"):
        monkeypatch.setenv(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}", server.address + "/")


def test_a_run_is_planned_submitted_listed_shown_and_cancelled(
    server: VertexServer, shell: Shell
) -> None:
    """What differs is the options that say where."""
    named = (*SUBMIT, "--name", "build-7", "--why", "new data")
    (planned,) = shell.json(*named, "--dry-run")
    assert server.requests == []
    done = shell(*named)
    assert done.returncode == 0, done.stderr
    assert server.requests == [(planned["method"], planned["path"], planned["body"])]
    assert "next: lockstep runs show build-7 --vertex --project acme" in done.stdout
    (listed,) = shell.json("runs", "list", *THERE, "--json")
    assert (listed["id"], listed["state"]) == ("build-7", "PENDING")
    server.settle("build-7", "RUNNING", [task("trainer", "RUNNING")])
    assert "trainer  running" in shell("runs", "show", "build-7", *THERE).stdout
    assert shell("runs", "cancel", "build-7", *THERE).stdout.startswith("build-7 cancel")
    unknown = shell("runs", "show", "none", *THERE)
    assert (unknown.returncode, "Traceback" in unknown.stderr) == (Exit.USAGE, False)


def test_waiting_ends_with_the_verdict(server: VertexServer, shell: Shell) -> None:
    """A run that was started before is followed, too: its name is the same."""
    named = (*SUBMIT, "--name", "build-8")
    assert shell(*named).returncode == 0
    server.settle("build-8", "FAILED", [task("trainer", "FAILED")], "out of memory")
    done = shell(*named, "--wait")
    assert done.returncode == Exit.STEP_FAILED, done.stderr
    assert "lockstep runs logs build-8 trainer --vertex --project acme" in done.stderr
