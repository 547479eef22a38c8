"""What a rule about manifests is, and the view of rendered objects that rules take."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

Json = dict[str, Any]
Findings = Iterator[tuple[str, str]]
"""Where, and what is wrong there."""

Subject = TypeVar("Subject")

WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod")
CLUSTER_WIDE: Final = (
    *("Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"),
    *("PersistentVolume", "PriorityClass", "StorageClass", "GatewayClass"),
)


@dataclass(frozen=True)
class Rule(Generic[Subject]):
    """One mistake: what it is, why it is one, what to do, and the function that finds it."""

    what: str
    why: str
    todo: str
    check: Callable[[Subject], Findings]


@dataclass(frozen=True)
class Finding:
    """A broken rule: which, where, what is wrong, and what to do."""

    rule: str
    where: str
    what: str
    todo: str


def broken(rules: Mapping[str, Rule[Subject]], subject: Subject) -> list[Finding]:
    """What rules find in a subject, by rule."""
    return [
        Finding(name, where, what, rule.todo)
        for name, rule in rules.items()
        for where, what in rule.check(subject)
    ]


def dig(value: Any, *keys: str) -> Any:
    """What lies under keys, or None.

    >>> dig({"spec": {"replicas": 2}}, "spec", "replicas"), dig({}, "spec", "replicas")
    (2, None)
    """
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def called(item: Json) -> str:
    """An object as people call it: `Service/tf-serving`."""
    return f"{item.get('kind', '?')}/{dig(item, 'metadata', 'name') or '?'}"


def namespace(item: Json) -> str:
    """The namespace of an object, empty if it says none."""
    return str(dig(item, "metadata", "namespace") or "")


def selects(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector takes something with these labels; an empty one takes everything.

    >>> selects({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"})
    True
    >>> selects({"matchExpressions": [{"key": "c", "operator": "Exists"}]}, {"a": "1"})
    False
    """
    asked = selector or {}
    equal = all(labels.get(k) == v for k, v in (asked.get("matchLabels") or {}).items())
    return equal and all(_holds(one, labels) for one in asked.get("matchExpressions") or [])


def _holds(one: Json, labels: Mapping[str, str]) -> bool:
    key, values = one["key"], one.get("values") or []
    match one["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


@dataclass(frozen=True)
class Pods:
    """What a workload says of its pods."""

    owner: Json
    labels: Mapping[str, str]
    spec: Json

    @property
    def where(self) -> str:
        """The workload, as people call it."""
        return called(self.owner)

    @property
    def namespace(self) -> str:
        """The workload's namespace."""
        return namespace(self.owner)

    @property
    def containers(self) -> list[Json]:
        """All containers, those that run before the others included."""
        return [*(self.spec.get("initContainers") or []), *(self.spec.get("containers") or [])]

    @property
    def volumes(self) -> dict[str, Json]:
        """The volumes by name."""
        return {volume["name"]: volume for volume in self.spec.get("volumes") or []}

    @property
    def ports(self) -> set[str | int]:
        """Names and numbers of the containers' ports."""
        found = [port for one in self.containers for port in one.get("ports") or []]
        return {port[key] for port in found for key in ("name", "containerPort") if key in port}


@dataclass(frozen=True)
class Rendered:
    """The objects of one overlay."""

    objects: Sequence[Json]

    def of(self, *kinds: str) -> list[Json]:
        """The objects of these kinds."""
        return [item for item in self.objects if item.get("kind") in kinds]

    def has(self, kind: str, name: str, space: str) -> bool:
        """Whether there is an object of this kind and name in a namespace."""
        return self.find(kind, name, space) is not None

    def find(self, kind: str, name: str, space: str) -> Json | None:
        """The object of this kind and name in a namespace, if there is one."""
        for item in self.of(kind):
            if dig(item, "metadata", "name") == name and namespace(item) == space:
                return item
        return None

    @cached_property
    def pods(self) -> list[Pods]:
        """What each workload says of its pods."""
        return [_pods(item) for item in self.of(*WORKLOADS)]

    def selected(self, selector: Json | None, space: str) -> list[Pods]:
        """The pods of a namespace that a LabelSelector takes."""
        return [
            pods for pods in self.pods if pods.namespace == space and selects(selector, pods.labels)
        ]

    def containers(self) -> Iterator[tuple[Pods, Json, str]]:
        """Every container, with its pods and what to call it."""
        for pods in self.pods:
            for one in pods.containers:
                yield pods, one, f"{pods.where} {one.get('name', '?')}"


def _pods(item: Json) -> Pods:
    spec = item.get("spec") or {}
    if item["kind"] == "CronJob":
        spec = dig(spec, "jobTemplate", "spec") or {}
    template = item if item["kind"] == "Pod" else spec.get("template") or {}
    labels = dig(template, "metadata", "labels") or {}
    return Pods(item, labels, template.get("spec") or {})
