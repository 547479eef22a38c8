"""The Argo workflow that Kubeflow makes of a pipeline: its nodes, as both of its APIs tell them.

Written from `backend/src/v2/compiler/argocompiler` (names of nodes and templates), argo-workflows'
`workflow/util/pod_name.go` (names of pods) and `api_converter.go` (what a task is in v2beta1).
"""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

ENDED = ("Succeeded", "Failed", "Skipped", "Omitted")


def fnv1a(text: str) -> int:
    """Hash as Go's `fnv.New32a` does."""
    number = 2166136261
    for byte in text.encode():
        number = (number ^ byte) * 16777619 % 2**32
    return number


@dataclass
class Node:
    """One node of a workflow."""

    name: str
    kind: str
    template: str = ""
    phase: str = "Pending"
    children: list[str] = field(default_factory=list[str])
    started: int = 0
    ended: int = 0

    @property
    def display(self) -> str:
        """The last part of the name, which is the name of the DAG's task."""
        return self.name.rpartition(".")[2]


@dataclass
class Workflow:
    """A workflow that goes on by one step each time it is told to."""

    name: str
    spec: Json
    fate: Json
    """Task to how it ends: `Failed`, `Skipped`, `cached`; all others succeed."""
    pod_names: str = "v2"
    clock: int = 1_700_000_000
    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    todo: list[str] = field(default_factory=list[str])
    phase: str = "Pending"
    terminated: bool = False
    logs: dict[str, str] = field(default_factory=dict[str, str])
    """What its tasks have printed, where that is known."""

    def __post_init__(self) -> None:
        """Know which tasks there are: those of inner dags, too, in the order of the file."""
        self.todo = list(self._paths("", self.spec["root"]))

    def _paths(self, outer: str, component: Json) -> list[str]:
        paths: list[str] = []
        for name, task in component["dag"]["tasks"].items():
            inner = self.spec["components"].get(task["componentRef"]["name"], {})
            nested = self._paths(f"{outer}{name}.", inner) if "dag" in inner else [outer + name]
            paths += nested
        return paths

    def advance(self) -> None:
        """Start the next task, or end the one that runs."""
        self.clock += 7
        if self.phase in ENDED:
            return
        running = [n for n in self.nodes.values() if n.phase == "Running" and n.kind == "Pod"]
        if self.terminated:
            self._end("Failed")
        elif running:
            self._finish_task(running[0])
        elif self.todo:
            self._start_task(self.todo.pop(0))
        else:
            self._end("Succeeded")

    def _start_task(self, path: str) -> None:
        self.phase = "Running"
        self._add(self.name, "DAG", "entrypoint")
        self._add(f"{self.name}.root-driver", "Pod", "system-dag-driver", "Succeeded")
        self._add(f"{self.name}.root", "DAG", "root")
        parts = path.split(".")
        for depth in range(1, len(parts)):
            outer = ".".join([self.name, "root", *parts[:depth]])
            self._add(f"{outer}-driver", "Pod", "system-dag-driver", "Succeeded")
            self._add(outer, "DAG", "comp")
        node = f"{self.name}.root.{path}"
        fate = self.fate.get(parts[-1], "")
        self._add(f"{node}-driver", "Pod", "system-container-driver", "Succeeded")
        if fate in ("Skipped", "Omitted"):
            self._add(node, "Skipped", "system-container-executor", fate)
            return
        self._add(node, "DAG", "system-container-executor")
        if fate == "cached":
            self._add(f"{node}.executor", "Skipped", "system-container-impl", "Skipped")
            self.nodes[node].phase = "Succeeded"
        else:
            self._add(f"{node}.executor", "Pod", "system-container-impl")

    def _finish_task(self, node: Node) -> None:
        task = self.nodes[node.name.removesuffix(".executor")]
        node.phase = task.phase = (
            "Failed" if self.fate.get(task.display) == "Failed" else "Succeeded"
        )
        node.ended = task.ended = self.clock
        if node.phase == "Failed":
            self._end("Failed")

    def _end(self, phase: str) -> None:
        self.phase, self.todo = phase, []
        for node in self.nodes.values():
            if node.phase not in ENDED:
                node.phase, node.ended = phase, self.clock

    def _add(self, name: str, kind: str, template: str, phase: str = "Running") -> None:
        if name in self.nodes:
            return
        ended = self.clock if phase in ENDED else 0
        self.nodes[name] = Node(name, kind, template, phase, [], self.clock, ended)
        parent = self.nodes.get(name.rpartition(".")[0])
        if parent:
            parent.children.append(self.id(name))

    def id(self, node: str) -> str:
        """Argo's id of a node."""
        return self.name if node == self.name else f"{self.name}-{fnv1a(node)}"

    def pod(self, node: Node) -> str:
        """The name of a node's pod."""
        if self.pod_names == "v1":
            return self.id(node.name)
        return f"{self.name}-{node.template}-{fnv1a(node.name)}"

    def executors(self) -> dict[str, str]:
        """The pod of every task that has one, to the task's path."""
        return {
            self.pod(node): node.name.removesuffix(".executor").removeprefix(f"{self.name}.root.")
            for node in self.nodes.values()
            if node.kind == "Pod" and node.display == "executor"
        }

    def manifest(self) -> Json:
        """The Workflow object, as v1beta1's `workflow_manifest` holds it."""
        nodes = {
            self.id(node.name): {
                "id": self.id(node.name),
                "name": node.name,
                "displayName": node.display,
                "type": node.kind,
                "templateName": node.template,
                "phase": node.phase,
                "startedAt": f"{node.started}",
                "children": node.children,
            }
            for node in self.nodes.values()
        }
        annotations = {"workflows.argoproj.io/pod-name-format": self.pod_names}
        metadata = {"name": self.name, "annotations": annotations}
        return {"metadata": metadata, "status": {"phase": self.phase, "nodes": nodes}}
