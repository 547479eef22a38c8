"""The parts of TensorFlow's and TFDV's messages that contracts are compared with, as protobuf.

Importing TensorFlow costs seconds and gigabytes, and an application does not have it. A message is
read by whoever knows its field numbers; what is not declared here is skipped. The numbers are those
of `tensorflow/core/protobuf/{saved_model,meta_graph}.proto` and
`tensorflow_metadata/proto/v0/schema.proto`; a test compares them with the installed ones.
"""

from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["MESSAGES", "message"]

MESSAGES: Final[dict[str, dict[str, tuple[int, str]]]] = {
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
    """A pool of our own: TensorFlow's messages may be loaded in the same process."""
    file = descriptor_pb2.FileDescriptorProto(name="lockstep.proto", package="lockstep")
    for name, values in ENUMS.items():
        enum = file.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    for name, fields in MESSAGES.items():
        kind = file.message_type.add(name=name)
        for field, (number, type_name) in fields.items():
            _add_field(kind, field, number, type_name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add_field(kind: Any, name: str, number: int, type_name: str) -> None:
    proto = descriptor_pb2.FieldDescriptorProto
    repeated, bare = type_name.endswith("*"), type_name.rstrip("*")
    label = proto.LABEL_REPEATED if repeated else proto.LABEL_OPTIONAL
    field = kind.field.add(name=name, number=number, label=label)
    if bare in MESSAGES or bare in ENUMS:
        field.type = proto.TYPE_MESSAGE if bare in MESSAGES else proto.TYPE_ENUM
        field.type_name = f".lockstep.{bare}"
    else:
        field.type = proto.Type.Value(f"TYPE_{bare.upper()}")
