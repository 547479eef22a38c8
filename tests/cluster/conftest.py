"""A cluster to test against: the one that LOCKSTEP_TEST_KUBECONFIG names, and no other."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from lockstep.serving.errors import LockstepError
from lockstep.serving.kustomize import render
from lockstep.serving.rollout.cluster import MANAGER, Cluster, connect
from lockstep.serving.rollout.reach import at
from lockstep.serving.store import ModelStore

from .kubelet import Object

BUILDER: Final = Path(__file__).parents[1] / "serving" / "rollout" / "versions.py"
MANIFESTS: Final = Path(__file__).parents[2] / "manifests"
VARIABLE: Final = "LOCKSTEP_TEST_KUBECONFIG"
MISSING: Final = (
    f"no cluster: {VARIABLE} names no kubeconfig. `make test-cluster` starts a bare API server for "
    f"these tests; for kind or k3s: {VARIABLE}=~/.kube/config make test-slow (docs/cluster.md)"
)
FOREIGN: Final[Mapping[str, Sequence[str]]] = {
    "gateway.networking.k8s.io/v1": ("Gateway", "HTTPRoute", "GRPCRoute"),
    "monitoring.coreos.com/v1": ("PodMonitor", "PrometheusRule"),
    "networking.gke.io/v1": ("HealthCheckPolicy",),
}
"""What the overlays use and Kubernetes does not bring."""

Overlay = Callable[[str], Path]


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """The file that names the cluster; it is everybody's KUBECONFIG while tests run."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(MISSING)
    file = Path(named).expanduser()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        patch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
        yield file


@pytest.fixture(scope="session")
def client(kubeconfig: Path) -> Iterator[Any]:
    """The official client; kinds that the cluster lacks are there as long as tests run."""
    client = connect(None)
    made = [one for one in _definitions() if not _known(client, one)]
    api = client.resources.get(
        api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition"
    )
    try:
        for one in made:
            api.create(one)
        until(lambda: all(_known(client, one) for one in made))
        yield client
    finally:
        for one in made:
            api.delete(name=one["metadata"]["name"])


@pytest.fixture
def cluster(client: Any) -> Cluster:
    """What a rollout is given; no pod is reached."""
    return Cluster(client, at([]))


@pytest.fixture
def overlay(tmp_path: Path, client: Any) -> Iterator[Overlay]:
    """Make an overlay of manifests/ one for a namespace of its own, which goes after the test."""
    spaces: list[str] = []

    def make(folder: str) -> Path:
        spaces.append(new_space())
        return write_overlay(tmp_path / spaces[-1], folder, spaces[-1])

    yield make
    for name in spaces:
        drop_namespace(client, name)


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with versions 1 to 6 of taxi, of which 4 cannot be loaded; 2 is the champion."""
    here = tmp_path_factory.mktemp("versions")
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(BUILDER), str(here / "made")]
    subprocess.run(command, check=True, env=quiet, stderr=subprocess.DEVNULL)
    (here / "made" / "4" / "saved_model.pb").write_bytes(b"no model")
    store = ModelStore(str(here / "store" / "taxi"))
    for number in range(1, 7):
        store.push(str(here / "made" / str(number)), number=number)
    store.set_alias("champion", 2)
    return here / "store"


def new_space() -> str:
    """A namespace that no cluster has."""
    return f"lockstep-test-{uuid4().hex[:8]}"


def write_overlay(here: Path, folder: str, space: str, more: str = "") -> Path:
    """Write an overlay that takes one of manifests/ to another namespace."""
    here.mkdir()
    there = os.path.relpath(MANIFESTS / folder, here.resolve())
    text = f"namespace: {space}\nresources: [{there}]\n{more}"
    (here / "kustomization.yaml").write_text(text)
    try:
        render(here)
    except LockstepError as error:
        pytest.skip(str(error))
    return here


def drop_namespace(client: Any, name: str) -> None:
    """Delete a namespace, and so all that is in it."""
    from kubernetes.dynamic.exceptions import NotFoundError

    with suppress(NotFoundError):
        client.resources.get(api_version="v1", kind="Namespace").delete(name=name)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.1)


def space_of(objects: Sequence[Object]) -> str:
    """The namespace that an overlay makes."""
    (name,) = [one["metadata"]["name"] for one in objects if one["kind"] == "Namespace"]
    return str(name)


def make_namespace(cluster: Cluster, objects: Sequence[Object]) -> None:
    """Apply an overlay's Namespace alone: a dry run of the rest needs it."""
    cluster.applied(next(one for one in objects if one["kind"] == "Namespace"))


def plural(kind: str) -> str:
    """What a path calls objects of a kind."""
    return re.sub(r"(?<![aeo])ys$", "ies", f"{kind.lower()}s")


def _definitions() -> Iterator[Object]:
    for group_version, kinds in FOREIGN.items():
        group, _, version = group_version.partition("/")
        for kind in kinds:
            names = {"kind": kind, "plural": plural(kind), "singular": kind.lower()}
            schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            served = {"name": version, "served": True, "storage": True}
            yield {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {
                    "name": f"{names['plural']}.{group}",
                    "labels": {"app.kubernetes.io/managed-by": f"{MANAGER}-test"},
                    "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
                },
                "spec": {
                    "group": group,
                    "scope": "Namespaced",
                    "names": names,
                    "versions": [{**served, "schema": {"openAPIV3Schema": schema}}],
                },
            }


def _known(client: Any, definition: Object) -> bool:
    from kubernetes.dynamic.exceptions import ResourceNotFoundError

    spec = definition["spec"]
    version = f"{spec['group']}/{spec['versions'][0]['name']}"
    try:
        client.resources.get(api_version=version, kind=spec["names"]["kind"])
    except ResourceNotFoundError:
        return False
    return True
