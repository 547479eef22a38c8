"""Every overlay, as a real API server takes it: it sees what schemas do not."""

import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import pytest

from lockstep.serving.errors import ClusterRefused
from lockstep.serving.kustomize import render
from lockstep.serving.rollout.cluster import Cluster
from lockstep.serving.rollout.objects import Object, difference, named, ordered

from .conftest import Overlay, make_namespace, space_of

pytestmark = pytest.mark.slow
FOLDERS: Final = (
    *("overlays/dev", "overlays/test", "overlays/staging", "overlays/prod", "jobs/retrain"),
)
REST: Final = ("access/dev", "access/prod", "gateway")
"""What an administrator applies once."""


@pytest.mark.parametrize("folder", FOLDERS + REST)
def test_a_dry_run_takes_every_object_and_changes_nothing(
    folder: str, overlay: Overlay, cluster: Cluster
) -> None:
    """Names, quantities, ports, cross-references within an object: the server validates them."""
    objects = render(overlay(folder))
    make_namespace(cluster, objects)
    for one in ordered(objects):
        assert cluster.applied(one, dry_run=True)["metadata"]["name"] == one["metadata"]["name"]
        assert (cluster.get(one) is not None) == (one["kind"] == "Namespace"), named(one)


@pytest.mark.parametrize("folder", FOLDERS + REST)
def test_what_is_applied_twice_changes_nothing(
    folder: str, overlay: Overlay, cluster: Cluster
) -> None:
    """No default of the server, and no controller, makes an overlay differ from what it made."""
    objects = render(overlay(folder))
    for one in ordered(objects):
        cluster.applied(one)
    for one in objects:
        live = cluster.get(one)
        assert live is not None
        assert difference(live, cluster.applied(one, dry_run=True)) == "", named(one)


@pytest.mark.parametrize("folder", FOLDERS + REST)
def test_the_server_warns_of_nothing(folder: str, overlay: Overlay, cluster: Cluster) -> None:
    """No deprecated version, no unknown field, nothing that Pod Security would refuse."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on the PATH: docs/operate.md says how to get one")
    directory = overlay(folder)
    make_namespace(cluster, render(directory))
    command = ["kubectl", "apply", "--server-side", "--dry-run=server", "--validate=strict"]
    done = subprocess.run(
        [*command, "--force-conflicts", "-k", str(directory)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def pods(objects: list[Object]) -> Iterator[Object]:
    """Each workload's pod, by itself."""
    for one in objects:
        spec = one.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            meta = {**template["metadata"], "name": "alone", "namespace": space_of(objects)}
            yield {"apiVersion": "v1", "kind": "Pod", **template, "metadata": meta}


def create(client: Any, pod: Object) -> Any:
    """Ask whether a pod would be let in."""
    kind = client.resources.get(api_version="v1", kind="Pod")
    return kind.create(pod, namespace=pod["metadata"]["namespace"], dry_run="All")


@pytest.mark.parametrize("folder", FOLDERS)
def test_its_pods_are_let_in(folder: str, overlay: Overlay, cluster: Cluster) -> None:
    """Pod Security `restricted` is enforced in the namespace, and the service accounts exist."""
    objects = render(overlay(folder))
    for one in ordered(objects):
        if one["kind"] in ("Namespace", "ServiceAccount"):
            cluster.applied(one)
    found = list(pods(objects))
    assert found
    for pod in found:
        create(cluster.client, pod)


def test_a_pod_that_may_do_more_is_turned_away(overlay: Overlay, cluster: Cluster) -> None:
    """The namespace's labels work: the same pod as root does not get in."""
    from kubernetes.dynamic.exceptions import ForbiddenError

    objects = render(overlay("overlays/prod"))
    for one in ordered(objects):
        if one["kind"] in ("Namespace", "ServiceAccount"):
            cluster.applied(one)
    pod = next(pods(objects))
    pod["spec"]["securityContext"] |= {"runAsNonRoot": False, "runAsUser": 0}
    with pytest.raises(ForbiddenError, match="violates PodSecurity"):
        create(cluster.client, pod)


def test_what_the_server_refuses_is_said(overlay: Overlay, cluster: Cluster) -> None:
    """The API server's own words, in the three parts of a mistake."""
    objects = render(overlay("overlays/dev"))
    make_namespace(cluster, objects)
    service = next(one for one in objects if one["kind"] == "Service")
    service["spec"]["ports"][0]["port"] = 85000
    with pytest.raises(ClusterRefused, match=r"spec\.ports\[0\]\.port: Invalid value"):
        cluster.applied(service)
