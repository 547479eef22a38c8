"""What a task can ask of its machine and its cluster, through kfp and kfp-kubernetes."""

from kfp import dsl, kubernetes


@dsl.component(base_image="python:3.11")
def step() -> None:
    """Do nothing."""


@dsl.pipeline(name="on-kubernetes")
def on_kubernetes(token: str = "token") -> None:
    """Ask for one of everything."""
    claim = kubernetes.CreatePVC(
        pvc_name_suffix="-data", access_modes=["ReadWriteOnce"], size="1Gi", storage_class_name=""
    )
    task = step()
    task.set_cpu_request("500m").set_cpu_limit("2")
    task.set_memory_request("512Mi").set_memory_limit("1Gi")
    task.set_retry(2, backoff_duration="30s", backoff_factor=2)
    task.set_env_variable("MODE", "quick")
    kubernetes.set_timeout(task, 60)
    kubernetes.use_secret_as_env(task, token, {"value": "TOKEN"})
    kubernetes.use_secret_as_volume(task, "certificates", mount_path="/certificates")
    kubernetes.use_config_map_as_env(task, "settings", {"level": "LEVEL"})
    kubernetes.use_config_map_as_volume(task, "settings", mount_path="/settings", optional=True)
    kubernetes.use_field_path_as_env(task, env_name="POD", field_path="metadata.name")
    kubernetes.mount_pvc(task, pvc_name=claim.outputs["name"], mount_path="/data")
    kubernetes.empty_dir_mount(task, volume_name="scratch", mount_path="/scratch")
    kubernetes.add_ephemeral_volume(
        task, volume_name="cache", mount_path="/cache", access_modes=["ReadWriteOnce"], size="1Gi"
    )
    kubernetes.add_toleration(task, key="gpu", operator="Exists", effect="NoSchedule")
    kubernetes.add_node_selector(task, label_key="disk", label_value="ssd")
    kubernetes.add_pod_label(task, label_key="team", label_value="tips")
    kubernetes.add_pod_annotation(task, annotation_key="owner", annotation_value="tips")
    kubernetes.set_image_pull_secrets(task, ["registry"])
    kubernetes.set_image_pull_policy(task, "IfNotPresent")
    kubernetes.DeletePVC(pvc_name=claim.outputs["name"]).after(task)
