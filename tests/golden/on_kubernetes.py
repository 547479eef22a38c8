"""What only Kubernetes knows, from kfp-kubernetes: a second document."""

from kfp import dsl, kubernetes


@dsl.component(base_image="python:3.11")
def step() -> None:
    """Do nothing."""


@dsl.pipeline(name="on-kubernetes")
def on_kubernetes() -> None:
    """Use a volume, a secret and a time limit."""
    task = step()
    kubernetes.mount_pvc(task, pvc_name="data", mount_path="/data")
    kubernetes.use_secret_as_env(task, "token", {"value": "TOKEN"})
    kubernetes.set_timeout(task, 60)
