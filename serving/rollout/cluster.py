"""A rollout to a Kubernetes cluster: server-side apply, by the official client.

Where callers are served already, a pod of its own comes first, with the new version and labels that
no Service selects. Only when it has answered over both ports, the Deployment that callers reach is
changed; Kubernetes then replaces its pods one by one.
"""

import gzip
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ClusterRefused, RolloutFailed, UnreachableCluster
from .answers import Expected, NotYet, verify
from .engine import Plan, Step
from .history import Record
from .objects import Object, deployment_of, made_from, named, ordered, owned, rehearsal

__all__ = ["MANAGER", "Change", "Cluster", "Rolled", "connect", "plan_rollout", "plan_undo"]

MANAGER: Final = "lockstep"
_RECORDS: Final = "lockstep-rollouts"
_PACKED: Final = "rollouts.gz"
_KEPT: Final = 5
_ROUTES: Final = ("HTTPRoute", "GRPCRoute")
_HOPELESS: Final = ("CrashLoopBackOff", "InvalidImageName", "CreateContainerConfigError")

Reach = Callable[[Object], AbstractContextManager[Sequence[str]]]
"""The addresses at which a Deployment answers, for as long as a block runs."""


@dataclass(frozen=True)
class Change:
    """What is applied, and what is deleted."""

    apply: tuple[Object, ...] = ()
    delete: tuple[Object, ...] = ()


@dataclass(frozen=True)
class Rolled:
    """A Deployment whose pods are all new and ready, and answer if anything is expected."""

    deployment: Object
    expected: Expected | None = None


@dataclass(frozen=True)
class Cluster:
    """A cluster, and how its pods are reached."""

    client: Any
    """A `kubernetes.dynamic.DynamicClient`."""
    reach: Reach

    def get(self, one: Object) -> Object | None:
        """A live object; None if it is not there."""
        from kubernetes.dynamic.exceptions import NotFoundError

        try:
            found = self._call(one, "get")
        except NotFoundError:
            return None
        return dict(found.to_dict())

    def applied(self, one: Object, *, dry_run: bool = False) -> Object:
        """Apply an object, or ask the server what would come of it.

        Raises:
            ClusterRefused: it does not take it.
        """
        from kubernetes.dynamic.exceptions import DynamicApiError

        options = {"dry_run": "All"} if dry_run else {}
        try:
            found = self._call(
                one,
                "server_side_apply",
                body=one,
                force_conflicts=True,
                field_manager=MANAGER,
                **options,
            )
        except DynamicApiError as error:
            raise _refused(one, error) from error
        return dict(found.to_dict())

    def apply(self, change: Change) -> None:
        """Apply and delete."""
        from kubernetes.dynamic.exceptions import DynamicApiError, NotFoundError

        for one in ordered(change.apply):
            self.applied(one)
        for one in reversed(ordered(change.delete)):
            try:
                self._call(one, "delete")
            except NotFoundError:
                continue
            except DynamicApiError as error:
                raise _refused(one, error) from error

    def check(self, expected: Rolled) -> None:
        """Look whether a Deployment is done, and whether it answers as it has to."""
        live = self.get(expected.deployment)
        if live is None:
            reason = f"{named(expected.deployment)} is not there"
            raise NotYet(reason)
        self._done(live)
        if expected.expected is not None:
            with self.reach(live) as addresses:
                verify(addresses, expected.expected)

    def records(self, namespace: str) -> list[Record]:
        """What has been rolled out to a namespace."""
        live = self.get(_records(namespace, []))
        packed = (live or {}).get("binaryData", {}).get(_PACKED)
        lines = gzip.decompress(b64decode(packed)).decode().splitlines() if packed else []
        return [Record(**json.loads(line)) for line in lines]

    def record(self, namespace: str, record: Record) -> None:
        """Put a rollout on record; however many fail, those that can be undone stay."""
        known = [*self.records(namespace), record]
        failed = [one for one in known if one.outcome == "undone"][-_KEPT:]
        changed = [one for one in known if one.outcome != "undone"][-_KEPT:]
        self.applied(_records(namespace, [one for one in known if one in failed + changed]))

    def _done(self, live: Object) -> None:
        """Whether every pod is new and ready."""
        status, wanted = live.get("status", {}), live["spec"].get("replicas", 1)
        for one in status.get("conditions", []):
            if (one["type"], one["status"]) == ("Progressing", "False"):
                raise _failed(live, one.get("message", one.get("reason", "")))
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")]
        seen = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
        if seen and counts == [wanted] * 3:
            return
        why = self._waiting(live)
        if any(reason in why for reason in _HOPELESS):
            raise _failed(live, why)
        reason = f"{named(live)}: {counts[1]} of {wanted} pods new, {counts[2]} ready {why}".strip()
        raise NotYet(reason)

    def _waiting(self, live: Object) -> str:
        """What its new pods say that they wait for; old ones may be on their way out."""
        labels = live["spec"]["selector"]["matchLabels"]
        pods = self.client.resources.get(api_version="v1", kind="Pod").get(
            namespace=live["metadata"].get("namespace"),
            label_selector=",".join(f"{key}={value}" for key, value in labels.items()),
        )
        said = set[str]()
        for pod in pods.to_dict().get("items", []):
            if not made_from(live["spec"]["template"], pod):
                continue
            status = pod.get("status", {})
            for one in status.get("conditions") or []:
                if (one["type"], one["status"]) == ("PodScheduled", "False"):
                    said.add(f"{one.get('reason')}: {one.get('message')}")
            for one in (status.get("initContainerStatuses") or []) + (
                status.get("containerStatuses") or []
            ):
                waiting = (one.get("state") or {}).get("waiting") or {}
                said |= {waiting["reason"]} if waiting.get("reason") else set()
        return f"({', '.join(sorted(said))})" if said else ""

    def _call(self, one: Object, verb: str, **options: Any) -> Any:
        """Ask the API for an object's kind."""
        from kubernetes.dynamic.exceptions import ResourceNotFoundError
        from urllib3.exceptions import HTTPError

        try:
            kind = self.client.resources.get(api_version=one["apiVersion"], kind=one["kind"])
        except ResourceNotFoundError as error:
            raise ClusterRefused(
                given=f"the cluster has no kind {one['kind']} ({one['apiVersion']})",
                allowed="the kinds of kubectl api-resources",
                todo="install what defines it (docs/operate.md), or leave its component out",
            ) from error
        except HTTPError as error:
            raise _unreachable(str(error)) from error
        meta = one["metadata"]
        try:
            return getattr(kind, verb)(
                name=meta["name"], namespace=meta.get("namespace"), **options
            )
        except HTTPError as error:
            raise _unreachable(str(error)) from error


def connect(context: str | None) -> Any:
    """The cluster of the kubeconfig, or the one that this pod is in.

    Raises:
        UnreachableCluster: there is none.
    """
    from kubernetes import client, config, dynamic
    from urllib3.exceptions import HTTPError

    try:
        try:
            api = config.new_client_from_config(context=context)
        except config.ConfigException:
            if context is not None:
                raise
            config.load_incluster_config()
            api = client.ApiClient()
        # No cache: its file in /tmp outlives kinds, and clusters at the same address.
        return dynamic.DynamicClient(api, cache_file=f"{os.devnull}/none")
    except (config.ConfigException, HTTPError, client.ApiException) as error:
        raise _unreachable(str(error)) from error


def plan_rollout(
    cluster: Cluster, objects: Sequence[Object], arm: str, expected: Expected, *, rehearse: bool
) -> Plan:
    """Apply an overlay that serves a version."""
    wanted = deployment_of(objects, arm)
    lives = [(one, cluster.get(one)) for one in objects]
    before = tuple(owned(live, MANAGER) for _, live in lives if live is not None)
    absent = tuple(one for one, live in lives if live is None and one["kind"] != "Namespace")
    there = cluster.get(wanted) is not None
    routes = tuple(one for one in objects if one["kind"] in _ROUTES)
    pods = Change(tuple(one for one in objects if one not in routes))
    steps = [Step("apply the overlay, and ask its pods", pods, Rolled(wanted, expected))]
    drop: tuple[Object, ...] = ()
    if rehearse and there:
        aside = rehearsal(objects, arm)
        drop = (aside[-1],)
        steps = [
            Step("ask a pod aside", Change(tuple(aside)), Rolled(aside[-1], expected)),
            *steps,
            Step("drop the pod aside", Change(delete=drop)),
        ]
    others = [o for o in objects if o["kind"] == "Deployment" and o is not wanted]
    steps += [Step(f"wait for {named(one)}", None, Rolled(one)) for one in others]
    steps += [Step("let the routes send callers", Change(routes))] if routes else []
    back = Step("apply again what was there", Change(before, (*absent, *drop)))
    waits = [Step(f"wait for {named(wanted)}", None, Rolled(wanted))] if there else []
    name = f"{expected.model}@{expected.version}"
    return Plan(name, Change(tuple(objects)), tuple(steps), (back, *waits))


def plan_undo(name: str, before: Change, after: Change, arm: str) -> Plan:
    """Apply again what was there before a rollout."""
    deployments = [o for o in before.apply if o["kind"] == "Deployment"]
    waits = [Step(f"wait for {named(one)}", None, Rolled(one)) for one in deployments]
    steps = (Step("apply again what was there", before), *waits)
    back = Step("apply again what was rolled out", after)
    return Plan(f"what was before {name} ({arm})", before, steps, (back,))


def _records(namespace: str, records: Sequence[Record]) -> Object:
    """Lines for people, and all of it packed: a ConfigMap holds no more than a megabyte."""
    lines = "\n".join(json.dumps(vars(one)) for one in records)
    said = "\n".join(f"{one.at} {one.name} {one.outcome} {one.why}".strip() for one in records)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": _RECORDS, "namespace": namespace},
        "data": {"rollouts": said},
        "binaryData": {_PACKED: b64encode(gzip.compress(lines.encode(), mtime=0)).decode()},
    }


def _failed(live: Object, why: str) -> RolloutFailed:
    return RolloutFailed(
        given=f"{named(live)}: {why}",
        allowed="pods that become ready",
        todo=f"kubectl -n {live['metadata'].get('namespace')} describe pods",
    )


def _refused(one: Object, error: Any) -> ClusterRefused:
    try:
        said = json.loads(error.body).get("message", "")
    except (TypeError, ValueError):
        said = str(error.body)
    return ClusterRefused(
        given=f"{named(one)}: {error.status} {said[:500]}",
        allowed="what the API server, its webhooks and your permissions allow",
        todo="see docs/rollout.md for the permissions that a rollout needs",
    )


def _unreachable(why: str) -> UnreachableCluster:
    return UnreachableCluster(
        given=f"no cluster: {why[:300]}",
        allowed="a kubeconfig (KUBECONFIG, ~/.kube/config) whose cluster answers",
        todo="kubectl cluster-info; see docs/operate.md",
    )
