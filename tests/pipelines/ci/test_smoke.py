"""A model that is served is asked as applications ask, and taken back if it answers wrongly."""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lockstep.pipelines.ci.results import read, write
from lockstep.pipelines.ci.smoke import smoke
from lockstep.pipelines.cli import app
from lockstep.pipelines.errors import MissingResult
from lockstep.serving.errors import Exit, LockstepError
from lockstep.serving.rollout.answers import Expected
from lockstep.serving.rollout.server import available
from lockstep.serving.store import ModelStore

from ...conformance.serving.servers import OWN, Server, start, wait_until_ready
from ...serving.rollout.test_server import BUILDER

CONTRACT = """format: lockstep.contract/v1
model: m
version: 1.0.0
description: Says which version it is.
owners: [{team: a, contact: a@example.com}]
inputs:
  x: {dtype: float32, meaning: Anything.}
outputs:
  version: {dtype: float32, meaning: The version.}
"""
RECORDING = """format: lockstep.recording/v1
instances: [{x: 2}]
expect:
  version: {values: [1], tolerance: 0.1}
"""


@dataclass(frozen=True)
class Place:
    """A server, a store and a contract that an application relies on."""

    server: Server
    folder: Path

    @property
    def store(self) -> ModelStore:
        """Where the versions are."""
        return ModelStore.open(str(self.folder), "m")

    @property
    def where(self) -> list[str]:
        """The options that name the server."""
        grpc, rest = self.server.address.grpc, self.server.address.rest
        return [f"--server=grpc://127.0.0.1:{grpc}", f"--rest=http://127.0.0.1:{rest}"]

    def ci(self, *words: str) -> tuple[int, str]:
        """Run a build's command; its exit code and what it said."""
        done = CliRunner().invoke(app, ["ci", *words, f"--store={self.folder}"])
        error = done.exception
        if isinstance(error, LockstepError):
            return int(error.exit_code), f"{done.output}{error}"
        assert error is None or isinstance(error, SystemExit), error
        return done.exit_code, done.output

    def smoke(self, model: str, *more: str) -> tuple[int, str]:
        """Ask the model that is served."""
        return self.ci("smoke", model, "--contract=contract.yaml", *more)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A server with version 1, the champion; version 2 is in the store."""
    monkeypatch.chdir(tmp_path)
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(BUILDER), str(tmp_path / "made")]
    subprocess.run(command, check=True, env=quiet, stderr=subprocess.DEVNULL)
    store = ModelStore.open(str(tmp_path), "m")
    store.push(str(tmp_path / "made/1"), number=1)
    store.set_alias("champion", 1)
    (tmp_path / "consumers/app").mkdir(parents=True)
    (tmp_path / "consumers/app/one.yaml").write_text(RECORDING)
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    flags = ["--model_name=m", f"--model_base_path={tmp_path / 'm'}"]
    flags += ["--allow_version_labels_for_unavailable_models=true"]
    server = start(OWN, flags, tmp_path / "log")
    try:
        wait_until_ready(server, ["m"])
        yield Place(server, tmp_path)
    finally:
        assert server.stop() == 0


@pytest.mark.slow
def test_a_version_that_answers_wrongly_is_taken_back(place: Place) -> None:
    """It is deployed, fails what an application recorded, is undone, and never tried again."""
    assert CliRunner().invoke(app, ["ci", "target", *place.where]).exit_code == Exit.OK
    assert place.smoke("m@champion")[0] == Exit.OK
    place.store.push(str(place.folder / "made/2"), number=2)
    assert place.ci("candidate", "m")[0] == Exit.OK
    code, said = place.ci("deploy", "m")
    assert code == Exit.OK, said
    assert place.ci("rollback", "m", "--dry-run")[0] == Exit.ROLLED_BACK  # nobody has asked it yet

    code, said = place.smoke("m")
    assert code == Exit.STEP_FAILED
    assert "m@2: " in said
    assert "replay-" in said
    assert read(Path(".lockstep/ci"), "smoke")["passed"] is False
    assert place.ci("rollback", "m", "--dry-run")[0] == Exit.ROLLED_BACK
    assert place.store.alias("rejected") is None

    code, said = place.ci("rollback", "m")
    assert code == Exit.ROLLED_BACK
    assert "m@2 is rejected" in said
    address = f"grpc://127.0.0.1:{place.server.address.grpc}"
    assert available(address, "m") == (1,)
    assert place.store.alias("rejected") == 2
    assert place.ci("promote", "m", "--to=next")[0] == Exit.USAGE  # nothing was let stand
    assert place.ci("candidate", "m")[0] == Exit.OK
    assert place.store.alias("candidate") == 1
    assert place.ci("deploy", "m")[0] == Exit.OK
    code, said = place.smoke("m")
    assert (code, said.count("version 1 answers, and 1 recorded requests")) == (Exit.OK, 2)
    assert place.ci("rollback", "m")[1].endswith("there is nothing to undo\n")
    assert place.ci("promote", "m", "--to=next")[0] == Exit.OK

    code, said = place.smoke("m@2", "--deadline=1")
    assert code == Exit.STEP_FAILED
    assert "too late" in said


@pytest.mark.slow
def test_what_nobody_has_asked_is_taken_back(place: Place) -> None:
    """A build whose smoke test did not come to an end does not go on, and may try again."""
    CliRunner().invoke(app, ["ci", "target", *place.where])
    place.store.push(str(place.folder / "made/2"), number=2)
    assert place.ci("candidate", "m")[0] == Exit.OK
    assert place.ci("deploy", "m")[0] == Exit.OK
    code, said = place.ci("rollback", "m")
    assert (code, "no smoke test has asked it" in said) == (Exit.ROLLED_BACK, True)
    assert available(f"grpc://127.0.0.1:{place.server.address.grpc}", "m") == (1,)
    assert place.store.alias("rejected") is None
    assert place.ci("candidate", "m")[0] == Exit.OK
    assert place.store.alias("candidate") == 2


class Clock:
    """A clock on which waiting takes no time."""

    now = 0.0

    def monotonic(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float, /) -> None:
        """Let it pass."""
        self.now += seconds


def test_a_server_that_is_not_there_gets_its_time_and_no_more() -> None:
    """It is asked until the deadline, and then has failed."""
    clock, tried = Clock(), list[float]()

    @contextmanager
    def reach() -> Generator[list[str]]:
        tried.append(clock.now)
        yield ["http://127.0.0.1:1"]

    went = smoke(reach, Expected("m", 2), None, clock, deadline=3)
    assert (went.passed, went.model, went.version) == (False, "m", 2)
    assert "too late" in went.why
    assert tried == [0, 0.5, 1, 1.5, 2, 2.5, 3]


def test_a_step_that_was_left_out_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step of a rollout wants what the one before has found, and about the same model."""
    monkeypatch.chdir(tmp_path)
    folder = Path(".lockstep/ci")

    def missed(*words: str) -> bool:
        error = CliRunner().invoke(app, ["ci", *words]).exception
        return isinstance(error, MissingResult)

    assert all(missed(step, "m") for step in ("deploy", "smoke", "rollback"))
    write(folder, "target", {"server": "grpc://127.0.0.1:1"})
    assert all(missed(step, "m") for step in ("deploy", "smoke", "rollback"))
    assert missed("promote", "m", "--to=x")
    write(folder, "candidate", {"model": "other", "version": 1})
    assert missed("deploy", "m")
