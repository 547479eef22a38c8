"""What the environments hold. What any manifest must hold is `lockstep ci validate`'s business."""

import copy
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from typer.testing import CliRunner

from lockstep.pipelines.cli import app
from lockstep.serving.server.config import Specific, read_models
from lockstep.serving.server.flags import parse_flags
from lockstep.serving.server.metrics import FAMILIES
from lockstep.serving.server.text_protos import read_batching_parameters, read_metrics_path

ROOT: Final = Path(__file__).parents[2]
MANIFESTS: Final = ROOT / "manifests"

BASE: Final = {
    "Namespace/lockstep", "ServiceAccount/tf-serving", "ConfigMap/tf-serving-config",
    "Deployment/tf-serving", "Service/tf-serving", "Service/tf-serving-headless",
    "HorizontalPodAutoscaler/tf-serving", "PodDisruptionBudget/tf-serving",
    "NetworkPolicy/default-deny", "NetworkPolicy/dns", "NetworkPolicy/tf-serving",
}  # fmt: skip
CHALLENGER: Final = {
    "ConfigMap/tf-serving-config-challenger", "Deployment/tf-serving-challenger",
    "Service/tf-serving-challenger", "Service/tf-serving-headless-challenger",
    "HorizontalPodAutoscaler/tf-serving-challenger", "PodDisruptionBudget/tf-serving-challenger",
}  # fmt: skip
MIRROR: Final = {"ConfigMap/model-store", "NetworkPolicy/model-store"}
MONITORING: Final = {
    "PodMonitor/tf-serving", "PrometheusRule/tf-serving", "ConfigMap/tf-serving-dashboard",
    "NetworkPolicy/monitoring",
}  # fmt: skip
GATEWAY: Final = {
    "HTTPRoute/tf-serving", "GRPCRoute/tf-serving", "NetworkPolicy/gateway",
    "HealthCheckPolicy/tf-serving", "HealthCheckPolicy/tf-serving-challenger",
}  # fmt: skip
RETRAIN: Final = {
    "CronJob/retrain", "ServiceAccount/retrain", "Role/retrain", "RoleBinding/retrain",
    "NetworkPolicy/retrain", "ConfigMap/retrain-pipeline", "ConfigMap/retrain-settings",
}  # fmt: skip
ACCESS: Final = {"Namespace/lockstep", "Role/deployer", "RoleBinding/deployer"}
PRODUCTION: Final = BASE | CHALLENGER | GATEWAY | MONITORING | {"NetworkPolicy/cloud-storage"}

RETRAINED: Final = BASE | MIRROR | RETRAIN | {"NetworkPolicy/cloud-storage"}

HELD: Final[Mapping[str, set[str]]] = {
    "overlays/dev": RETRAINED,
    "overlays/test": BASE | CHALLENGER | MIRROR | MONITORING | {"NetworkPolicy/cloud-storage"},
    "overlays/staging": PRODUCTION,
    "overlays/prod": PRODUCTION,
    "jobs/retrain": RETRAINED | {"Job/retrain"},
    **{f"access/{environment}": ACCESS for environment in ("dev", "test", "staging", "prod")},
}
TWO_ARMS: Final = ["overlays/test", "overlays/staging", "overlays/prod"]

Object = dict[str, Any]


@cache
def rendered(folder: str) -> list[Object]:
    """Every object of one environment, as it would be sent."""
    commands = {"kustomize": ["kustomize", "build"], "kubectl": ["kubectl", "kustomize"]}
    found = next((command for name, command in commands.items() if shutil.which(name)), None)
    if found is None:
        pytest.skip(
            "neither kustomize nor kubectl is on the PATH: docs/operate.md says how to get one"
        )
    done = subprocess.run([*found, MANIFESTS / folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def name_of(one: Object) -> str:
    """`Kind/name`, without the hash of a ConfigMap's content."""
    name = one["metadata"]["name"]
    if one["kind"] == "ConfigMap":
        name = re.sub(r"-[0-9a-z]{10}$", "", name)
    return f"{one['kind']}/{name}"


def get(folder: str, name: str) -> Object:
    """The object of that `Kind/name`."""
    return next(one for one in rendered(folder) if name_of(one) == name)


def pods(folder: str) -> Iterator[tuple[str, Object]]:
    """The pod of each Deployment, Job and CronJob."""
    for one in rendered(folder):
        spec = one.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield name_of(one), template["spec"]


@pytest.mark.parametrize("folder", HELD)
def test_an_environment_holds_its_objects_and_no_other(folder: str) -> None:
    """Each environment consists of the base and its components, in its own namespace."""
    environment = folder.partition("/")[2] if folder != "jobs/retrain" else "dev"
    namespace = f"lockstep-{environment}"
    expected = HELD[folder] - {"Namespace/lockstep"} | {f"Namespace/{namespace}"}
    names = [name_of(one) for one in rendered(folder)]
    assert sorted(names) == sorted(expected)
    for one in rendered(folder):
        assert one["metadata"].get("namespace", namespace) == namespace
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "lockstep", name_of(one)
        assert labels["lockstep.dev/environment"] == environment


@pytest.mark.parametrize("folder", HELD)
def test_no_pod_can_do_more_than_it_must(folder: str) -> None:
    """Pods run unprivileged, on a read-only root, without the cluster's token, within limits."""
    for name, pod in pods(folder):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }, name
            assert re.search(r"@sha256:[0-9a-f]{64}$", container["image"]), container["image"]
            assert set(container["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}


@pytest.mark.parametrize("folder", [folder for folder in HELD if folder.startswith("overlays/")])
def test_tf_serving_finds_what_its_arguments_name(folder: str, tmp_path: Path) -> None:
    """Flags are real ones, files are in the ConfigMap and right, ports and probes fit."""
    for name, pod in pods(folder):
        if not name.startswith("Deployment/"):
            continue
        (container,) = pod["containers"]
        volume = next(one for one in pod["volumes"] if one["name"] == "config")
        config = next(
            one
            for one in rendered(folder)
            if one["metadata"]["name"] == volume["configMap"]["name"]
        )
        for file, text in config["data"].items():
            (tmp_path / file).write_text(text)
        arguments = [
            re.sub(r"\$\(CPUS\)", "2", one).replace("/etc/tf-serving", str(tmp_path))
            for one in container["args"]
        ]
        flags, unknown = parse_flags(arguments)
        assert not unknown
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports == {"grpc": flags.port, "http": flags.rest_api_port}
        (model,) = read_models(flags.model_config_file).values()
        assert isinstance(model.policy, Specific)
        assert model.policy.versions
        for probe in ("startupProbe", "readinessProbe"):
            assert container[probe]["httpGet"] == {
                "path": f"/v1/models/{model.name}/metadata",
                "port": "http",
            }
        assert container["livenessProbe"]["tcpSocket"] == {"port": "grpc"}
        mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert model.base_path.startswith("gs://") or "/models" in mounted
        assert read_batching_parameters(flags.batching_parameters_file).max_batch_size >= 100
        assert read_metrics_path(flags.monitoring_config_file) == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize("folder", HELD)
def test_what_our_containers_run_is_there(folder: str) -> None:
    """Every command of lockstep that a pod runs takes the arguments that it is given."""
    for name, pod in pods(folder):
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            words = [*container["command"], *container["args"]]
            if words[0] == "python":
                done = subprocess.run([sys.executable, *words[1:3], "--help"], capture_output=True)
                assert done.returncode == 0, (name, done.stderr)
                told = done.stdout.decode()
                assert all(word.partition("=")[0] in told for word in words[3:]), (name, told)
            elif words[0] == "lockstep":
                helped = CliRunner().invoke(app, [words[1], "--help"], terminal_width=400)
                assert helped.exit_code == 0, name
                told = re.sub(r"\x1b\[[0-9;]*m", "", helped.output)
                assert all(word.partition("=")[0] in told for word in words[3:]), (name, told)


@pytest.mark.parametrize("folder", TWO_ARMS)
def test_the_arms_differ_in_name_and_version_only(folder: str) -> None:
    """An experiment compares versions, so everything else about the arms is the same."""
    arms = []
    for arm, suffix in (("champion", ""), ("challenger", "-challenger")):
        one = copy.deepcopy(get(folder, f"Deployment/tf-serving{suffix}"))
        assert one["spec"]["selector"]["matchLabels"]["lockstep.dev/arm"] == arm
        text = json.dumps(one["spec"]).replace(f'"lockstep.dev/arm": "{arm}"', "")
        arms.append(re.sub(r"tf-serving-config(-challenger)?-[0-9a-z]{10}", "CONFIG", text))
        service = get(folder, f"Service/tf-serving{suffix}")
        assert service["spec"]["selector"] == one["spec"]["selector"]["matchLabels"]
        scaler = get(folder, f"HorizontalPodAutoscaler/tf-serving{suffix}")
        assert scaler["spec"]["scaleTargetRef"]["name"] == one["metadata"]["name"]
        assert {metric["type"] for metric in scaler["spec"]["metrics"]} == {
            "ContainerResource",
            "Pods",
        }
    assert arms[0] == arms[1]


@pytest.mark.parametrize("folder", ["overlays/staging", "overlays/prod"])
@pytest.mark.parametrize(("kind", "port"), [("HTTPRoute", 8501), ("GRPCRoute", 8500)])
def test_requests_are_split_by_weight_and_stick_by_header(
    folder: str, kind: str, port: int
) -> None:
    """Weights make a hundred, a header fixes the arm, each backend is a Service's port."""
    split, *sticky = get(folder, f"{kind}/tf-serving")["spec"]["rules"]
    assert sum(backend["weight"] for backend in split["backendRefs"]) == 100
    chosen = {}
    for rule in sticky:
        (match,), (backend,) = rule["matches"], rule["backendRefs"]
        (header,) = match.pop("headers")
        assert [match] == split["matches"]
        chosen[header["value"]] = backend["name"]
        assert header["name"] == "lockstep-arm"
    assert chosen == {"champion": "tf-serving", "challenger": "tf-serving-challenger"}
    for backend in split["backendRefs"]:
        service = get(folder, f"Service/{backend['name']}")
        assert {backend["port"]} == {port} <= {one["port"] for one in service["spec"]["ports"]}


def test_the_routes_name_the_gateway_that_is_there() -> None:
    """And it lets the namespaces of the environments attach theirs."""
    (gateway,) = [one for one in rendered("gateway") if one["kind"] == "Gateway"]
    (listener,) = gateway["spec"]["listeners"]
    labels = listener["allowedRoutes"]["namespaces"]["selector"]["matchLabels"]
    for folder in ("overlays/staging", "overlays/prod"):
        environment = folder.partition("/")[2]
        here = get(folder, f"Namespace/lockstep-{environment}")["metadata"]["labels"]
        assert labels.items() <= here.items()
        for kind in ("HTTPRoute", "GRPCRoute"):
            (parent,) = get(folder, f"{kind}/tf-serving")["spec"]["parentRefs"]
            assert parent == {key: gateway["metadata"][key] for key in ("name", "namespace")}


def test_alerts_and_dashboard_ask_for_metrics_that_there_are() -> None:
    """A misspelt metric is silence: TF Serving exports each, with those labels."""
    rules = get("overlays/prod", "PrometheusRule/tf-serving")["spec"]["groups"]
    board = get("overlays/prod", "ConfigMap/tf-serving-dashboard")["data"]["tf-serving.json"]
    texts = [rule["expr"] for group in rules for rule in group["rules"]]
    texts += [
        target["expr"] for panel in json.loads(board)["panels"] for target in panel["targets"]
    ]
    known = {
        name.replace("/", ":"): {*labels, "namespace", "arm", "pod"}
        for name, labels in FAMILIES.items()
    }
    used = [
        (name.removesuffix("_bucket"), re.findall(r"(\w+)[!=]", labels))
        for text in texts
        for name, labels in re.findall(r"(:tensorflow:[\w:]+)(?:\{([^}]*)\})?", text)
    ]
    assert len(used) > 10
    for name, labels in used:
        assert name in known
        assert set(labels) <= known[name], name


def test_what_is_submitted_is_the_compiled_taxi_pipeline() -> None:
    """The CronJob submits today's pipeline, with images named by digest."""
    golden = (ROOT / "tests/golden/taxi.yaml").read_text()
    text = get("overlays/dev", "ConfigMap/retrain-pipeline")["data"]["taxi.yaml"]
    images = set(re.findall(r"^\s+image: (.*)$", text, re.MULTILINE))
    assert len(images) == 1
    (image,) = images
    assert re.search(r"@sha256:[0-9a-f]{64}$", image), "`make golden` writes it anew"
    expected = re.sub(r"lockstep/runtime:[\w.]+", image, golden)
    assert yaml.safe_load(text) == yaml.safe_load(expected), "`make golden` writes it anew"


def test_a_file_holds_one_object() -> None:
    """Each file holds one document, in files that say what they hold; nothing else lies here."""
    for file in MANIFESTS.rglob("*"):
        if file.is_dir() or "__pycache__" in file.parts or file.name == "__init__.py":
            continue
        assert file.suffix in {".yaml", ".json", ".config"} or file.name == "README.md", file
        if file.suffix == ".yaml":
            assert len(list(yaml.safe_load_all(file.read_text()))) == 1, file
