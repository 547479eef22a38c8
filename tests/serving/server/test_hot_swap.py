"""New versions arrive while clients send: nobody notices but by the answers."""

import time
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from lockstep.serving.store import ModelStore

from ...conformance.serving.servers import OWN, start, wait_until_ready
from ...conformance.serving.warm import Warm
from .load import Usage, clients, settled, until

HEAVY: Final = Path(__file__).with_name("heavy.py")
VERSIONS, MEGABYTES = 10, 20
CLIENTS: Final = 32


@pytest.fixture(scope="session")
def heavy(forks: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that answer 1 to 10 and weigh."""
    directory = tmp_path_factory.mktemp("heavy")
    command = [str(HEAVY), str(directory), str(VERSIONS), str(MEGABYTES)]
    forks.run(command, directory / "log")
    return directory


@pytest.mark.parametrize(
    ("seconds", "versions"),
    [(8, 4), pytest.param(60, VERSIONS, marks=pytest.mark.full)],
)
def test_versions_are_swapped_under_load(
    seconds: int, versions: int, heavy: Path, forks: Warm, tmp_path: Path
) -> None:
    """No request fails, each answer is of one version, and old versions leave no memory behind."""
    store = ModelStore(str(tmp_path / "m"), clock=lambda: 1)  # versions 1, 2, 3, ...
    store.push(str(heavy / "1"))
    flags = ["--model_name=m", f"--model_base_path={tmp_path / 'm'}"]
    server = start(OWN, flags, tmp_path / "log", forks)
    try:
        wait_until_ready(server, ["m"])
        with clients(server.address, "m", CLIENTS):
            time.sleep(1)
        before = Usage.of(server.process.pid)
        with clients(server.address, "m", CLIENTS) as tally:
            began = time.monotonic()
            for number in range(2, versions + 1):
                assert store.push(str(heavy / str(number))).version.number == number
                assert until(partial(tally.versions.__contains__, float(number))), tally
                time.sleep(max(0, began + (number - 1) * seconds / versions - time.monotonic()))
            time.sleep(max(0, began + seconds - time.monotonic()))
        after = settled(server.process.pid, before, megabytes=MEGABYTES)
    finally:
        ended = server.stop()
    assert not tally.wrong, (len(tally.wrong), tally.wrong[:5])
    assert set(tally.versions) == {float(number) for number in range(1, versions + 1)}
    assert not after.is_more_than(before, megabytes=MEGABYTES), (before, after)
    assert ended == 0
