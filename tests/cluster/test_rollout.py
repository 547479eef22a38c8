"""Rollouts in a cluster with a real API server and real controllers, while callers keep calling.

The environment is `dev` as it is in manifests/, mirror and all; the deployer is a service account
with the rights of manifests/access; the pods' containers run here (see `kubelet`).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from lockstep.serving.errors import Exit

from .conftest import until
from .place import Place, environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(
    client: Any, kubeconfig: Path, versions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """The environment dev, empty; of the versions 1 to 6 the first two are good."""
    here = tmp_path_factory.mktemp("dev")
    with environment(client, kubeconfig, here, "dev", versions) as place:
        yield place


def test_the_first_rollout_makes_an_environment_that_answers(place: Place) -> None:
    """From an empty namespace to a pod that has mirrored its version and answers on both ports."""
    code, output = place.deploy("1")
    assert code == 0, (output, place.logs())
    code, output = place.lockstep("rollout", "status", "taxi")
    assert code == 0
    assert "taxi: 1 served" in output
    (pod,) = place.kubelet.pods.values()
    assert "taxi 1 is here" in pod.log()


def test_a_dry_run_shows_what_would_differ(place: Place) -> None:
    """The version in the configuration, and its new name in the Deployment; nothing is changed."""
    before = place.live()
    code, output = place.deploy("2", "--dry-run")
    assert code == 0, output
    assert "versions: 2" in output
    changed = re.findall(r"^--- live (\w+)", output, re.MULTILINE)
    assert changed == ["ConfigMap", "Deployment"]
    assert place.live() == before


def test_what_others_have_changed_is_shown(place: Place) -> None:
    """Drift: a setting that somebody edited differs from the overlay, and only that."""
    live = place.deployment()
    assert live is not None
    kind = place.cluster.client.resources.get(api_version="apps/v1", kind="Deployment")
    kind.patch(
        {"spec": {"revisionHistoryLimit": 9}},
        **{"name": "tf-serving", "namespace": place.kubelet.namespace},
        **{"content_type": "application/merge-patch+json", "field_manager": "somebody"},
    )
    code, output = place.deploy("1", "--dry-run")
    assert code == 0, output
    changed = re.findall(r"^[+-] .*$", output, re.MULTILINE)
    assert changed == ["-  revisionHistoryLimit: 9", "+  revisionHistoryLimit: 5"]
    code, output = place.deploy("1")
    assert code == 0, output
    live = place.deployment()
    assert live is not None
    assert live["spec"]["revisionHistoryLimit"] == 5


BAD: Final = {
    "missing signature": ("3", (), "no signature serving_default"),
    "corrupt": ("4", (), "CrashLoopBackOff"),
    "slow": ("5", ("--max-latency=100",), "slow"),
    "refusing": ("6", (), "taxi@6"),
    "stuck": ("2", ("--deadline=5",), "0 ready (Unschedulable: "),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_version_is_undone_and_no_caller_notices(what: str, place: Place) -> None:
    """Objects and pods are as they were, the one aside is gone; no request failed or met it."""
    version, options, said = BAD[what]
    before, pods = place.live(), place.pods()
    place.kubelet.full = what == "stuck"
    try:
        with place.callers() as tally:
            code, output = place.deploy(version, *options)
    finally:
        place.kubelet.full = False
    assert code == Exit.ROLLED_BACK, (output, place.logs())
    assert said in output
    assert not tally.wrong
    assert set(tally.versions) == {1.0}
    assert place.live() == before
    assert place.pods() == pods
    assert place.deployment("tf-serving-rehearsal") is None
    assert re.findall(rf"taxi@{version} +undone ", place.lockstep("rollout", "status", "taxi")[1])


def test_a_bad_version_that_was_not_asked_aside_is_undone_too(place: Place) -> None:
    """The old pod stays until the new one is ready, so there is somebody to go back to."""
    before, pods = place.live(), place.pods()
    with place.callers() as tally:
        code, output = place.deploy("4", "--no-rehearse")
    assert code == Exit.ROLLED_BACK, (output, place.logs())
    assert not tally.wrong
    assert set(tally.versions) == {1.0}
    assert place.live() == before
    assert place.pods() == pods


def test_a_good_version_takes_over_and_is_undone_on_demand(place: Place) -> None:
    """Callers change over without a failure, and back; both are on record."""
    with place.callers() as tally:
        code, output = place.deploy("champion")
        assert code == 0, (output, place.logs())
        until(lambda: tally.versions[2.0] > 0)
        code, output = place.lockstep("rollout", "undo", "taxi")
        assert code == 0, (output, place.logs())
        seen = tally.versions[1.0]
        until(lambda: tally.versions[1.0] > seen)
    assert not tally.wrong
    code, output = place.lockstep("rollout", "status", "taxi")
    assert code == 0
    assert "taxi: 1 served" in output
    assert re.findall(r"what was before taxi@2 \(champion\) +undo\b", output)
    assert place.deployment("tf-serving-rehearsal") is None


def test_undoing_the_first_rollout_leaves_the_namespace(place: Place) -> None:
    """What was there before it was nothing; the deployer's own role and the record stay."""
    for _ in range(2):  # the one that mended the drift, and the first
        code, output = place.lockstep("rollout", "undo", "taxi")
        assert code == 0, (output, place.logs())
    assert [name for name, one in place.live().items() if one] == [
        f"Namespace {place.kubelet.namespace}"
    ]
    code, output = place.lockstep("rollout", "undo", "taxi")
    assert code == Exit.USAGE
    assert "no rollout" in output
