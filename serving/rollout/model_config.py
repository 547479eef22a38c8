"""`ModelServerConfig` as text and bytes: which models and versions a server is told to serve.

The numbers are those of `tensorflow_serving/config/model_server_config.proto`,
`sources/storage_path/file_system_storage_path_source.proto` and `apis/model_management.proto`; a
test compares them with the installed ones. TensorFlow's packages are not needed for it.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from ..contract.protos import Fields, pool_of
from ..errors import BadModelConfig

__all__ = [
    "MESSAGES",
    "config_to_text",
    "labels_in",
    "pinned",
    "reload_request",
    "text_to_config",
    "versions_in",
]

MESSAGES: Final[dict[str, Fields]] = {
    "ModelServerConfig": {"model_config_list": (1, "ModelConfigList")},
    "ModelConfigList": {"config": (1, "ModelConfig*")},
    "ModelConfig": {
        "name": (1, "string"),
        "base_path": (2, "string"),
        "model_platform": (4, "string"),
        "model_version_policy": (7, "ServableVersionPolicy"),
        "version_labels": (8, "VersionLabel*"),
    },
    "ServableVersionPolicy": {
        "latest": (100, "Latest"),
        "all": (101, "All"),
        "specific": (102, "Specific"),
    },
    "Latest": {"num_versions": (1, "uint32")},
    "All": {},
    "Specific": {"versions": (1, "int64*")},
    "VersionLabel": {"key": (1, "string"), "value": (2, "int64")},
    "ReloadConfigRequest": {"config": (1, "ModelServerConfig")},
}


def _message(kind: str) -> Any:
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"lockstep.{kind}"))()


@cache
def _pool() -> Any:
    return pool_of(MESSAGES, {})


def text_to_config(text: str, name: str) -> Any:
    """Read a models.config.

    Raises:
        BadModelConfig: it is none, or says more than is understood.
    """
    from google.protobuf import text_format

    try:
        return text_format.Parse(text, _message("ModelServerConfig"))
    except text_format.ParseError as error:
        raise BadModelConfig(
            given=f"{name}: {error}",
            allowed="model_config_list { config { name base_path model_platform ... } }",
            todo="see docs/rollout.md, or TF Serving's serving_config.md",
        ) from error


def config_to_text(config: Any) -> str:
    """Write a models.config."""
    from google.protobuf import text_format

    return str(text_format.MessageToString(config))


def pinned(
    config: Any,
    model: str,
    versions: Iterable[int],
    labels: Mapping[str, int] | None = None,
    *,
    base_path: str = "",
    name: str = "",
) -> Any:
    """The same configuration, but just these versions of a model, and these labels (or its own).

    Args:
        config: The configuration; it is not changed.
        model: The model.
        versions: None of them: the model is left out.
        labels: Each has to be at one of the versions.
        base_path: Of a model that the configuration does not have yet.
        name: Adds the model once more under this name, and leaves it as it is.
    """
    result = _message("ModelServerConfig")
    result.CopyFrom(config)
    models = result.model_config_list.config
    there = next((one for one in models if one.name == model), None)
    if name or there is None:
        added = models.add(name=name or model, model_platform="tensorflow", base_path=base_path)
        if there is not None:
            added.base_path, added.model_platform = there.base_path, there.model_platform
        there = added
    there.ClearField("model_version_policy")
    there.model_version_policy.specific.versions.extend(sorted(set(versions)))
    if labels is not None or name:
        there.ClearField("version_labels")
        for label, version in sorted((labels or {}).items()):
            there.version_labels.add(key=label, value=version)
    if not there.model_version_policy.specific.versions:
        models.remove(there)
    return result


def versions_in(config: Any, model: str) -> tuple[int, ...]:
    """The versions of a model that a configuration pins; none if it is not there."""
    found = [one for one in config.model_config_list.config if one.name == model]
    return tuple(found[0].model_version_policy.specific.versions) if found else ()


def labels_in(config: Any, model: str) -> dict[str, int]:
    """The labels of a model's versions."""
    models = (one for one in config.model_config_list.config if one.name == model)
    return {label.key: label.value for one in models for label in one.version_labels}


def reload_request(config: Any) -> bytes:
    """`HandleReloadConfigRequest`'s request."""
    request = _message("ReloadConfigRequest")
    request.config.CopyFrom(config)
    return bytes(request.SerializeToString())
