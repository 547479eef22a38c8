"""What of a pipeline spec the local engine understands: whatever stands beside it is refused."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .values import is_dict, is_list

Shape = Mapping[str, "Shape | None"]
"""Known keys, each with the shape below it; None: anything; `*`: every key; lists: each item."""

_TYPE: Final[Shape] = {"schemaTitle": None, "schemaVersion": None, "instanceSchema": None}
_INPUTS: Final[Shape] = {
    "parameters": {
        "*": {"parameterType": None, "defaultValue": None, "isOptional": None, "description": None}
    },
    "artifacts": {
        "*": {
            "artifactType": _TYPE,
            "isArtifactList": None,
            "isOptional": None,
            "description": None,
        }
    },
}
_OUTPUTS: Final[Shape] = {
    "parameters": {"*": {"parameterType": None, "description": None}},
    "artifacts": {
        "*": {"artifactType": _TYPE, "metadata": None, "isArtifactList": None, "description": None}
    },
}
_PARAMETER: Final[Shape] = {"producerSubtask": None, "outputParameterKey": None}
_ARTIFACT: Final[Shape] = {"producerSubtask": None, "outputArtifactKey": None}

COMPONENT: Final[Shape] = {
    "inputDefinitions": _INPUTS,
    "outputDefinitions": _OUTPUTS,
    "executorLabel": None,
    "dag": {
        "tasks": None,
        "outputs": {
            "parameters": {
                "*": {
                    "valueFromParameter": _PARAMETER,
                    "valueFromOneof": {"parameterSelectors": _PARAMETER},
                }
            },
            "artifacts": {"*": {"artifactSelectors": _ARTIFACT}},
        },
    },
}
TASK: Final[Shape] = {
    "taskInfo": {"name": None},
    "componentRef": {"name": None},
    "dependentTasks": None,
    "inputs": {
        "parameters": {
            "*": {
                "componentInputParameter": None,
                "runtimeValue": {"constant": None},
                "taskOutputParameter": {"producerTask": None, "outputParameterKey": None},
                "taskFinalStatus": {"producerTask": None},
                "parameterExpressionSelector": None,
            }
        },
        "artifacts": {
            "*": {
                "componentInputArtifact": None,
                "taskOutputArtifact": {"producerTask": None, "outputArtifactKey": None},
            }
        },
    },
    "cachingOptions": {"enableCache": None, "cacheKey": None},
    "triggerPolicy": {"condition": None, "strategy": None},
    "parameterIterator": {"itemInput": None, "items": {"raw": None, "inputParameter": None}},
    "artifactIterator": {"itemInput": None, "items": {"inputArtifact": None}},
    "iteratorPolicy": {"parallelismLimit": None},
    "retryPolicy": {
        "maxRetryCount": None,
        "backoffDuration": None,
        "backoffFactor": None,
        "backoffMaxDuration": None,
    },
}
EXECUTOR: Final[Shape] = {
    "container": {
        "image": None,
        "command": None,
        "args": None,
        "env": {"name": None, "value": None},
        "resources": {
            "cpuLimit": None,
            "cpuRequest": None,
            "memoryLimit": None,
            "memoryRequest": None,
            "resourceCpuLimit": None,
            "resourceCpuRequest": None,
            "resourceMemoryLimit": None,
            "resourceMemoryRequest": None,
            "accelerator": {
                "type": None,
                "count": None,
                "resourceType": None,
                "resourceCount": None,
            },
        },
    },
    "importer": {
        "artifactUri": {"constant": None, "runtimeParameter": None},
        "typeSchema": _TYPE,
        "metadata": None,
        "reimport": None,
    },
}


def unknown_keys(value: Any, shape: Shape | None, at: str = "") -> Iterator[str]:
    """Give the dotted path of every key of `value`, or of a list's items, unknown to `shape`."""
    if shape is None:
        return
    if is_list(value):
        for item in value:
            yield from unknown_keys(item, shape, at)
    for key, item in value.items() if is_dict(value) else ():
        path = f"{at}.{key}" if at else key
        if key in shape or "*" in shape:
            yield from unknown_keys(item, shape.get(key, shape.get("*")), path)
        else:
            yield path
