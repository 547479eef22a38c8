"""Who may do what: asked of the API server, not read from YAML."""

import os
from collections.abc import Iterator
from typing import Any, Final

import pytest

from lockstep.serving.errors import ClusterRefused
from lockstep.serving.kustomize import render
from lockstep.serving.rollout.cluster import Cluster
from lockstep.serving.rollout.objects import Object, ordered

from .conftest import Overlay, plural, space_of, until

pytestmark = pytest.mark.slow
OVERLAYS: Final = ("dev", "test", "staging", "prod")
KUBEFLOW: Final = "pipelines.kubeflow.org"
EVERY: Final = ("get", "list", "watch", "create", "update", "patch", "delete")


def may(client: Any, user: str, space: str, verb: str, what: str, group: str = "") -> bool:
    """`kubectl auth can-i VERB WHAT.GROUP --namespace SPACE --as USER`."""
    kind = client.resources.get(api_version="authorization.k8s.io/v1", kind="SubjectAccessReview")
    resource, _, sub = what.partition("/")
    asked = {"namespace": space, "verb": verb, "resource": resource, "group": group}
    spec = {"user": user, "resourceAttributes": {**asked, "subresource": sub}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return bool(kind.create(body).to_dict()["status"]["allowed"])


def asks(objects: list[Object]) -> Iterator[tuple[str, str]]:
    """The resource and the group of each kind that an overlay has."""
    for kind, version in {(one["kind"], one["apiVersion"]) for one in objects}:
        yield plural(kind), version.rpartition("/")[0]


@pytest.mark.parametrize("environment", OVERLAYS)
def test_a_deployer_may_what_the_overlay_needs_and_only_in_its_place(
    environment: str, overlay: Overlay, cluster: Cluster
) -> None:
    """Each kind of the overlay, and nothing of secrets, other namespaces or the whole cluster."""
    access, objects = (render(overlay(f"{f}/{environment}")) for f in ("access", "overlays"))
    for one in ordered(access):
        cluster.applied(one)
    space = space_of(access)
    (binding,) = [one for one in access if one["kind"] == "RoleBinding"]
    (subject,) = binding["subjects"]

    def can(verb: str, what: str, group: str = "", there: str = space) -> bool:
        return may(cluster.client, subject["name"], there, verb, what, group)

    until(lambda: can("get", "configmaps"))  # a role is known to the server a moment later
    for what, group in asks(objects):
        needed = ("get", "patch") if what == "namespaces" else ("get", "create", "patch")
        assert all(can(verb, what, group) for verb in needed), (what, group)
        assert not can("get", what, group, "default")
    assert can("create", "pods/portforward")
    assert not any(can(verb, "secrets") for verb in EVERY)
    assert not any(can(verb, what) for verb in ("create", "delete") for what in ("namespaces",))
    assert not can("create", "pods")
    assert not can("create", "pods/exec")
    assert not can("escalate", "roles", "rbac.authorization.k8s.io")
    assert not can("create", "clusterroles", "rbac.authorization.k8s.io", "")


def test_the_retraining_pod_may_submit_and_nothing_else(overlay: Overlay, cluster: Cluster) -> None:
    """Kubeflow's pipelines, experiments and runs in its namespace; nothing of Kubernetes itself."""
    objects = render(overlay("overlays/dev"))
    for one in ordered(objects):
        if one["kind"] in ("Namespace", "ServiceAccount", "Role", "RoleBinding"):
            cluster.applied(one)
    space = space_of(objects)
    user = f"system:serviceaccount:{space}:retrain"

    def can(verb: str, what: str, group: str = "", there: str = space) -> bool:
        return may(cluster.client, user, there, verb, what, group)

    until(lambda: can("get", "pipelines", KUBEFLOW))
    for what in ("pipelines", "experiments", "runs"):
        allowed = {verb for verb in EVERY if can(verb, what, KUBEFLOW)}
        assert allowed == {"get", "list", "create"}
        assert not can("create", what, KUBEFLOW, "default")
    for what in ("pods", "secrets", "configmaps", "serviceaccounts", "namespaces"):
        assert not any(can(verb, what) for verb in EVERY), what


@pytest.mark.parametrize("environment", OVERLAYS)
def test_a_serving_pod_may_nothing(environment: str, overlay: Overlay, cluster: Cluster) -> None:
    """To Kubernetes it is nobody."""
    objects = render(overlay(f"overlays/{environment}"))
    for one in ordered(objects):
        if one["kind"] in ("Namespace", "ServiceAccount"):
            cluster.applied(one)
    space = space_of(objects)
    user = f"system:serviceaccount:{space}:tf-serving"
    for what in ("pods", "secrets", "configmaps", "services", "serviceaccounts"):
        assert not any(may(cluster.client, user, space, verb, what) for verb in EVERY), what


def test_what_a_deployer_may_not_is_told(overlay: Overlay, cluster: Cluster) -> None:
    """The server's own words, and where the permissions are described."""
    from kubernetes import client, dynamic

    objects = render(overlay("overlays/dev"))
    cluster.applied(next(one for one in objects if one["kind"] == "Namespace"))
    nobody: Any = client.ApiClient(cluster.client.configuration)
    nobody.set_default_header("Impersonate-User", "nobody@example.com")
    other = dynamic.DynamicClient(nobody, cache_file=f"{os.devnull}/none")
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    with pytest.raises(ClusterRefused, match="cannot patch resource") as caught:
        Cluster(other, cluster.reach).applied(deployment)
    assert "docs/rollout.md" in str(caught.value)
