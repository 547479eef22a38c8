"""A rollout to a running model server, while clients keep calling."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from lockstep.pipelines.cli import app
from lockstep.serving.client import Client
from lockstep.serving.errors import Exit, LockstepError
from lockstep.serving.rollout.server import available
from lockstep.serving.store import ModelStore

from ...conformance.serving.servers import OWN, Server, start, wait_until_ready
from ..server.load import clients, until

BUILDER: Final = Path(__file__).with_name("versions.py")
CONFIG: Final = """model_config_list {{
  config {{
    name: "m" base_path: "{base}" model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 }} }}
    version_labels {{ key: "stable" value: 1 }}
  }}
  config {{ name: "other" base_path: "{base}" model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 2 }} }} }}
}}
"""


@dataclass(frozen=True)
class Place:
    """A server with a store, and how a user deploys to it."""

    server: Server
    directory: Path

    @property
    def grpc(self) -> str:
        """The address that takes configurations."""
        return f"grpc://127.0.0.1:{self.server.address.grpc}"

    def lockstep(self, *words: str) -> tuple[int, str]:
        """Run a command; its exit code and everything that it said."""
        place = [f"--server={self.grpc}", f"--history={self.directory / 'history'}"]
        done = CliRunner().invoke(app, [*words, *place])
        error = done.exception
        if isinstance(error, LockstepError):
            return int(error.exit_code), f"{done.output}{error}"
        assert error is None or isinstance(error, SystemExit), error
        return done.exit_code, done.output

    def deploy(self, version: str, *more: str) -> tuple[int, str]:
        """Deploy a version as a user does."""
        return self.lockstep(
            *("deploy", f"m@{version}", f"--store={self.directory}", "--deadline=60"),
            *(f"--rest=http://127.0.0.1:{self.server.address.rest}",),
            *(f"--config={self.directory / 'models.config'}", *more),
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server that serves version 1 of six, labelled stable, and another model."""
    directory = tmp_path_factory.mktemp("rollout")
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(BUILDER), str(directory / "made")]
    subprocess.run(command, check=True, env=quiet, stderr=subprocess.DEVNULL)
    store = ModelStore(str(directory / "m"))
    for number in range(1, 7):
        store.push(str(directory / "made" / str(number)), number=number)
    store.set_alias("champion", 2)
    (directory / "m" / "4" / "saved_model.pb").write_bytes(b"no model")
    config = directory / "models.config"
    config.write_text(CONFIG.format(base=directory / "m"))
    flags = [f"--model_config_file={config}", "--max_num_load_retries=0"]
    flags += ["--allow_version_labels_for_unavailable_models=true"]
    server = start(OWN, flags, directory / "log")
    try:
        wait_until_ready(server, ["m", "other"])
        yield Place(server, directory)
    finally:
        assert server.stop() == 0


BAD: Final = {
    "missing signature": ("3", (), "no signature serving_default"),
    "corrupt": ("4", (), "4"),
    "slow": ("5", ("--max-latency=100",), "slow"),
    "refusing": ("6", (), "m.next@6"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_version_is_undone_and_nobody_notices(what: str, place: Place) -> None:
    """It ends with the documented code and says why; no client is failed, none sees the version."""
    version, options, said = BAD[what]
    with clients(place.server.address, "m", 2) as tally:
        assert until(lambda: tally.versions[1.0] > 20), tally  # the first answers take their time
        before = tally.versions[1.0]
        code, output = place.deploy(version, *options)
    assert code == Exit.ROLLED_BACK, output
    assert said in output
    assert not tally.wrong
    assert set(tally.versions) == {1.0}
    assert tally.versions[1.0] > before + 20  # they did call meanwhile, and were answered
    assert available(place.grpc, "m") == (1,)
    assert available(place.grpc, "m.next") == ()


def test_a_version_that_does_not_arrive_is_undone_at_the_deadline(place: Place) -> None:
    """A server that waits for ever does not make the command wait for ever."""
    ModelStore(str(place.directory / "late")).push(str(place.directory / "made" / "1"), number=1)
    (place.directory / "elsewhere").mkdir()
    code, output = place.lockstep(
        *("deploy", "late@1", f"--store={place.directory}", "--deadline=2"),
        *(f"--base-path={place.directory / 'elsewhere'}",),
        f"--config={place.directory / 'models.config'}",
    )
    assert code == Exit.ROLLED_BACK, output
    assert available(place.grpc, "m") == (1,)
    assert available(place.grpc, "late") == ()


def test_a_model_that_is_not_served_needs_the_servers_configuration(place: Place) -> None:
    """A server cannot be asked what else it serves: nothing else may be dropped by accident."""
    (place.directory / "new").mkdir()
    ModelStore(str(place.directory / "new")).push(str(place.directory / "made" / "1"), number=1)
    code, output = place.lockstep("deploy", "new@1", f"--store={place.directory}")
    assert code == Exit.DEFINITION, output
    assert "--config" in output
    assert available(place.grpc, "m") == (1,)


def test_a_good_version_takes_over_and_is_undone_on_demand(place: Place) -> None:
    """Clients change over without a failure, the label goes along, other models stay, and back."""
    with clients(place.server.address, "m", 2) as tally:
        code, output = place.deploy("champion")
        assert code == 0, output
        assert available(place.grpc, "m") == (2,)
        with Client(place.grpc, "m", label="stable") as client:
            assert client.predict({"x": [0.0]}).version == 2
        file = place.directory / "models.config"
        assert "versions: 2" in file.read_text()
        code, output = place.lockstep("rollout", "status", "m")
        assert code == 0
        assert "m: 2 served" in output
        code, output = place.lockstep("rollout", "undo", "m", f"--config={file}")
        assert code == 0, output
    assert not tally.wrong
    assert set(tally.versions) == {1.0, 2.0}
    assert available(place.grpc, "m") == (1,)
    assert available(place.grpc, "other") == (2,)
    with Client(place.grpc, "m", label="stable") as client:
        assert client.predict({"x": [0.0]}).version == 1


def test_a_dry_run_changes_nothing(place: Place) -> None:
    """It prints each configuration that would be sent."""
    code, output = place.deploy("2", "--dry-run")
    assert code == 0, output
    assert output.count("model_config_list") == 4
    assert available(place.grpc, "m") == (1,)
