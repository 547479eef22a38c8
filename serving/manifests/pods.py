"""Rules about pods: what they may do, what they mount, and how they say that they are well."""

import re
from typing import Any, Final

from .rule import Findings, Json, Rendered, Rule, dig, selects

_PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")


def _setting(pod: Json, container: Json, *keys: str) -> Any:
    own = dig(container, "securityContext", *keys)
    return dig(pod, "securityContext", *keys) if own is None else own


def _selector(seen: Rendered) -> Findings:
    for pods in seen.pods:
        selector = dig(pods.owner, "spec", "selector")
        if selector and not selects(selector, pods.labels):
            yield pods.where, f"its selector {selector} does not take its own pods"


def _digest(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        if not re.search(r"@sha256:[0-9a-f]{64}$", str(one.get("image"))):
            yield where, f"its image is {one.get('image')}"


def _non_root(seen: Rendered) -> Findings:
    for pods, one, where in seen.containers():
        user = _setting(pods.spec, one, "runAsUser")
        if _setting(pods.spec, one, "runAsNonRoot") is not True or user == 0:
            yield where, "it may run as root"


def _escalation(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        context = one.get("securityContext") or {}
        if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
            yield where, "it may gain privileges"


def _capabilities(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        asked = dig(one, "securityContext", "capabilities") or {}
        if "ALL" not in (asked.get("drop") or []):
            yield where, "it keeps capabilities"
        if more := set(asked.get("add") or []) - {"NET_BIND_SERVICE"}:
            yield where, f"it adds {', '.join(sorted(more))}"


def _read_only(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        if dig(one, "securityContext", "readOnlyRootFilesystem") is not True:
            yield where, "its root filesystem can be written to"


def _seccomp(seen: Rendered) -> Findings:
    for pods, one, where in seen.containers():
        if _setting(pods.spec, one, "seccompProfile", "type") not in (
            "RuntimeDefault",
            "Localhost",
        ):
            yield where, "it has no seccomp profile"


def _host(seen: Rendered) -> Findings:
    for pods in seen.pods:
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pods.spec.get(key):
                yield pods.where, f"it sets {key}"
        for name, volume in pods.volumes.items():
            if "hostPath" in volume:
                yield pods.where, f"volume {name} is a directory of the node"


def _token(seen: Rendered) -> Findings:
    for pods in seen.pods:
        if pods.spec.get("automountServiceAccountToken") is not False:
            yield pods.where, "every container gets a token for the API server"


def _account(seen: Rendered) -> Findings:
    for pods in seen.pods:
        name = pods.spec.get("serviceAccountName", "default")
        if not seen.has("ServiceAccount", name, pods.namespace):
            yield pods.where, f"there is no ServiceAccount {name}"


def _requests(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        for what in ("cpu", "memory"):
            if not dig(one, "resources", "requests", what):
                yield where, f"it requests no {what}"


def _memory_limit(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        if not dig(one, "resources", "limits", "memory"):
            yield where, "its memory has no limit"


def _quantity(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        for side in ("requests", "limits"):
            for what, text in (dig(one, "resources", side) or {}).items():
                if amount(text) is None:
                    yield where, f"{side}.{what} is {text!r}"


def _above(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        for what, text in (dig(one, "resources", "requests") or {}).items():
            asked, most = amount(text), amount(dig(one, "resources", "limits", what))
            if asked is not None and most is not None and asked > most:
                yield where, f"it requests more {what} than its limit"


def amount(text: Any) -> float | None:
    """A Kubernetes quantity as a number, or None if it is none.

    >>> amount("200m"), amount("2Gi"), amount("2GB")
    (0.2, 2147483648.0, None)
    """
    from kubernetes.utils.quantity import parse_quantity

    try:
        return float(parse_quantity(text))
    except (ValueError, TypeError, AttributeError):
        return None


def _evicted(seen: Rendered) -> Findings:
    for pods in seen.pods:
        limits = [dig(one, "resources", "limits", "ephemeral-storage") for one in pods.containers]
        most = sum(amount(limit) or 0 for limit in limits)
        disks = [one["emptyDir"] or {} for one in pods.volumes.values() if "emptyDir" in one]
        sizes = [one.get("sizeLimit") for one in disks if one.get("medium") != "Memory"]
        held = sum(amount(size) or 0 for size in sizes)
        if any(limits) and held > most:
            yield pods.where, f"its volumes may hold {held:.0f} bytes, its containers {most:.0f}"


def _probe_port(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        has = {
            port.get(key) for port in one.get("ports") or [] for key in ("name", "containerPort")
        }
        for name in _PROBES:
            probe = one.get(name) or {}
            for way in ("httpGet", "tcpSocket", "grpc"):
                if way in probe and probe[way].get("port") not in has:
                    yield where, f"{name} asks port {probe[way].get('port')}, which it has not"


def _readiness(seen: Rendered) -> Findings:
    for pods in seen.pods:
        if pods.owner["kind"] in ("Deployment", "StatefulSet"):
            for one in pods.spec.get("containers") or []:
                if one.get("ports") and "readinessProbe" not in one:
                    yield f"{pods.where} {one['name']}", "it has ports and no readinessProbe"


def _status_url(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        for name in _PROBES:
            path = dig(one, name, "httpGet", "path") or ""
            if re.fullmatch(r"/v1/models/[^/]+(/versions/\d+|/labels/[^/]+)?/?", path):
                yield where, f"{name} asks {path}"


def _port_twice(seen: Rendered) -> Findings:
    for pods in seen.pods:
        for key in ("name", "containerPort"):
            ports = [p.get(key) for one in pods.containers for p in one.get("ports") or []]
            for twice in sorted({str(p) for p in ports if p and ports.count(p) > 1}):
                yield pods.where, f"two ports have the {key} {twice}"


def _mount(seen: Rendered) -> Findings:
    for pods, one, where in seen.containers():
        for mount in one.get("volumeMounts") or []:
            if mount["name"] not in pods.volumes:
                yield where, f"it mounts volume {mount['name']}, which the pod has not"


def _unmounted(seen: Rendered) -> Findings:
    for pods in seen.pods:
        mounted = {m["name"] for one in pods.containers for m in one.get("volumeMounts") or []}
        for name in sorted(set(pods.volumes) - mounted):
            yield pods.where, f"no container mounts volume {name}"


def _pre_stop(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        if _serves(one) and not dig(one, "lifecycle", "preStop"):
            yield where, "it has no preStop"


def _grace(seen: Rendered) -> Findings:
    for pods, one, where in seen.containers():
        grace = pods.spec.get("terminationGracePeriodSeconds", 30)
        held = dig(one, "lifecycle", "preStop", "sleep", "seconds")
        command = dig(one, "lifecycle", "preStop", "exec", "command") or []
        if command[:1] == ["sleep"]:
            held = float(command[1])
        if held is not None and held >= grace:
            yield where, f"preStop sleeps {held:g} of the {grace} s that the pod is given"


def _serves(container: Json) -> bool:
    return any("tensorflow_model_server" in part for part in container.get("command") or [])


def _flag_port(seen: Rendered) -> Findings:
    for _, one, where in seen.containers():
        if _serves(one):
            has = {str(port.get("containerPort")) for port in one.get("ports") or []}
            for flag in ("--port", "--rest_api_port"):
                for argument in one.get("args") or []:
                    name, _, value = argument.partition("=")
                    if name == flag and value not in has:
                        yield where, f"{argument}, and no containerPort {value}"


RULES: Final[dict[str, Rule[Rendered]]] = {
    "selector-labels": Rule(
        "A workload's selector does not take its own pods.",
        "The API server refuses it.",
        "Give selector.matchLabels and template.metadata.labels the same labels.",
        _selector,
    ),
    "image-digest": Rule(
        "An image is named by a tag, or by nothing.",
        "A tag is moved: two pods of one Deployment would run different code.",
        "Pin it in `images:` of the overlay by digest.",
        _digest,
    ),
    "run-as-non-root": Rule(
        "A container may run as root.",
        "Namespaces with Pod Security `restricted` refuse it.",
        "Set runAsNonRoot: true and a user other than 0.",
        _non_root,
    ),
    "privilege-escalation": Rule(
        "A container may gain privileges.",
        "Namespaces with Pod Security `restricted` refuse it.",
        "Set allowPrivilegeEscalation: false, and not privileged.",
        _escalation,
    ),
    "capabilities": Rule(
        "A container keeps or adds Linux capabilities.",
        "Namespaces with Pod Security `restricted` refuse it.",
        "Set capabilities: {drop: [ALL]}.",
        _capabilities,
    ),
    "read-only-root": Rule(
        "A container can write to its root filesystem.",
        "Who breaks in can stay; a forgotten file fills the node's disk.",
        "Set readOnlyRootFilesystem: true and mount an emptyDir where it writes.",
        _read_only,
    ),
    "seccomp": Rule(
        "A container runs without a seccomp profile.",
        "Namespaces with Pod Security `restricted` refuse it.",
        "Set seccompProfile: {type: RuntimeDefault}.",
        _seccomp,
    ),
    "host-access": Rule(
        "A pod shares a namespace or a directory of its node.",
        "Namespaces with Pod Security `restricted` refuse it.",
        "Remove it; use an emptyDir or a PersistentVolumeClaim.",
        _host,
    ),
    "service-account-token": Rule(
        "A pod mounts a token for the API server into every container.",
        "Nothing here calls the API server; a token is what an intruder looks for.",
        "Set automountServiceAccountToken: false; project a token where one is needed.",
        _token,
    ),
    "service-account-unknown": Rule(
        "A pod runs under an account that is not rendered.",
        "No pod is created, and nothing but an event says so.",
        "Add the ServiceAccount, or correct serviceAccountName.",
        _account,
    ),
    "resource-requests": Rule(
        "A container requests no processor or no memory.",
        "The scheduler packs it anywhere, and the autoscaler has nothing to divide by.",
        "State resources.requests.cpu and .memory.",
        _requests,
    ),
    "memory-limit": Rule(
        "A container's memory has no limit.",
        "One model that leaks takes its node's other pods along.",
        "State resources.limits.memory.",
        _memory_limit,
    ),
    "quantity": Rule(
        "A quantity that Kubernetes cannot read.",
        "The API server refuses it; schemas only see a text.",
        "Write 500m, 2, 512Mi or 2Gi.",
        _quantity,
    ),
    "requests-above-limits": Rule(
        "A container requests more than its limit.",
        "The API server refuses it.",
        "Raise the limit, or lower the request.",
        _above,
    ),
    "volume-above-limits": Rule(
        "The volumes on the node's disk may hold more than the limits of ephemeral-storage.",
        "The kubelet counts them to the pod, and evicts it before sizeLimit is reached.",
        "Raise limits.ephemeral-storage of the container that fills the volume.",
        _evicted,
    ),
    "probe-port": Rule(
        "A probe asks a port that its container does not have.",
        "The pod never becomes ready, or is restarted for ever.",
        "Name one of the container's ports.",
        _probe_port,
    ),
    "readiness-missing": Rule(
        "A container that serves has no readiness probe.",
        "Requests arrive before the model is loaded.",
        "Add a readinessProbe; for TF Serving GET /v1/models/MODEL/metadata.",
        _readiness,
    ),
    "probe-status-url": Rule(
        "A probe asks TF Serving for a model's status.",
        "That is 200 in any state, loading and failed included.",
        "Ask /v1/models/MODEL/metadata.",
        _status_url,
    ),
    "port-twice": Rule(
        "Two ports of a pod have one name or number.",
        "A Service would reach only one of them.",
        "Rename or renumber one.",
        _port_twice,
    ),
    "volume-unknown": Rule(
        "A container mounts a volume that its pod does not have.",
        "The API server refuses it.",
        "Add the volume, or correct the name.",
        _mount,
    ),
    "volume-unmounted": Rule(
        "A pod has a volume that no container mounts.",
        "Something was meant to be mounted; if it does not exist, the pod does not start either.",
        "Mount it, or remove it.",
        _unmounted,
    ),
    "pre-stop-missing": Rule(
        "TF Serving is stopped without a pause.",
        "It drops requests on SIGTERM while Services still send some.",
        "Add a preStop that sleeps until all have heard.",
        _pre_stop,
    ),
    "pre-stop-too-long": Rule(
        "preStop takes the whole grace period.",
        "The server is killed in the middle of its last answers.",
        "Raise terminationGracePeriodSeconds.",
        _grace,
    ),
    "server-port": Rule(
        "TF Serving listens on a port that its container does not state.",
        "Probes and Services, which go by name, reach nothing.",
        "Give --port and --rest_api_port the containerPorts' numbers.",
        _flag_port,
    ),
}
"""The rules about pods, by id."""
