"""Rules about ConfigMaps, and about what TF Serving reads from them."""

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from .rule import Findings, Json, Pods, Rendered, Rule, called, dig


def _references(pods: Pods) -> Iterator[tuple[str, list[str]]]:
    """Names of ConfigMaps that pods refer to, and the keys that they want of them."""
    for volume in pods.volumes.values():
        sources = [volume, *(dig(volume, "projected", "sources") or [])]
        for one in (source["configMap"] for source in sources if "configMap" in source):
            yield one["name"], [item["key"] for item in one.get("items") or []]
    for container in pods.containers:
        for one in container.get("envFrom") or []:
            if "configMapRef" in one:
                yield one["configMapRef"]["name"], []
        for one in container.get("env") or []:
            if wanted := dig(one, "valueFrom", "configMapKeyRef"):
                yield wanted["name"], [wanted["key"]]


def _data(config: Json) -> dict[str, str]:
    return {**(config.get("data") or {}), **(config.get("binaryData") or {})}


def _unknown(seen: Rendered) -> Findings:
    for pods in seen.pods:
        for name in sorted({name for name, _ in _references(pods)}):
            if not seen.has("ConfigMap", name, pods.namespace):
                yield pods.where, f"there is no ConfigMap {name}"


def _key(seen: Rendered) -> Findings:
    for pods in seen.pods:
        for name, keys in _references(pods):
            config = seen.find("ConfigMap", name, pods.namespace)
            for key in keys:
                if config and key not in _data(config):
                    yield pods.where, f"ConfigMap {name} has no key {key}"


def _mounted(seen: Rendered, pods: Pods, container: Json, path: str) -> Json | None:
    """The ConfigMap that lies in a file's directory."""
    for mount in container.get("volumeMounts") or []:
        if mount["mountPath"].rstrip("/") == path.rpartition("/")[0]:
            name = dig(pods.volumes.get(mount["name"]), "configMap", "name")
            return seen.find("ConfigMap", name, pods.namespace) if name else None
    return None


def _files(seen: Rendered) -> Iterator[tuple[str, str, str, Json]]:
    """Each flag of a model server that names a file, the file, and the ConfigMap it lies in."""
    for pods, container, where in seen.containers():
        for argument in container.get("args") or []:
            found = re.fullmatch(r"--(\w+_file)=(.+)", argument)
            if found and (config := _mounted(seen, pods, container, found[2])):
                yield where, found[1], found[2].rpartition("/")[2], config


def _file(seen: Rendered) -> Findings:
    for where, flag, name, config in _files(seen):
        if name not in _data(config):
            yield where, f"--{flag} names {name}, which {called(config)} has not"


def _secret(seen: Rendered) -> Findings:
    for secret in seen.of("Secret"):
        if secret.get("data") or secret.get("stringData"):
            yield called(secret), "its values stand in the manifests"


def _texts(seen: Rendered, flag: str) -> dict[str, str]:
    """The texts that a flag's files hold, by ConfigMap."""
    return {
        called(config): _data(config)[name]
        for _, named, name, config in _files(seen)
        if named == flag and name in _data(config)
    }


def _read(reader: Callable[[str], Any], text: str) -> Any:
    """What the model server's own reader says of a text; a `StatusError` if it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_text(text, encoding="utf-8")
        return reader(str(path))


def _unreadable(seen: Rendered, flag: str, reader: Callable[[str], Any]) -> Findings:
    from ..server.status import StatusError

    for where, text in _texts(seen, flag).items():
        try:
            _read(reader, text)
        except StatusError as error:
            yield where, str(error)


def _models_unreadable(seen: Rendered) -> Findings:
    from ..server.config import read_models

    return _unreadable(seen, "model_config_file", read_models)


def _batching(seen: Rendered) -> Findings:
    from ..server.text_protos import read_batching_parameters

    return _unreadable(seen, "batching_parameters_file", read_batching_parameters)


def _monitoring(seen: Rendered) -> Findings:
    from ..server.text_protos import read_metrics_path

    return _unreadable(seen, "monitoring_config_file", read_metrics_path)


def _models(seen: Rendered) -> dict[str, Any]:
    from ..server.config import read_models
    from ..server.status import StatusError

    found: dict[str, Any] = {}
    for where, text in _texts(seen, "model_config_file").items():
        try:
            found[where] = _read(read_models, text)
        except StatusError:
            continue  # model-config says so
    return found


def _pinned(seen: Rendered) -> Findings:
    from ..server.config import Specific

    for where, models in _models(seen).items():
        for name, model in models.items():
            if not isinstance(model.policy, Specific):
                yield where, f"model {name} follows whatever version comes"


def _arms(seen: Rendered) -> Findings:
    models = {where: sorted(found) for where, found in _models(seen).items()}
    first = next(iter(models.items()), None)
    for where, names in models.items():
        if first and names != first[1]:
            yield where, f"it serves {names}, but {first[0]} serves {first[1]}"


def _probed(seen: Rendered) -> Findings:
    models = _models(seen)
    for pods, container, where in seen.containers():
        flags = [one for one in container.get("args") or [] if "model_config_file=" in one]
        config = _mounted(seen, pods, container, flags[0].partition("=")[2]) if flags else None
        served = models.get(called(config), {}) if config else {}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            path = dig(container, probe, "httpGet", "path") or ""
            asked = re.match(r"/v1/models/([^/]+)/metadata$", path)
            if served and asked and asked[1] not in served:
                yield where, f"{probe} asks for model {asked[1]}; {called(config or {})} has it not"


RULES: Final[dict[str, Rule[Rendered]]] = {
    "config-map-unknown": Rule(
        "A pod refers to a ConfigMap that is not rendered.",
        "The pod waits in ContainerCreating for ever.",
        "Generate it in the overlay, or correct the name.",
        _unknown,
    ),
    "config-map-key": Rule(
        "A pod wants a key that its ConfigMap does not have.",
        "The pod waits in CreateContainerConfigError for ever.",
        "Add the key, or correct its name.",
        _key,
    ),
    "config-file": Rule(
        "A flag names a file that the mounted ConfigMap does not have.",
        "The model server ends at its start, again and again.",
        "Add the file to the configMapGenerator, or correct the flag.",
        _file,
    ),
    "secret-in-manifests": Rule(
        "A Secret stands in the manifests with its values.",
        "Whoever can read the repository can read it, for ever.",
        "Keep it in a secret manager; let the cluster bring it in.",
        _secret,
    ),
    "model-config": Rule(
        "models.config is not what TF Serving reads.",
        "The model server ends at its start; a running one keeps the old config in silence.",
        "Correct the text proto.",
        _models_unreadable,
    ),
    "model-version-pinned": Rule(
        "models.config does not say which version to serve.",
        "A pushed version would go live at once, half written on object stores.",
        "Write model_version_policy { specific { versions: N } }.",
        _pinned,
    ),
    "model-names-differ": Rule(
        "The arms serve models of different names.",
        "Requests that a route splits name one model: the other arm answers 404.",
        "Give the models of all arms the same names.",
        _arms,
    ),
    "model-not-probed": Rule(
        "A probe asks for a model that the pod does not serve.",
        "The pod never becomes ready.",
        "Name a model of models.config.",
        _probed,
    ),
    "batching-config": Rule(
        "batching.config is not what TF Serving reads.",
        "The model server ends at its start.",
        "Correct the text proto.",
        _batching,
    ),
    "monitoring-config": Rule(
        "monitoring.config is not what TF Serving reads.",
        "The model server ends at its start.",
        "Correct the text proto.",
        _monitoring,
    ),
}
"""The rules about settings, by id."""
