"""What of a task's resources, environment and platform settings a target refuses or ignores."""

import re
from collections.abc import Iterator
from typing import Any, Final

from ..engine.limits import quantity
from ..ir import Json
from .rule import KFP, VERTEX, Findings, Rule, Subject, container

SETTINGS: Final = {
    "activeDeadlineSeconds": "2.5",
    "configMapAsEnv": "2.5",
    "configMapAsVolume": "2.5",
    "emptyDirMounts": "2.5",
    "fieldPathAsEnv": "2.5",
    "genericEphemeralVolume": "2.5",
    "imagePullPolicy": "2.5",
    "imagePullSecret": "2.5",
    "nodeSelector": "2.5",
    "podMetadata": "2.5",
    "pvcMount": "2.5",
    "secretAsEnv": "2.5",
    "secretAsVolume": "2.5",
    "tolerations": "2.5",
    "nodeAffinity": "2.14",
    "securityContext": "2.17",
}
"""What kfp-kubernetes can say of a task: since which release Kubeflow Pipelines does it."""

_LABEL: Final = re.compile(r"[\w-]{0,63}")
_QUANTITIES: Final = {
    f"resource{kind}{side}" for kind in ("Cpu", "Memory") for side in ("Limit", "Request")
}
_MOST_CPU: Final = 96
_MOST_MEMORY: Final = 624 * 10**9


def executor_settings(platform: Json) -> Json:
    """Each executor's settings on Kubernetes, by its label."""
    kubernetes: Json = platform.get("platforms", {}).get("kubernetes", {})
    settings: Json = kubernetes.get("deploymentSpec", {}).get("executors", {})
    return settings


def _paths(subject: Subject, label: str) -> list[str]:
    """The tasks that an executor's settings are for."""
    labels = ((task, (task.component or {}).get("executorLabel")) for task in subject.tasks)
    return [task.path for task, own in labels if own == label]


def _resources(subject: Subject) -> Iterator[tuple[str, Json]]:
    for task in subject.tasks:
        if resources := container(task).get("resources"):
            yield task.path, resources


def _platform_kind(subject: Subject) -> Findings:
    for kind in sorted(subject.compiled.platform.get("platforms", {}).keys() - {"kubernetes"}):
        yield "root", f"the platform document is for {kind}, too"


def _platform_document(subject: Subject) -> Findings:
    settings = executor_settings(subject.compiled.platform)
    for label, given in settings.items():
        for path in _paths(subject, label) or ["root"]:
            yield path, f"it asks Kubernetes for {', '.join(sorted(given))}"
    if subject.compiled.platform and not settings:
        yield "root", "the file has a platform document"


def _setting(subject: Subject) -> Findings:
    for label, given in executor_settings(subject.compiled.platform).items():
        paths = _paths(subject, label)
        if not paths:
            yield "root", f"the platform document has settings for {label}, which runs nothing"
        for path in paths:
            for key in sorted(given.keys() - SETTINGS.keys()):
                yield path, f"it asks Kubernetes for {key}"


def _newer_than(release: str) -> Any:
    """Make the check for settings that came with a release."""
    known = {key for key, since in SETTINGS.items() if since == release}

    def check(subject: Subject) -> Findings:
        for label, given in executor_settings(subject.compiled.platform).items():
            for path in _paths(subject, label):
                for key in sorted(known & given.keys()):
                    yield path, f"it asks Kubernetes for {key}"

    return check


def _pull_policy(subject: Subject) -> Findings:
    for label, given in executor_settings(subject.compiled.platform).items():
        policy = given.get("imagePullPolicy", "Always")
        if policy not in ("Always", "Never", "IfNotPresent"):
            for path in _paths(subject, label):
                yield path, f"its image is to be pulled {policy!r}"


def _quantities(subject: Subject) -> Findings:
    for path, resources in _resources(subject):
        for key in _QUANTITIES & resources.keys():
            text = str(resources[key])
            try:
                quantity("1" if "{{$" in text else text)
            except ValueError:
                yield path, f"{key} is {text!r}"


def _kubernetes_accelerator(subject: Subject) -> Findings:
    for path, kind in _accelerators(subject):
        if "/" not in kind:
            yield path, f"it asks for the accelerator {kind}"


def _vertex_accelerator(subject: Subject) -> Findings:
    for path, kind in _accelerators(subject):
        if not re.fullmatch(r"(NVIDIA|TPU)_\w+|tpu-?v\w+|cloud-tpus\.google\.com/v\d+", kind):
            yield path, f"it asks for the accelerator {kind}"


def _accelerators(subject: Subject) -> Iterator[tuple[str, str]]:
    for path, resources in _resources(subject):
        accelerator = resources.get("accelerator", {})
        kind = accelerator.get("resourceType") or accelerator.get("type")
        if kind and "{{$" not in kind:
            yield path, kind


def _machine(subject: Subject) -> Findings:
    for path, resources in _resources(subject):
        cpu = float(resources.get("cpuLimit", 0))
        memory = float(resources.get("memoryLimit", 0)) * 10**9
        if cpu > _MOST_CPU or memory > _MOST_MEMORY:
            yield path, f"it asks for {cpu:g} CPUs and {memory / 10**9:g} GB"


def _env_name(subject: Subject) -> Findings:
    for task in subject.tasks:
        for variable in container(task).get("env", []):
            if not re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", variable.get("name", "")):
                yield task.path, f"an environment variable is called {variable.get('name', '')!r}"


def _retry_factor(subject: Subject) -> Findings:
    for task in subject.tasks:
        factor = float(task.spec.get("retryPolicy", {}).get("backoffFactor", 0))
        if not factor.is_integer():
            yield task.path, f"its pauses grow by the factor {factor}"


def _job_id(subject: Subject) -> Findings:
    name = subject.compiled.spec["pipelineInfo"].get("name", "")
    if name[:1].isdigit() or len(name) > 113:
        yield "root", f"the pipeline's name is {name!r}"


def _labels(subject: Subject) -> Findings:
    labels = subject.job.get("labels", {})
    if len(labels) > 64:
        yield "root", f"the job has {len(labels)} labels"
    for key, value in labels.items():
        lower = key == key.lower() and value == value.lower()
        if not (key and lower and _LABEL.fullmatch(key) and _LABEL.fullmatch(value)):
            yield "root", f"the job has the label {key}={value}"


def _job_name(subject: Subject) -> Findings:
    if len(subject.job.get("displayName", "")) > 128:
        yield "root", f"the job's displayName is {subject.job['displayName']!r:.60}"


RULES: Final = {
    "platform-kind": Rule(
        _platform_kind,
        "a platform other than kubernetes: what it says is passed over",
        "leave it out",
        "v2_template.go, IsPlatformSpecWithKubernetesConfig",
    ),
    "platform-document": Rule(
        _platform_document,
        "settings of kfp-kubernetes, a second document: Vertex AI has no Kubernetes of yours",
        "leave them out for Vertex AI: read secrets from Secret Manager in the step",
        "yaml_utils.py:118; cloud.google.com/vertex-ai, REST v1 PipelineJob",
        (VERTEX,),
    ),
    "kubernetes-setting": Rule(
        _setting,
        "settings that no release does: podAffinity, enabledSharedMemory (passed over), "
        "initContainers, podResourceClaims and others (unknown), and those of no executor",
        "leave it out",
        "k8s.go, extendPodSpecPatch; container.go, containerExecutorTask",
    ),
    "node-affinity": Rule(
        _newer_than("2.14"),
        "nodeAffinity",
        "use a node selector, or upgrade Kubeflow Pipelines",
        "CHANGELOG.md, 2.14.0 (#12028)",
        (KFP,),
        "2.14",
    ),
    "security-context": Rule(
        _newer_than("2.17"),
        "securityContext",
        "leave it out, or upgrade Kubeflow Pipelines",
        "k8s.go, extendPodSpecPatch",
        (KFP,),
        "2.17",
    ),
    "pull-policy": Rule(
        _pull_policy,
        "a policy other than Always, Never and IfNotPresent",
        "use one of these three",
        "k8s.go, extendPodSpecPatch",
    ),
    "resource-quantity": Rule(
        _quantities,
        "a resource that is no quantity of Kubernetes",
        "write it as 500m, 2, 512Mi or 4G",
        "driver.go, getPodResource",
    ),
    "accelerator": Rule(
        _kubernetes_accelerator,
        "an accelerator that is no extended resource of Kubernetes",
        "name it as the cluster does: nvidia.com/gpu",
        "driver.go, initPodSpecPatch; kubernetes.io, extended resources",
    ),
    "vertex-accelerator": Rule(
        _vertex_accelerator,
        "an accelerator that is none of Vertex AI's: NVIDIA_..., TPU_...",
        "name it as Vertex AI does: NVIDIA_TESLA_T4",
        "cloud.google.com/vertex-ai, machine-types",
        (VERTEX,),
    ),
    "vertex-machine": Rule(
        _machine,
        "more than 96 CPUs or 624 GB of memory",
        "ask for less, or run the work as a custom job",
        "cloud.google.com/vertex-ai, machine-types",
        (VERTEX,),
    ),
    "env-name": Rule(
        _env_name,
        "a name that no environment variable of a container may have",
        "use letters, digits, _, - and ., and no digit first",
        "kubernetes.io, EnvVar",
    ),
    "retry-factor": Rule(
        _retry_factor,
        "a backoff factor that is no whole number",
        "use a whole number: set_retry(backoff_factor=2)",
        "container.go, getTaskRetryStrategyFromInput; operator.go, processNodeRetries",
    ),
    "job-id": Rule(
        _job_id,
        "a pipeline's name that begins with a digit or is longer than 113: with the time behind "
        "it, it is the job's id",
        "begin the name with a letter, and keep it short",
        "constants/pipeline.py:36; pipeline_jobs.py:269",
        (VERTEX,),
    ),
    "job-label": Rule(
        _labels,
        "more than 64 labels of a job, or one that is not lower case letters, digits, - and _, "
        "or over 63 of them",
        "use lower case and fewer characters",
        "cloud.google.com/vertex-ai, REST v1 PipelineJob",
        (VERTEX,),
    ),
    "job-name": Rule(
        _job_name,
        "a job's displayName of more than 128 characters",
        "shorten it",
        "cloud.google.com/vertex-ai, REST v1 PipelineJob",
        (VERTEX,),
    ),
}
