"""Two arms in one environment: a rollout to one of them leaves the other alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockstep.serving.errors import Exit

from .place import Place, environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(
    client: Any, kubeconfig: Path, versions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """The environment test, empty."""
    here = tmp_path_factory.mktemp("test")
    with environment(client, kubeconfig, here, "test", versions) as place:
        yield place


def served(place: Place, arm: str) -> str:
    """What `lockstep rollout status` says first."""
    code, output = place.lockstep("rollout", "status", "taxi", f"--arm={arm}")
    assert code == 0, output
    return output.splitlines()[0]


def test_the_first_rollout_gives_both_arms_the_same_version(place: Place) -> None:
    """An A/A test, whatever version the files of the overlay stand for."""
    code, output = place.deploy("2")
    assert code == 0, (output, place.logs())
    assert served(place, "champion") == served(place, "challenger") == "taxi: 2 served"
    assert len(place.pods("champion")) == len(place.pods("challenger")) == 1


def test_a_rollout_to_the_challenger_leaves_the_champion_alone(place: Place) -> None:
    """Its pods are not even replaced; a bad challenger is undone like any other version."""
    before = place.pods("champion")
    code, output = place.deploy("1", "--arm=challenger")
    assert code == 0, (output, place.logs())
    assert served(place, "challenger") == "taxi: 1 served"
    code, output = place.deploy("3", "--arm=challenger")
    assert code == Exit.ROLLED_BACK, (output, place.logs())
    assert served(place, "challenger") == "taxi: 1 served"
    assert served(place, "champion") == "taxi: 2 served"
    assert place.pods("champion") == before
