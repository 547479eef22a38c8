"""The parts of TensorFlow's and TFDV's messages that contracts are compared with, as protobuf.

Importing TensorFlow costs seconds and gigabytes, and an application does not have it. A message is
read by whoever knows its field numbers; what is not declared here is skipped. The numbers are those
of `tensorflow/core/protobuf/{saved_model,meta_graph}.proto` and
`tensorflow_metadata/proto/v0/schema.proto`; a test compares them with the installed ones.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["ENUMS", "MESSAGES", "Fields", "message", "pool_of"]

Fields = dict[str, tuple[int, str]]

MESSAGES: Final[dict[str, Fields]] = {
    "SavedModel": {"meta_graphs": (2, "MetaGraphDef*")},
    "MetaGraphDef": {"meta_info_def": (1, "MetaInfoDef"), "signature_def": (5, "SignatureEntry*")},
    "MetaInfoDef": {"tags": (4, "string*")},
    "SignatureEntry": {"key": (1, "string"), "value": (2, "SignatureDef")},
    "SignatureDef": {
        "inputs": (1, "TensorEntry*"),
        "outputs": (2, "TensorEntry*"),
        "method_name": (3, "string"),
        "defaults": (4, "DefaultEntry*"),
    },
    "TensorEntry": {"key": (1, "string"), "value": (2, "TensorInfo")},
    "DefaultEntry": {"key": (1, "string")},
    "TensorInfo": {
        "name": (1, "string"),
        "dtype": (2, "int64"),
        "tensor_shape": (3, "TensorShapeProto"),
    },
    "TensorShapeProto": {"dim": (2, "TensorDim*"), "unknown_rank": (3, "bool")},
    "TensorDim": {"size": (1, "int64")},
    "Schema": {"feature": (1, "Feature*"), "string_domain": (4, "StringDomain*")},
    "Feature": {
        "name": (1, "string"),
        "deprecated": (2, "bool"),
        "value_count": (5, "ValueCount"),
        "type": (6, "FeatureType"),
        "domain": (7, "string"),
        "int_domain": (9, "IntDomain"),
        "float_domain": (10, "FloatDomain"),
        "string_domain": (11, "StringDomain"),
        "bool_domain": (13, "BoolDomain"),
        "presence": (14, "FeaturePresence"),
        "distribution_constraints": (15, "DistributionConstraints"),
        "lifecycle_stage": (22, "LifecycleStage"),
        "shape": (23, "FixedShape"),
    },
    "ValueCount": {"min": (1, "int64"), "max": (2, "int64")},
    "FixedShape": {"dim": (2, "ShapeDim*")},
    "ShapeDim": {"size": (1, "int64")},
    "IntDomain": {"min": (3, "int64"), "max": (4, "int64")},
    "FloatDomain": {"min": (3, "float"), "max": (4, "float")},
    "StringDomain": {"name": (1, "string"), "value": (2, "string*")},
    "BoolDomain": {"true_value": (2, "string"), "false_value": (3, "string")},
    "FeaturePresence": {"min_fraction": (1, "double"), "min_count": (2, "int64")},
    "DistributionConstraints": {"min_domain_mass": (1, "double")},
}
"""Each message's fields: number and type; a star for repeated ones. Maps are repeated entries."""

ENUMS: Final[dict[str, dict[str, int]]] = {
    "FeatureType": {"TYPE_UNKNOWN": 0, "BYTES": 1, "INT": 2, "FLOAT": 3, "STRUCT": 4},
    "LifecycleStage": {
        "UNKNOWN_STAGE": 0,
        "PLANNED": 1,
        "ALPHA": 2,
        "BETA": 3,
        "PRODUCTION": 4,
        "DEPRECATED": 5,
        "DEBUG_ONLY": 6,
        "DISABLED": 7,
        "VALIDATION_DERIVED": 9,
    },
}


def message(name: str) -> Any:
    """A new, empty message of this kind."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"lockstep.{name}"))()


@cache
def _pool() -> Any:
    return pool_of(MESSAGES, ENUMS)


def pool_of(messages: Mapping[str, Fields], enums: Mapping[str, Mapping[str, int]]) -> Any:
    """A pool of our own: TensorFlow's messages may be loaded in the same process."""
    file = descriptor_pb2.FileDescriptorProto(name="lockstep.proto", package="lockstep")
    for name, values in enums.items():
        enum = file.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    proto = descriptor_pb2.FieldDescriptorProto
    ours = dict.fromkeys(messages, proto.TYPE_MESSAGE) | dict.fromkeys(enums, proto.TYPE_ENUM)
    for name, fields in messages.items():
        kind = file.message_type.add(name=name)
        for field, (number, type_name) in fields.items():
            _describe(kind.field.add(name=field, number=number), type_name, ours)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _describe(field: Any, type_name: str, ours: Mapping[str, int]) -> None:
    proto = descriptor_pb2.FieldDescriptorProto
    repeated, bare = type_name.endswith("*"), type_name.rstrip("*")
    field.label = proto.LABEL_REPEATED if repeated else proto.LABEL_OPTIONAL
    if bare in ours:
        field.type, field.type_name = ours[bare], f".lockstep.{bare}"
    else:
        field.type = proto.Type.Value(f"TYPE_{bare.upper()}")
        if repeated and bare not in ("string", "bytes"):
            field.options.packed = True  # as in proto3, so that the bytes are the same
