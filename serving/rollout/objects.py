"""Kubernetes objects as data: a version pinned, a rehearsal beside, what is ours, what differs."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from difflib import unified_diff
from typing import Any, Final

from ..errors import BadModelConfig
from .model_config import config_to_text, labels_in, pinned, text_to_config

__all__ = [
    "ARM",
    "Object",
    "arms",
    "deployment_of",
    "difference",
    "made_from",
    "named",
    "ordered",
    "owned",
    "pin",
    "rehearsal",
]

Object = dict[str, Any]
ARM: Final = "lockstep.dev/arm"
_FILE: Final = "models.config"
_FIRST: Final = ("Namespace", "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret")
_LAST: Final = ("Deployment", "HorizontalPodAutoscaler", "Job", "CronJob")
_SERVERS: Final = (
    *("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"),
)


def named(one: Object) -> str:
    """How people call an object."""
    meta = one["metadata"]
    return f"{one['kind']} {meta.get('namespace', '')}/{meta['name']}".replace(" /", " ")


def ordered(objects: Iterable[Object]) -> list[Object]:
    """The objects in the order in which they are applied: what others need comes first."""
    middle = len(_FIRST)
    rank = {kind: n for n, kind in enumerate(_FIRST)}
    rank |= {kind: middle + 1 + n for n, kind in enumerate(_LAST)}
    return sorted(objects, key=lambda one: rank.get(one["kind"], middle))


def arms(objects: Iterable[Object]) -> dict[str, Object]:
    """The Deployment of each arm."""
    labelled = (
        (one["metadata"].get("labels", {}).get(ARM), one)
        for one in objects
        if one["kind"] == "Deployment"
    )
    return {arm: one for arm, one in labelled if arm}


def deployment_of(objects: Iterable[Object], arm: str) -> Object:
    """The Deployment of an arm.

    Raises:
        BadModelConfig: the overlay has none.
    """
    there = arms(objects)
    if arm not in there:
        raise BadModelConfig(
            given=f"no Deployment with the label {ARM}: {arm}",
            allowed=", ".join(sorted(there)) or "an overlay of manifests/",
            todo="name another arm, or switch this one on in the overlay",
        )
    return there[arm]


def pin(objects: Sequence[Object], arm: str, model: str, version: int) -> list[Object]:
    """The same objects, but an arm's models.config pins this version of the model.

    The ConfigMap gets a name of its own content, as kustomize gives it, so that the pods roll.

    Raises:
        BadModelConfig: the arm has no models.config, or it does not have the model.
    """
    result = deepcopy(list(objects))
    pod = deployment_of(result, arm)["spec"]["template"]["spec"]
    mounted = {v["configMap"]["name"] for v in pod.get("volumes", []) if "configMap" in v}
    for one in result:
        text = one.get("data", {}).get(_FILE) if one["kind"] == "ConfigMap" else None
        if text is None or one["metadata"]["name"] not in mounted:
            continue
        config = text_to_config(text, f"{named(one)}: {_FILE}")
        models = [m.name for m in config.model_config_list.config]
        if model not in models:
            break
        labels = dict.fromkeys(labels_in(config, model), version)
        one["data"][_FILE] = config_to_text(pinned(config, model, [version], labels))
        old = one["metadata"]["name"]
        digest = hashlib.sha256(json.dumps(one["data"], sort_keys=True).encode()).hexdigest()
        new = f"{old.rpartition('-')[0]}-{digest[:10]}"
        one["metadata"]["name"] = new
        _rename(pod, old, new)
        return result
    raise BadModelConfig(
        given=f"the arm {arm} has no {_FILE} with model {model!r}",
        allowed="a ConfigMap mounted by its Deployment that has it",
        todo="add it to the overlay: see docs/rollout.md",
    )


def _rename(value: Any, old: str, new: str) -> None:
    """Let what names a ConfigMap name another."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("configMap", "configMapRef", "configMapKeyRef") and inner["name"] == old:
                inner["name"] = new
            _rename(inner, old, new)
    elif isinstance(value, list):
        for inner in value:
            _rename(inner, old, new)


def rehearsal(objects: Sequence[Object], arm: str) -> list[Object]:
    """One pod of an arm that no Service selects, and the ConfigMaps that it mounts."""
    copy = deepcopy(deployment_of(objects, arm))
    copy["metadata"]["name"] += "-rehearsal"
    copy["spec"]["replicas"] = 1
    spec = copy["spec"]
    for labels in (
        copy["metadata"]["labels"],
        spec["selector"]["matchLabels"],
        spec["template"]["metadata"]["labels"],
    ):
        labels[ARM] = f"{arm}-rehearsal"
    there = copy["metadata"].get("namespace")
    configs = [
        one
        for one in objects
        if one["kind"] == "ConfigMap" and one["metadata"].get("namespace") == there
    ]
    return [*configs, copy]


def made_from(template: Object, pod: Object) -> bool:
    """Whether a pod is one of this template, and not of one before it.

    What is added to pods on their way into the cluster (volumes, sidecars) does not count.
    """
    wanted, there = template["spec"], pod["spec"]
    runs = {one["name"]: one for one in there["containers"]}
    return all(one in there.get("volumes", []) for one in wanted.get("volumes", [])) and all(
        one["name"] in runs
        and all(runs[one["name"]].get(key) == one.get(key) for key in ("image", "command", "args"))
        for one in wanted["containers"]
    )


def owned(live: Object, manager: str) -> Object:
    """What of a live object a field manager applied, or, if nothing, what was given by anybody.

    The paths are those of `managedFields` (Kubernetes: server-side apply, FieldsV1).
    """
    fields = [
        one
        for one in live["metadata"].get("managedFields", [])
        if "subresource" not in one and "fieldsV1" in one
    ]
    ours = [one for one in fields if (one["manager"], one["operation"]) == (manager, "Apply")]
    result: Object = {key: live[key] for key in ("apiVersion", "kind")}
    for one in ours or fields:
        _merge(result, _select(live, one["fieldsV1"]))
    result.pop("status", None)
    meta = {k: v for k, v in result.get("metadata", {}).items() if k not in _SERVERS}
    for key in ("name", "namespace"):
        if key in live["metadata"]:
            meta[key] = live["metadata"][key]
    return {**result, "metadata": meta}


def _select(value: Any, fields: Mapping[str, Any]) -> Any:
    """The part of a value that fields name; a leaf is the whole value."""
    inner = {key: one for key, one in fields.items() if key != "."}
    if not inner:
        return deepcopy(value)
    if isinstance(value, Mapping):
        names = [key[2:] for key in inner if key.startswith("f:")]
        return {n: _select(value[n], inner[f"f:{n}"]) for n in names if n in value}
    keys = [(*key.split(":", 1), one) for key, one in inner.items()]
    result = []
    for (
        item
    ) in value:  # in this order: managedFields have another one, and that of containers counts
        for kind, told, one in keys:
            sought = json.loads(told)
            if kind == "v" and sought == item:
                result.append(item)
            elif kind == "k" and sought.items() <= item.items():
                result.append(_select(item, one) | sought)
    return result


def _merge(into: Any, other: Any) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def difference(before: Object | None, after: Object | None) -> str:
    """What people read before they say yes: the lines of the YAML that differ; none if none do."""
    old, new = _lines(before), _lines(after)
    name = named(after or before or {"kind": "", "metadata": {"name": ""}})
    return "\n".join(unified_diff(old, new, f"live {name}", f"new {name}", lineterm="", n=2))


def _lines(one: Object | None) -> list[str]:
    """An object as YAML, less what only the server says; texts keep their lines."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Texts of several lines as such."""

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    if one is None:
        return []
    Dumper.add_representer(str, text)
    meta = {k: v for k, v in one["metadata"].items() if k not in _SERVERS}
    shown = {k: v for k, v in one.items() if k != "status"} | {"metadata": meta}
    return str(yaml.dump(shown, Dumper=Dumper, sort_keys=True)).splitlines()
