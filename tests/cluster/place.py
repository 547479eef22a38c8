"""An environment in a cluster for rollouts: its store, its overlay, who deploys, and who calls."""

import json
import os
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from typer.testing import CliRunner

from lockstep.pipelines.cli import app
from lockstep.serving.errors import LockstepError
from lockstep.serving.kustomize import render
from lockstep.serving.rollout.cluster import MANAGER, Cluster
from lockstep.serving.rollout.objects import Object, owned
from lockstep.serving.rollout.reach import at

from .conftest import drop_namespace, new_space, write_overlay
from .kubelet import SCHEDULER, Kubelet

MORE: Final = """configMapGenerator:
  - name: model-store
    behavior: merge
    literals: [url={store}]
patches:
  - target: {{kind: Deployment}}
    patch: |
      - {{op: add, path: /spec/template/spec/schedulerName, value: {scheduler}}}
"""
"""An environment of manifests/, but for where its models are and who runs its pods."""


@dataclass
class Tally:
    """What callers were answered."""

    versions: Counter[float] = field(default_factory=Counter[float])
    wrong: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Place:
    """An environment, and how a user deploys to it."""

    cluster: Cluster
    kubelet: Kubelet
    directory: Path
    store: Path
    kubeconfig: Path
    """Of somebody who may what a deployer may, and no more."""

    def lockstep(self, *words: str) -> tuple[int, str]:
        """Run a command as the deployer; its exit code and everything that it said."""
        with pytest.MonkeyPatch.context() as patch:
            location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
            patch.setattr(location, str(self.kubeconfig))
            patch.setattr("lockstep.serving.rollout.reach.forwarded", lambda _: self.kubelet.reach)
            done = CliRunner().invoke(app, [*words, f"--overlay={self.directory}"])
        error = done.exception
        if isinstance(error, LockstepError):
            return int(error.exit_code), f"{done.output}{error}"
        assert error is None or isinstance(error, SystemExit), (error, self.logs())
        return done.exit_code, done.output

    def deploy(self, version: str, *words: str) -> tuple[int, str]:
        """Deploy a version as a user does."""
        known = [f"--store={self.store}", *([] if "--deadline=5" in words else ["--deadline=180"])]
        return self.lockstep("deploy", f"taxi@{version}", *known, *words)

    def live(self) -> dict[str, Object | None]:
        """What the deployer has in the cluster, object by object."""
        found = {
            f"{one['kind']} {one['metadata']['name']}": self.cluster.get(one)
            for one in render(self.directory)
        }
        return {name: one and owned(one, MANAGER) for name, one in found.items()}

    def deployment(self, name: str = "tf-serving") -> Object | None:
        """A live Deployment."""
        meta = {"name": name, "namespace": self.kubelet.namespace}
        return self.cluster.get({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta})

    def pods(self, arm: str = "champion") -> set[str]:
        """The names of an arm's pods that are ready."""
        return {
            name
            for name, pod in self.kubelet.pods.items()
            if pod.labels["lockstep.dev/arm"] == arm and pod.ready and pod.left is None
        }

    def logs(self) -> str:
        """What all pods said."""
        return "\n".join(f"{name}\n{pod.log()[-2000:]}" for name, pod in self.kubelet.pods.items())

    @contextmanager
    def callers(self) -> Generator[Tally]:
        """Call the Service's pods again and again while the block runs."""
        meta = {"name": "tf-serving", "namespace": self.kubelet.namespace}
        service = self.cluster.get({"apiVersion": "v1", "kind": "Service", "metadata": meta})
        assert service is not None
        ended, tally = threading.Event(), Tally()

        def call() -> None:
            while not ended.wait(0.01):
                try:
                    tally.versions[self._predict(service["spec"]["selector"])] += 1
                except Exception as error:  # whatever fails is what is looked for
                    tally.wrong.append(repr(error))

        thread = threading.Thread(target=call)
        thread.start()
        try:
            yield tally
        finally:
            ended.set()
            thread.join()

    def _predict(self, selector: dict[str, str]) -> float:
        address = self.kubelet.address(selector)
        assert address is not None, "no pod is ready"
        connection = HTTPConnection("127.0.0.1", address.rest, timeout=30)
        try:
            connection.request("POST", "/v1/models/taxi:predict", b'{"instances": [0.0]}')
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        (version,) = answer["predictions"]
        return float(version)


@contextmanager
def environment(
    client: Any, kubeconfig: Path, here: Path, name: str, store: Path
) -> Generator[Place]:
    """An environment whose namespace has nothing but its deployer, while a block runs."""
    space, cluster = new_space(), Cluster(client, at([]))
    access = render(write_overlay(here / "access", f"access/{name}", space))
    more = MORE.format(store=store, scheduler=SCHEDULER)
    overlay = write_overlay(here / "overlay", f"overlays/{name}", space, more)
    try:
        config = deployer(cluster, access, kubeconfig, here)
        with Kubelet(client, space, here / "pods").running() as kubelet:
            yield Place(cluster, kubelet, overlay, store, config)
    finally:
        drop_namespace(client, space)


def deployer(cluster: Cluster, access: list[Object], kubeconfig: Path, here: Path) -> Path:
    """Give the deployer's role to a service account of its own; a kubeconfig with its token."""
    (space,) = [one["metadata"]["name"] for one in access if one["kind"] == "Namespace"]
    meta = {"name": "deployer", "namespace": space}
    cluster.applied(next(one for one in access if one["kind"] == "Namespace"))
    cluster.applied({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    for one in access:
        if one["kind"] == "RoleBinding":
            one["subjects"] = [{"kind": "ServiceAccount", **meta}]
        cluster.applied(one)
    account = cluster.client.resources.get(api_version="v1", kind="ServiceAccount")
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = account.token.create(body=body, name="deployer", namespace=space).status.token
    config: Any = yaml.safe_load(kubeconfig.read_text())
    current = config["current-context"]
    context = next(one for one in config["contexts"] if one["name"] == current)["context"]
    context["user"] = "deployer"
    config["users"] = [{"name": "deployer", "user": {"token": token}}]
    file = here / "kubeconfig"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        yaml.safe_dump(config, stream)
    return file
