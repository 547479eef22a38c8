"""Which pods of an Argo workflow ran which task: what Kubeflow's own API does not say.

Kubeflow compiles a task to a DAG node whose only task is called `executor`; its pod's name follows
from the names of workflow, template and node (argo-workflows, workflow/util/pod_name.go).
"""

import re
from collections.abc import Iterator
from typing import Final

from ..ir import Json

_EXECUTOR: Final = re.compile(r"\.executor(\(\d+\))?$")
_FORMAT: Final = "workflows.argoproj.io/pod-name-format"
_PREFIX: Final = 253 - 10 - 1
"""Characters that a pod's name has before its hash."""


def pods_of(workflow: Json) -> Iterator[tuple[str, str]]:
    """Give the task's path and the pod of every try, in the order in which they started."""
    nodes: Json = workflow.get("status", {}).get("nodes", {})
    name = workflow.get("metadata", {}).get("name", "")
    for node in sorted(nodes.values(), key=lambda node: node.get("startedAt") or ""):
        path = node.get("name", "").removeprefix(f"{name}.root.")
        if node.get("type") == "Pod" and _EXECUTOR.search(path):
            yield _EXECUTOR.sub("", path).replace(".", "/"), _pod_name(workflow, node)


def _pod_name(workflow: Json, node: Json) -> str:
    metadata: Json = workflow.get("metadata", {})
    if metadata.get("annotations", {}).get(_FORMAT, "v2") == "v1":
        return str(node["id"])
    template = node.get("templateName") or node.get("templateRef", {}).get("template", "")
    prefix = f"{metadata['name']}-{template}" if template else metadata["name"]
    return f"{prefix[:_PREFIX]}-{_fnv1a(node['name'])}"


def _fnv1a(text: str) -> int:
    """The 32-bit FNV-1a hash.

    >>> _fnv1a("hello")
    1335831723
    """
    number = 0x811C9DC5
    for byte in text.encode():
        number = ((number ^ byte) * 0x01000193) & 0xFFFFFFFF
    return number
