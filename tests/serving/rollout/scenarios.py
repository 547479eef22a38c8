"""What a rollout to any cluster has to do, whichever API server it has."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lockstep.serving.contract.file import loads
from lockstep.serving.contract.model import Contract
from lockstep.serving.contract.stub.fake import FakeServer
from lockstep.serving.rollout.answers import Expected
from lockstep.serving.rollout.cluster import Cluster, plan_rollout
from lockstep.serving.rollout.engine import roll_out
from lockstep.serving.rollout.objects import Object, pin

NAMESPACE = "lockstep-rollout-test"
CONFIG = """model_config_list { config { name: "taxi" base_path: "/models/taxi"
  model_platform: "tensorflow" model_version_policy { specific { versions: 7 } } } }
"""
PROMISED = b"""
format: lockstep.contract/v1
model: taxi
version: 1.0.0
inputs:
  miles: {dtype: float32}
outputs:
  tips: {dtype: float32}
"""


def contract(text: bytes = PROMISED) -> Contract:
    """What the version promises, or what a bad one does instead."""
    return loads(text, "taxi.yaml").value


def overlay(image: str = "registry.invalid/tf-serving@sha256:" + 64 * "0") -> list[Object]:
    """A small environment, as kustomize renders it."""
    labels = {"app.kubernetes.io/name": "tf-serving", "lockstep.dev/arm": "champion"}

    def meta(name: str) -> dict[str, Any]:
        return {"name": name, "namespace": NAMESPACE, "labels": dict(labels)}

    container = {
        **{"name": "tf-serving", "image": image},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/tf-serving"}],
    }
    first, second = ({"name": name, "image": image} for name in ("wait", "fetch"))
    volume = {"name": "config", "configMap": {"name": "tf-serving-config-abcdefghij"}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            **{"apiVersion": "v1", "kind": "ConfigMap"},
            **{"metadata": meta("tf-serving-config-abcdefghij"), "data": {"models.config": CONFIG}},
        },
        {
            **{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("tf-serving")},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": dict(labels)},
                "template": {
                    "metadata": {"labels": dict(labels)},
                    "spec": {
                        "initContainers": [first, second],
                        **{"containers": [container], "volumes": [volume]},
                    },
                },
            },
        },
    ]


@dataclass
class Story:
    """A cluster, its pods' answers, and what was told on the way."""

    client: Any
    served: Contract = field(default_factory=contract)
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @contextmanager
    def reach(self, live: Object) -> Generator[Sequence[str]]:
        """A stand-in for the pods of a Deployment, which always serves version 1."""
        self.asked.append(live["metadata"]["name"])
        with FakeServer(self.served) as server:
            yield [server.address]

    @property
    def cluster(self) -> Cluster:
        """What a rollout is given."""
        return Cluster(self.client, self.reach)

    def deploy(self, version: int, clock: Any, *, rehearse: bool = True) -> None:
        """Deploy a version; the stand-in only ever answers as version 1."""
        objects = pin(overlay(), "champion", "taxi", version)
        expected = Expected("taxi", version, contract())
        plan = plan_rollout(self.cluster, objects, "champion", expected, rehearse=rehearse)
        roll_out(plan, self.cluster, clock, deadline=5, tell=self.told.append)

    def config(self) -> str:
        """The models.config that the live Deployment mounts."""
        live = self.cluster.get(overlay()[2])
        assert live is not None
        (volume,) = live["spec"]["template"]["spec"]["volumes"]
        mounted = overlay()[1]
        mounted["metadata"]["name"] = volume["configMap"]["name"]
        found = self.cluster.get(mounted)
        assert found is not None
        return str(found["data"]["models.config"])
