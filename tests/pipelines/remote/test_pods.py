"""Which pods ran which task, from the workflow that Kubeflow keeps."""

from typing import Any

import pytest

from lockstep.pipelines.remote.pods import pods_of


def workflow(*nodes: tuple[str, str, str], pod_names: str = "v2") -> dict[str, Any]:
    """Build a workflow of nodes: name below the workflow's, type, template."""
    name = "general-cpu-rnggt"
    return {
        "metadata": {
            "name": name,
            "annotations": {"workflows.argoproj.io/pod-name-format": pod_names},
        },
        "status": {
            "nodes": {
                str(number): {
                    "id": f"{name}-{number}",
                    "name": f"{name}.{below}",
                    "type": kind,
                    "templateName": template,
                    "startedAt": f"2026-01-01T00:00:0{number}Z",
                }
                for number, (below, kind, template) in enumerate(nodes)
            }
        },
    }


IMPL = "retry-system-container-impl"
NODES = (
    ("root-driver", "Pod", "system-dag-driver"),
    ("root", "DAG", "root"),
    ("root.workspace-name-driver", "Pod", "system-container-driver"),
    ("root.workspace-name", "DAG", "retry-system-container-executor"),
    ("root.workspace-name.executor", "Retry", IMPL),
    ("root.workspace-name.executor(0)", "Pod", IMPL),
    ("root.workspace-name.executor(1)", "Pod", IMPL),
    ("root.publish", "Skipped", "retry-system-container-executor"),
    ("root.inner.cached.executor", "Skipped", IMPL),
)


def test_every_try_has_its_pod_under_argo_s_name() -> None:
    """The first is what a Kubeflow 2.16 has named the pod of a node of this name."""
    first, again = pods_of(workflow(*NODES))
    assert first == ("workspace-name", "general-cpu-rnggt-retry-system-container-impl-1467617326")
    assert again[0] == "workspace-name"
    assert again[1] != first[1]


def test_older_pods_have_the_name_of_their_node() -> None:
    """Argo's format v1, where it is switched on."""
    pods = [pod for _, pod in pods_of(workflow(*NODES, pod_names="v1"))]
    assert pods == ["general-cpu-rnggt-5", "general-cpu-rnggt-6"]


@pytest.mark.parametrize("path", ["inner.train", "outer.inner.train"])
def test_a_task_of_an_inner_pipeline_has_its_path(path: str) -> None:
    """As the tasks of a local run have theirs."""
    ((found, _),) = pods_of(workflow((f"root.{path}.executor", "Pod", IMPL)))
    assert found == path.replace(".", "/")


def test_a_workflow_that_has_not_begun_has_no_pods() -> None:
    """Nor one of which nothing is known."""
    assert list(pods_of({})) == []
    assert list(pods_of({"metadata": {"name": "x"}, "status": {}})) == []
