"""Each rule about manifests finds its own deliberate mistake, and no other rule finds it."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockstep.serving.errors import LockstepError
from lockstep.serving.kustomize import render
from lockstep.serving.manifests import RULES, check
from lockstep.serving.manifests.schemas import NO_PROMTOOL, alert_findings, schema_findings

OVERLAYS = Path(__file__).parents[3] / "manifests/overlays"
Json = dict[str, Any]


class Objects(dict[str, Json]):
    """The objects of an overlay by `Kind/name`, to be spoilt; extra ones under any key."""

    def pod(self, owner: str = "Deployment/tf-serving") -> Any:
        """The pod's spec."""
        return self[owner]["spec"]["template"]["spec"]

    def container(self, owner: str = "Deployment/tf-serving") -> Any:
        """The first container."""
        return self.pod(owner)["containers"][0]

    def config(self, arm: str = "") -> Any:
        """An arm's texts."""
        named = self.pod(f"Deployment/tf-serving{arm}")["volumes"]
        name = next(one["configMap"]["name"] for one in named if one["name"] == "config")
        return self[f"ConfigMap/{name}"]["data"]

    def cron(self) -> Any:
        """The spec of the retraining Job."""
        return self["CronJob/retrain"]["spec"]["jobTemplate"]["spec"]

    def argument(self, old: str, new: str) -> None:
        """Change the model server's arguments."""
        args = self.container()["args"]
        args[:] = [one.replace(old, new) for one in args]


@pytest.fixture(scope="session")
def overlays() -> dict[str, list[Json]]:
    """The environments dev (retraining) and prod (two arms, routes, monitoring), rendered once."""
    try:
        return {name: render(OVERLAYS / name) for name in ("dev", "prod")}
    except LockstepError as error:
        pytest.skip(str(error))


def _weights(objects: Objects, *kinds: str) -> None:
    for kind in kinds:
        split = objects[f"{kind}/tf-serving"]["spec"]["rules"][0]["backendRefs"]
        split[0]["weight"], split[1]["weight"] = 80, 20 if len(kinds) == 1 else 10


def _champion_only(objects: Objects) -> None:
    for name in ("gateway", "monitoring", "tf-serving"):
        selector = objects[f"NetworkPolicy/{name}"]["spec"]["podSelector"]
        selector["matchLabels"]["lockstep.dev/arm"] = "champion"


def _other_name(objects: Objects) -> None:
    texts = objects.config("-challenger")
    texts["models.config"] = texts["models.config"].replace('"taxi"', '"taxis"')
    container = objects.container("Deployment/tf-serving-challenger")
    for probe in ("startupProbe", "readinessProbe"):
        container[probe]["httpGet"]["path"] = "/v1/models/taxis/metadata"


def _secret(objects: Objects) -> None:
    meta = {"name": "key", "namespace": "lockstep-prod"}
    objects["extra"] = {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": meta,
        "data": {"k": "eA=="},
    }


def _context(objects: Objects, **values: Any) -> None:
    objects.container()["securityContext"] |= values


def _spec(objects: Objects, name: str, **values: Any) -> None:
    objects[name]["spec"] |= values


def _meta(objects: Objects, key: str, **values: Any) -> None:
    objects[key]["metadata"] |= values


def _rename(objects: Objects) -> None:
    volume = next(one for one in objects.pod()["volumes"] if one["name"] == "config")
    volume["configMap"]["name"] = "tf-serving-config"


def _text(objects: Objects, name: str, old: str, new: str) -> None:
    objects.config()[name] = objects.config()[name].replace(old, new)


def _rule(objects: Objects, kind: str, **values: Any) -> None:
    objects[f"{kind}/tf-serving"]["spec"]["rules"][1]["backendRefs"][0] |= values


HPA, PDB = "HorizontalPodAutoscaler/tf-serving", "PodDisruptionBudget/tf-serving"
POLICY = "NetworkPolicy/default-deny"

Spoil = Callable[[Objects], Any]
PODS: dict[str, Spoil] = {
    "selector-labels": lambda o: _spec(
        o, "Deployment/tf-serving", selector={"matchLabels": {"app": "tf-serving"}}
    ),
    "image-digest": lambda o: o.container().update(image="tensorflow/serving:2.16.1"),
    "run-as-non-root": lambda o: o.pod()["securityContext"].update(runAsUser=0),
    "privilege-escalation": lambda o: _context(o, allowPrivilegeEscalation=True),
    "capabilities": lambda o: _context(o, capabilities={"drop": ["NET_RAW"]}),
    "read-only-root": lambda o: _context(o, readOnlyRootFilesystem=False),
    "seccomp": lambda o: o.pod()["securityContext"].pop("seccompProfile"),
    "host-access": lambda o: o.pod().update(hostNetwork=True),
    "service-account-token": lambda o: o.pod().pop("automountServiceAccountToken"),
    "service-account-unknown": lambda o: o.pod().update(serviceAccountName="tf-servin"),
    "resource-requests": lambda o: o.container()["resources"]["requests"].pop("cpu"),
    "memory-limit": lambda o: o.container()["resources"]["limits"].pop("memory"),
    "quantity": lambda o: o.container()["resources"]["limits"].update(memory="2GB"),
    "requests-above-limits": lambda o: o.container()["resources"]["requests"].update(memory="9Gi"),
    "volume-above-limits": lambda o: o.pod()["volumes"][1].update(emptyDir={"sizeLimit": "1Gi"}),
    "probe-port": lambda o: o.container()["readinessProbe"]["httpGet"].update(port="rest"),
    "readiness-missing": lambda o: o.container().pop("readinessProbe"),
    "probe-status-url": lambda o: o.container()["readinessProbe"]["httpGet"].update(
        path="/v1/models/taxi"
    ),
    "port-twice": lambda o: o.container()["ports"].append({"name": "grpc", "containerPort": 9000}),
    "volume-unknown": lambda o: o.container()["volumeMounts"].append(
        {"name": "cache", "mountPath": "/cache"}
    ),
    "volume-unmounted": lambda o: o.pod()["volumes"].append({"name": "cache", "emptyDir": {}}),
    "pre-stop-missing": lambda o: o.container().pop("lifecycle"),
    "pre-stop-too-long": lambda o: o.pod().update(terminationGracePeriodSeconds=10),
    "server-port": lambda o: o.argument("--port=8500", "--port=9000"),
}
NETWORK: dict[str, Spoil] = {
    "service-without-pods": lambda o: o["Service/tf-serving"]["spec"]["selector"].update(
        {"lockstep.dev/arm": "champoin"}
    ),
    "service-target-port": lambda o: o["Service/tf-serving"]["spec"]["ports"][1].update(
        targetPort="rest"
    ),
    "service-app-protocol": lambda o: o["Service/tf-serving"]["spec"]["ports"][0].pop(
        "appProtocol"
    ),
    "route-backend": lambda o: _rule(o, "HTTPRoute", name="tf-servin"),
    "route-port": lambda o: _rule(o, "GRPCRoute", port=8502),
    "route-weights-sum": lambda o: _weights(o, "HTTPRoute", "GRPCRoute"),
    "route-weights-differ": lambda o: _weights(o, "HTTPRoute"),
    "network-policy-default-deny": lambda o: o.pop(POLICY),
    "network-policy-without-pods": lambda o: _spec(
        o, "NetworkPolicy/cloud-storage", podSelector={"matchLabels": {"app": "tf-serving"}}
    ),
    "network-policy-port": lambda o: o["NetworkPolicy/monitoring"]["spec"]["ingress"][0].update(
        ports=[{"port": "metrics"}]
    ),
    "network-policy-unreachable": _champion_only,
    "pod-monitor-port": lambda o: o["PodMonitor/tf-serving"]["spec"]["podMetricsEndpoints"][
        0
    ].update(port="metrics"),
}
SETTINGS: dict[str, Spoil] = {
    "config-map-unknown": _rename,
    "config-map-key": lambda o: o.cron()["template"]["spec"]["containers"][0]["env"][4][
        "valueFrom"
    ]["configMapKeyRef"].update(key="experimnt"),
    "config-file": lambda o: o.argument("/batching.config", "/batch.config"),
    "secret-in-manifests": _secret,
    "model-config": lambda o: _text(o, "models.config", "base_path", "path"),
    "model-version-pinned": lambda o: _text(
        o, "models.config", "specific { versions: 1 }", "all {}"
    ),
    "model-names-differ": _other_name,
    "model-not-probed": lambda o: o.container()["startupProbe"]["httpGet"].update(
        path="/v1/models/taxis/metadata"
    ),
    "batching-config": lambda o: _text(o, "batching.config", "num_batch_threads", "threads"),
    "monitoring-config": lambda o: _text(o, "monitoring.config", "enable", "enabled"),
}
POLICIES: dict[str, Spoil] = {
    "object-twice": lambda o: o.update(extra=copy.deepcopy(o[POLICY])),
    "object-name": lambda o: _meta(o, POLICY, name="default_deny"),
    "namespace-missing": lambda o: o["NetworkPolicy/dns"]["metadata"].pop("namespace"),
    "namespace-unknown": lambda o: _meta(o, "NetworkPolicy/dns", namespace="lockstep-prd"),
    "pod-security": lambda o: o["Namespace/lockstep-prod"]["metadata"]["labels"].update(
        {"pod-security.kubernetes.io/enforce": "baseline"}
    ),
    "hpa-target": lambda o: o[HPA]["spec"]["scaleTargetRef"].update(name="tf-servin"),
    "hpa-bounds": lambda o: _spec(o, HPA, minReplicas=50),
    "hpa-replicas": lambda o: _spec(o, "Deployment/tf-serving", replicas=3),
    "hpa-container": lambda o: o[HPA]["spec"]["metrics"][0]["containerResource"].update(
        container="serving"
    ),
    "pdb-without-pods": lambda o: _spec(o, PDB, selector={"matchLabels": {"app": "tf-serving"}}),
    "pdb-blocks": lambda o: _spec(o, PDB, maxUnavailable=0),
    "rbac-wildcard": lambda o: o["Role/retrain"]["rules"][0].update(verbs=["*"]),
    "role-unknown": lambda o: o["RoleBinding/retrain"]["roleRef"].update(name="retrian"),
    "role-subject": lambda o: o["RoleBinding/retrain"]["subjects"][0].update(name="retrian"),
    "cron-overlap": lambda o: _spec(o, "CronJob/retrain", concurrencyPolicy="Allow"),
    "cron-schedule": lambda o: _spec(o, "CronJob/retrain", schedule="every night"),
    "job-deadline": lambda o: o.cron().pop("activeDeadlineSeconds"),
    "job-restart-policy": lambda o: o.cron()["template"]["spec"].update(restartPolicy="Always"),
}
MISTAKES = PODS | NETWORK | SETTINGS | POLICIES
IN_DEV = ("config-map-key", "rbac-wildcard", "role-", "cron-", "job-")


def _spoilt(overlays: dict[str, list[Json]], rule: str) -> list[Json]:
    rendered = overlays["dev" if rule.startswith(IN_DEV) else "prod"]
    named = {f"{one['kind']}/{one['metadata']['name']}": one for one in rendered}
    objects = Objects(copy.deepcopy(named))
    MISTAKES[rule](objects)
    assert list(objects.values()) != rendered, "the mistake changes nothing"
    return list(objects.values())


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_overlays_are_clean(overlays: dict[str, list[Json]], overlay: str) -> None:
    """What is shipped breaks no rule."""
    assert check(overlays[overlay]) == []


def test_every_rule_has_its_mistake() -> None:
    """No rule is untested, and no test is of a rule that is gone."""
    assert set(MISTAKES) == set(RULES)


@pytest.mark.parametrize("rule", MISTAKES)
def test_only_its_rule_finds_a_mistake(overlays: dict[str, list[Json]], rule: str) -> None:
    """A mistake is found by its rule; with that rule left out, nothing finds it."""
    objects = _spoilt(overlays, rule)
    assert {found.rule for found in check(objects)} == {rule}
    assert check(objects, {name: one for name, one in RULES.items() if name != rule}) == []


def test_schemas_find_wrong_types_and_unknown_fields(overlays: dict[str, list[Json]]) -> None:
    """What Kubernetes' schemas refuse is told with the releases that refuse it."""
    deployment = next(one for one in overlays["prod"] if one["kind"] == "Deployment")
    wrong = copy.deepcopy(deployment)
    wrong["spec"]["minReadySeconds"] = "ten"
    unknown = copy.deepcopy(deployment)
    unknown["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []
    versions = ("1.29", "1.37")
    assert schema_findings([deployment], versions) == ([], [])
    for spoilt, named in ((wrong, "minReadySeconds"), (unknown, "volumeMount")):
        found, _ = schema_findings([spoilt], versions)
        assert found
        assert {one.rule for one in found} == {"schema"}
        assert any(named in one.what and "1.29 to 1.37" in one.what for one in found)


def test_custom_resources_are_told_as_unchecked(overlays: dict[str, list[Json]]) -> None:
    """A kind without a schema is no finding, but is named."""
    routes = [one for one in overlays["prod"] if one["kind"] == "HTTPRoute"]
    assert schema_findings(routes, ("1.37",)) == ([], ["HTTPRoute"])


def test_promtool_finds_a_wrong_expression(overlays: dict[str, list[Json]]) -> None:
    """An alert that Prometheus cannot read is found before it is silent."""
    if not shutil.which("promtool"):
        pytest.skip(NO_PROMTOOL)
    assert alert_findings(overlays["prod"]) == ([], [])
    rules = copy.deepcopy([one for one in overlays["prod"] if one["kind"] == "PrometheusRule"])
    rules[0]["spec"]["groups"][0]["rules"][0]["expr"] = "sum by ("
    found, notes = alert_findings(rules)
    assert ([one.rule for one in found], notes) == (["alert-rule"], [])


def test_without_promtool_a_sentence_says_so(
    overlays: dict[str, list[Json]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that was not made is told, not passed over."""
    monkeypatch.setenv("PATH", "")
    assert alert_findings(overlays["prod"]) == ([], [NO_PROMTOOL])
