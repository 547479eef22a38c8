"""Rules about what reaches pods: Services, routes, policies and monitors."""

from typing import Final

from .rule import Findings, Json, Rendered, Rule, called, dig, namespace

_ROUTES: Final = ("HTTPRoute", "GRPCRoute")


def _behind(seen: Rendered, service: Json) -> list[str | int]:
    selector = dig(service, "spec", "selector")
    found = seen.selected({"matchLabels": selector}, namespace(service)) if selector else []
    return [port for pods in found for port in pods.ports]


def _service_pods(seen: Rendered) -> Findings:
    for service in seen.of("Service"):
        selector = dig(service, "spec", "selector")
        if selector and not seen.selected({"matchLabels": selector}, namespace(service)):
            yield called(service), f"no pod has its selector's labels {selector}"


def _service_port(seen: Rendered) -> Findings:
    for service in seen.of("Service"):
        has = _behind(seen, service)
        for port in dig(service, "spec", "ports") or []:
            target = port.get("targetPort", port["port"])
            if has and target not in has:
                yield called(service), f"targetPort {target} is no port of its pods"


def _app_protocol(seen: Rendered) -> Findings:
    for service in seen.of("Service"):
        for port in dig(service, "spec", "ports") or []:
            wanted = ("kubernetes.io/h2c", "grpc") if port.get("name") == "grpc" else ("http",)
            named = port.get("name") in ("grpc", "http")
            if named and port.get("appProtocol") not in wanted:
                yield called(service), f"port {port['name']} has not appProtocol {wanted[0]}"


def _backends(seen: Rendered) -> list[tuple[Json, Json]]:
    return [
        (route, backend)
        for route in seen.of(*_ROUTES)
        for rule in dig(route, "spec", "rules") or []
        for backend in rule.get("backendRefs") or []
    ]


def _backend(seen: Rendered) -> Findings:
    for route, backend in _backends(seen):
        space = backend.get("namespace", namespace(route))
        if not seen.has("Service", backend["name"], space):
            yield called(route), f"there is no Service {backend['name']}"


def _backend_port(seen: Rendered) -> Findings:
    for route, backend in _backends(seen):
        space = backend.get("namespace", namespace(route))
        service = seen.find("Service", backend["name"], space)
        ports = [port["port"] for port in dig(service, "spec", "ports") or []]
        if service and backend.get("port") not in ports:
            yield called(route), f"{called(service)} has no port {backend.get('port')}"


def _weights(route: Json) -> list[dict[str, int]]:
    rules = [rule.get("backendRefs") or [] for rule in dig(route, "spec", "rules") or []]
    return [{one["name"]: one.get("weight", 1) for one in refs} for refs in rules if len(refs) > 1]


def _sum(seen: Rendered) -> Findings:
    for route in seen.of(*_ROUTES):
        for weights in _weights(route):
            if sum(weights.values()) != 100:
                yield called(route), f"the weights {weights} add up to {sum(weights.values())}"


def _same_split(seen: Rendered) -> Findings:
    splits = {called(route): _weights(route) for route in seen.of(*_ROUTES)}
    first = next(iter(splits.items()), None)
    for where, weights in splits.items():
        if first and weights != first[1]:
            yield where, f"it splits {weights}, but {first[0]} splits {first[1]}"


def _deny(seen: Rendered) -> Findings:
    closed = {
        namespace(policy)
        for policy in seen.of("NetworkPolicy")
        if dig(policy, "spec", "podSelector") == {}
        and {"Ingress", "Egress"} <= set(dig(policy, "spec", "policyTypes") or [])
        and not dig(policy, "spec", "ingress")
        and not dig(policy, "spec", "egress")
    }
    for space in sorted({pods.namespace for pods in seen.pods} - closed):
        yield f"Namespace/{space}", "no NetworkPolicy closes it for all pods"


def _policy_pods(seen: Rendered) -> Findings:
    for policy in seen.of("NetworkPolicy"):
        selector = dig(policy, "spec", "podSelector")
        if selector and not seen.selected(selector, namespace(policy)):
            yield called(policy), f"no pod has the labels of {selector}"


def _policy_port(seen: Rendered) -> Findings:
    for policy in seen.of("NetworkPolicy"):
        taken = seen.selected(dig(policy, "spec", "podSelector"), namespace(policy))
        has = {port for pods in taken for port in pods.ports}
        for rule in dig(policy, "spec", "ingress") or []:
            for port in rule.get("ports") or []:
                if taken and port.get("port") not in has:
                    yield called(policy), f"no pod that it takes has port {port.get('port')}"


def _unreachable(seen: Rendered) -> Findings:
    policies = [one for one in seen.of("NetworkPolicy") if dig(one, "spec", "ingress")]
    for service in seen.of("Service"):
        selector = dig(service, "spec", "selector")
        behind = seen.selected({"matchLabels": selector}, namespace(service)) if selector else []
        for pods in behind:
            if not any(
                pods in seen.selected(dig(one, "spec", "podSelector"), namespace(one))
                for one in policies
            ):
                yield called(service), f"no NetworkPolicy lets anybody in to {pods.where}"


def _monitor(seen: Rendered) -> Findings:
    for monitor in seen.of("PodMonitor"):
        taken = seen.selected(dig(monitor, "spec", "selector"), namespace(monitor))
        has = {port for pods in taken for port in pods.ports}
        for end in dig(monitor, "spec", "podMetricsEndpoints") or []:
            if end.get("port") not in has:
                yield called(monitor), f"no pod that it takes has port {end.get('port')}"


RULES: Final[dict[str, Rule[Rendered]]] = {
    "service-without-pods": Rule(
        "A Service's selector takes no pod.",
        "It has no endpoints: callers are refused, and nothing says why.",
        "Give it labels of the workload's template.",
        _service_pods,
    ),
    "service-target-port": Rule(
        "A Service's targetPort is none of its pods' ports.",
        "It has no endpoints for that port; not even the API server says so.",
        "Name a port of the container.",
        _service_port,
    ),
    "service-app-protocol": Rule(
        "A Service's port does not say which protocol it speaks.",
        "Gateways then take gRPC for HTTP/1.1 and break it.",
        "Set appProtocol: kubernetes.io/h2c for grpc, http for http.",
        _app_protocol,
    ),
    "route-backend": Rule(
        "A route sends to a Service that is not rendered.",
        "Its share of requests is answered with 500.",
        "Switch the component on that brings it, or correct the name.",
        _backend,
    ),
    "route-port": Rule(
        "A route sends to a port that its Service does not have.",
        "Its share of requests is answered with 500.",
        "Name a port of the Service.",
        _backend_port,
    ),
    "route-weights-sum": Rule(
        "The weights of a route do not add up to 100.",
        "Weights are shares: a reader takes 10 for 10 %.",
        "Correct the weights.",
        _sum,
    ),
    "route-weights-differ": Rule(
        "REST and gRPC are split otherwise.",
        "An experiment would mix two assignments.",
        "Give HTTPRoute and GRPCRoute the same weights.",
        _same_split,
    ),
    "network-policy-default-deny": Rule(
        "A namespace with pods is open by default.",
        "What no policy takes may call, and be called by, anybody.",
        "Add a NetworkPolicy with podSelector: {} and both policyTypes.",
        _deny,
    ),
    "network-policy-without-pods": Rule(
        "A NetworkPolicy takes no pod.",
        "What it should open stays closed.",
        "Give its podSelector labels that pods have.",
        _policy_pods,
    ),
    "network-policy-port": Rule(
        "A NetworkPolicy opens a port that its pods do not have.",
        "What it should open stays closed.",
        "Name a port of the containers.",
        _policy_port,
    ),
    "network-policy-unreachable": Rule(
        "No NetworkPolicy lets anybody in to pods behind a Service.",
        "The Service has endpoints, and every call to it times out.",
        "Add a NetworkPolicy with ingress for these pods.",
        _unreachable,
    ),
    "pod-monitor-port": Rule(
        "A PodMonitor asks a port that none of its pods has.",
        "Nothing is scraped, and every alert is silent.",
        "Name a port of the containers.",
        _monitor,
    ),
}
"""The rules about what reaches pods, by id."""
