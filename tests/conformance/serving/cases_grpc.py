"""1.5: gRPC, as text protos."""

from typing import Any, Final

from .case import ANYTHING, Error, Grpc, Part

PREDICT: Final = "PredictionService/Predict"
CLASSIFY: Final = "PredictionService/Classify"
REGRESS: Final = "PredictionService/Regress"
MULTI: Final = "PredictionService/MultiInference"
METADATA: Final = "PredictionService/GetModelMetadata"
STATUS: Final = "ModelService/GetModelStatus"
RELOAD: Final = "ModelService/HandleReloadConfigRequest"

INVALID, NOT_FOUND, PRECONDITION = "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"


def shape(*sizes: int) -> str:
    """A TensorShapeProto."""
    return "tensor_shape { " + " ".join(f"dim {{ size: {size} }}" for size in sizes) + " }"


def tensor(name: str, dtype: str, sizes: tuple[int, ...], values: str, of: str = "inputs") -> str:
    """One entry of the map of inputs or outputs."""
    value = f"dtype: {dtype} {shape(*sizes)} {values}"
    return f'{of} {{ key: "{name}" value {{ {value} }} }} '


def spec(model: str, version: int = 0, signature: str = "") -> str:
    """A model_spec."""
    parts = [f'name: "{model}"']
    parts += [f"version {{ value: {version} }}"] if version else []
    parts += [f'signature_name: "{signature}"'] if signature else []
    return f"model_spec {{ {' '.join(parts)} }} "


def output(name: str, dtype: str, sizes: tuple[int, ...], values: str) -> str:
    """One entry of the map of outputs."""
    return tensor(name, dtype, sizes, values, "outputs")


def example(x: float) -> str:
    """One tf.Example with the feature x."""
    return (
        'examples { features { feature { key: "x" value { float_list { value: '
        f"{x}"
        " } } } } } "
    )


def task(model: str, signature: str, method: str, version: int = 0) -> str:
    """One task of a MultiInference."""
    named = f'method_name: "tensorflow/serving/{method}"'
    return f"tasks {{ {spec(model, version, signature)} {named} }} "


X: Final = tensor("x", "DT_FLOAT", (1, 3), "float_val: [1, 2, 3]")
ONE: Final = tensor("x", "DT_FLOAT", (1,), "float_val: 2")
Y: Final = output("y", "DT_FLOAT", (1, 1), "float_val: 14")
THREE: Final = output("y", "DT_FLOAT", (1,), "float_val: 3")
TWO: Final = f"input {{ example_list {{ {example(2)} }} }} "
FIELD: Final = 'metadata_field: "signature_def" '
METHODS: Final = {
    PREDICT: X,
    CLASSIFY: TWO,
    REGRESS: TWO,
    MULTI: TWO,
    METADATA: FIELD,
    STATUS: "",
}


def asked(rpc: str, model_spec: str) -> str:
    """A whole request of any method for a model."""
    if rpc == MULTI:
        return METHODS[rpc] + f'tasks {{ {model_spec} method_name: "tensorflow/serving/regress" }}'
    return METHODS[rpc] + model_spec


def refused(fact: str, rpc: str, model_spec: str, code: str, text: str) -> Grpc:
    """A request that fails by its model_spec."""
    return Grpc(fact, rpc, asked(rpc, model_spec), Error(text), code)


LABEL: Final = 'model_spec { name: "hpt" version_label: "x" }'

BY_METHOD: Final = [
    *(
        refused("1.5 no model_spec", rpc, "", INVALID, "Missing ModelSpec")
        for rpc in METHODS
        if rpc != MULTI
    ),
    refused("1.5 no model_spec", MULTI, "", INVALID, "ModelSpec has no name specified."),
    *(
        refused(
            "1.5 empty name", rpc, "model_spec { }", INVALID, "ModelSpec has no name specified."
        )
        for rpc in METHODS
        if rpc != STATUS
    ),
    refused(
        *("1.5 empty name", STATUS, "model_spec { }", NOT_FOUND),
        "Could not find any versions of model ",
    ),
    *(
        refused(
            *("1.5 unknown model", rpc, spec("m"), NOT_FOUND),
            "Servable not found for request: Latest(m)",
        )
        for rpc in METHODS
        if rpc != STATUS
    ),
    refused(
        *("1.5 unknown model", STATUS, spec("m"), NOT_FOUND),
        "Could not find any versions of model m",
    ),
    *(
        refused(
            *("1.5 unknown version", rpc, spec("hpt", 9), NOT_FOUND),
            "Servable not found for request: Specific(hpt, 9)",
        )
        for rpc in METHODS
        if rpc != STATUS
    ),
    refused(
        *("1.5 unknown version", STATUS, spec("hpt", 9), NOT_FOUND),
        "Could not find version 9 of model hpt",
    ),
    *(
        refused(
            *("1.5 unknown label", rpc, LABEL, INVALID),
            "Unrecognized servable version label: x",
        )
        for rpc in METHODS
        if rpc != STATUS
    ),
    Grpc(
        *("1.5 unknown label", STATUS, LABEL),
        "model_version_status { version: 124 state: AVAILABLE status { } } "
        "model_version_status { version: 123 state: AVAILABLE status { } }",
    ),
]

SERVICES: Final = [
    Grpc(
        *("1.5 services", PREDICT, X + spec("t")),
        Y + spec("t", 1, "serving_default"),
    ),
    Grpc(
        *("1.5 services", PREDICT, ONE + spec("hpt")),
        THREE + spec("hpt", 124, "serving_default"),
    ),
    Grpc(
        *("1.5 services", CLASSIFY, TWO + spec("hpt", 0, "classify_x_to_y")),
        "result { classifications { classes { score: 3 } } } "
        + spec("hpt", 124, "classify_x_to_y"),
    ),
    Grpc(
        *("1.5 services", CLASSIFY, TWO + spec("t", 0, "labels")),
        'result { classifications { classes { label: "small" score: -1 } '
        'classes { label: "large" score: 2 } } } ' + spec("t", 1, "labels"),
    ),
    Grpc(
        *("1.5 services", REGRESS, TWO + spec("hpt", 0, "regress_x_to_y")),
        "result { regressions { value: 3 } } " + spec("hpt", 124, "regress_x_to_y"),
    ),
    Grpc(
        *("1.5 services", REGRESS),
        f"input {{ example_list {{ {example(2)} {example(4)} }} }} " + spec("t", 0, "ex"),
        "result { regressions { value: 4 } regressions { value: 8 } } " + spec("t", 1, "ex"),
    ),
    Grpc(
        *("1.5 services", REGRESS),
        "input { example_list_with_context { examples { } context { features { feature { "
        'key: "x" value { float_list { value: 2 } } } } } } } ' + spec("t", 0, "ex"),
        "result { regressions { value: 4 } } " + spec("t", 1, "ex"),
    ),
    Grpc(
        *("1.5 services", MULTI),
        task("hpt", "regress_x_to_y", "regress") + task("hpt", "classify_x_to_y", "classify") + TWO,
        f"results {{ {spec('hpt', 124, 'regress_x_to_y')} "
        "regression_result { regressions { value: 3 } } } "
        f"results {{ {spec('hpt', 124, 'classify_x_to_y')} "
        "classification_result { classifications { classes { score: 3 } } } }",
    ),
    Grpc("1.5 services", METADATA, FIELD + spec("hpt"), ANYTHING),
    Grpc(
        *("1.5 services", STATUS, spec("hpt", 123)),
        "model_version_status { version: 123 state: AVAILABLE status { } }",
    ),
    Grpc("1.5 no SessionService", "SessionService/SessionRun", spec("t"), code="UNIMPLEMENTED"),
    Grpc(
        "1.5 no reflection",
        *("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", ""),
        code="UNIMPLEMENTED",
    ),
    Grpc("1.5 health", "grpc.health.v1.Health/Check", "", "status: SERVING"),
    *(
        Grpc("1.5 health", "grpc.health.v1.Health/Check", f'service: "{name}"', "status: SERVING")
        for name in ("PredictionService", "ModelService")
    ),
    Grpc("1.5 health", "grpc.health.v1.Health/Check", 'service: "no_such"', code=NOT_FOUND),
    Grpc("1.5 health", "grpc.health.v1.Health/Check", "", code="UNIMPLEMENTED", server="bare"),
    Grpc(
        *("1.5 version and label", PREDICT, ONE + spec("hpt", 123)),
        THREE + spec("hpt", 123, "serving_default"),
    ),
    Grpc(
        *("1.5 version and label", PREDICT),
        ONE + 'model_spec { name: "hpt" version_label: "stable" }',
        THREE + spec("hpt", 123, "serving_default"),
    ),
    Grpc(
        *("1.5 version and label", CLASSIFY),
        TWO
        + 'model_spec { name: "hpt" version_label: "canary" signature_name: "classify_x_to_y" }',
        "result { classifications { classes { score: 3 } } } "
        + spec("hpt", 124, "classify_x_to_y"),
    ),
    Grpc(
        *("1.5 long errors", PREDICT, X + spec(2000 * "a")),
        Error(f"Servable not found for request: Latest({2000 * 'a'})"[:1024] + "...TRUNCATED"),
        NOT_FOUND,
    ),
    Grpc(
        *("1.5 large messages", PREDICT),
        tensor("s", "DT_STRING", (1,), f'string_val: "{5_000_000 * "a"}"') + spec("t", 0, "strs"),
        output("t", "DT_STRING", (1,), f'string_val: "{5_000_000 * "a"}"') + spec("t", 1, "strs"),
    ),
    Grpc(
        *("1.5 effective model_spec", PREDICT, ONE + spec("hpt", 0, "serving_default")),
        THREE + spec("hpt", 124, "serving_default"),
    ),
    Grpc(
        *("1.5 effective model_spec", METADATA, FIELD + spec("hpt")),
        Part('model_spec { name: "hpt" version { value: 124 } }'),
    ),
]

TENSORS: Final = [
    Grpc(
        *("1.5 typed fields", PREDICT),
        tensor("i32", "DT_INT32", (2,), "int_val: [-1, 2]")
        + tensor("i64", "DT_INT64", (2,), "int64_val: [-9007199254740993, 2]")
        + tensor("u8", "DT_UINT8", (2,), "int_val: [255, 2]")
        + tensor("b", "DT_BOOL", (2,), "bool_val: [true, false]")
        + spec("t", 0, "ints"),
        output("i32", "DT_INT32", (2,), "int_val: [-1, 2]")
        + output("i64", "DT_INT64", (2,), "int64_val: [-9007199254740993, 2]")
        + output("u8", "DT_UINT8", (2,), "int_val: [255, 2]")
        + output("b", "DT_BOOL", (2,), "bool_val: [true, false]")
        + spec("t", 1, "ints"),
    ),
    Grpc(
        *("1.5 typed fields", PREDICT),
        tensor("i8", "DT_INT8", (1,), "int_val: -7")
        + tensor("i16", "DT_INT16", (1,), "int_val: -700")
        + tensor("u32", "DT_UINT32", (1,), "uint32_val: 4294967295")
        + tensor("u64", "DT_UINT64", (1,), "uint64_val: 18446744073709551615")
        + spec("t", 0, "more"),
        output("i8", "DT_INT8", (1,), "int_val: -7")
        + output("i16", "DT_INT16", (1,), "int_val: -700")
        + output("u32", "DT_UINT32", (1,), "uint32_val: 4294967295")
        + output("u64", "DT_UINT64", (1,), "uint64_val: 18446744073709551615")
        + spec("t", 1, "more"),
    ),
    Grpc(
        *("1.5 typed fields", PREDICT),
        tensor("x", "DT_DOUBLE", (2, 1), "double_val: [0.1, inf]") + spec("t", 0, "ident64"),
        output("y", "DT_DOUBLE", (2, 1), "double_val: [0.1, inf]") + spec("t", 1, "ident64"),
    ),
    Grpc(
        *("1.5 typed fields", PREDICT),
        tensor("x", "DT_HALF", (2,), "half_val: [15360, 49152]") + spec("t", 0, "half"),
        output("y", "DT_HALF", (2,), "half_val: [15360, 49152]") + spec("t", 1, "half"),
    ),
    Grpc(
        *("1.5 typed fields", PREDICT),
        tensor("s", "DT_STRING", (2,), r'string_val: ["\377\000", ""]') + spec("t", 0, "strs"),
        output("t", "DT_STRING", (2,), r'string_val: ["\377\000", ""]') + spec("t", 1, "strs"),
    ),
    Grpc(
        *("1.5 typed fields", PREDICT),
        tensor("s", "DT_STRING", (), 'string_val: "a"') + spec("t", 0, "strs"),
        output("t", "DT_STRING", (), 'string_val: "a"') + spec("t", 1, "strs"),
    ),
    Grpc(
        *("1.5 typed fields", PREDICT),
        tensor("x", "DT_FLOAT", (3,), "float_val: [1, 2, 3]") + spec("t", 0, "scalar"),
        output("total", "DT_FLOAT", (), "float_val: 6") + spec("t", 1, "scalar"),
    ),
    Grpc(
        *("1.5 typed fields", PREDICT),
        tensor("x", "DT_FLOAT", (0, 3), "") + spec("t"),
        output("y", "DT_FLOAT", (0, 1), "") + spec("t", 1, "serving_default"),
    ),
    Grpc(
        *("1.5 typed fields", PREDICT),
        tensor("x", "DT_FLOAT", (2, 3), "float_val: 1") + spec("t"),
        output("y", "DT_FLOAT", (2, 1), "float_val: [6, 6]") + spec("t", 1, "serving_default"),
    ),
    Grpc(
        *("1.5 tensor_content", PREDICT),
        tensor("x", "DT_FLOAT", (2,), r'tensor_content: "\000\000\200?\000\000\000@"')
        + spec("t", 0, "ident"),
        output("y", "DT_FLOAT", (2,), "float_val: [1, 2]") + spec("t", 1, "ident"),
    ),
    Grpc(
        *("1.5 tensor_content", PREDICT),
        tensor("x", "DT_FLOAT", (2,), "float_val: [1, 2]") + spec("t", 0, "ident"),
        output("y", "DT_FLOAT", (2,), r'tensor_content: "\000\000\200?\000\000\000@"')
        + spec("t", 1, "ident"),
        server="bare",
    ),
]


def bad(fact: str, request: str, code: str, answer: Any, rpc: str = PREDICT) -> Grpc:
    """A request that is refused for its content."""
    return Grpc(fact, rpc, request, Error(answer) if isinstance(answer, str) else answer, code)


SIZES: Final = "input size does not match signature: "

CONTENT: Final = [
    bad(
        *("1.5 unknown signature", X + spec("t", 0, "x"), PRECONDITION),
        'Serving signature key "x" not found.',
    ),
    *(
        bad(
            *("1.5 unknown signature", TWO + spec("hpt", 0, "x"), INVALID),
            *("No signature was found with the name: x", rpc),
        )
        for rpc in (CLASSIFY, REGRESS)
    ),
    bad(
        *("1.5 unknown signature", TWO + task("hpt", "x", "regress"), INVALID),
        *("Requested signature not found in model graph: x", MULTI),
    ),
    bad(
        *("1.5 inputs missing or extra", spec("t"), INVALID),
        f"{SIZES}0!=1 len({{}}) != len({{x}}). Sent extra: {{}}. Missing but required: {{x}}.",
    ),
    bad(
        *("1.5 inputs missing or extra", X + X.replace('"x"', '"z"') + spec("t"), INVALID),
        f"{SIZES}2!=1 len({{x,z}}) != len({{x}}). Sent extra: {{z}}. Missing but required: {{}}.",
    ),
    *(
        bad("1.5 empty input", spec("hpt", 0, signature), INVALID, "Input is empty.", rpc)
        for rpc, signature in ((CLASSIFY, "classify_x_to_y"), (REGRESS, "regress_x_to_y"))
    ),
    bad(
        *("1.5 empty input", "input { example_list { } } " + spec("t", 0, "ex"), INVALID),
        *("Input is empty.", REGRESS),
    ),
    bad(
        *("1.5 empty input", task("hpt", "regress_x_to_y", "regress"), INVALID),
        *("Input is empty.", MULTI),
    ),
    bad(
        *("1.5 wrong input name", X.replace('"x"', '"z"') + spec("t"), INVALID),
        Error("Signature input alias: x(feed name: ", "begins"),
    ),
    bad(
        *("1.5 wrong input name", X.replace('"x"', '"z"') + spec("t"), INVALID),
        Error(") not found in request and no default value provided. ", "contains"),
    ),
    bad(
        "1.5 bad tensor",
        *(tensor("x", "DT_FLOAT", (1, 3), 'tensor_content: "abc"') + spec("t"), INVALID),
        "tensor parsing error: x",
    ),
    bad(
        "1.5 bad tensor",
        *(tensor("x", "DT_INVALID", (1, 3), "float_val: 1") + spec("t"), INVALID),
        "tensor parsing error: x",
    ),
    bad(
        "1.5 bad tensor",
        *(tensor("x", "DT_FLOAT", (-1, 3), "float_val: 1") + spec("t"), INVALID),
        "tensor parsing error: x",
    ),
    bad(
        "1.5 wrong dtype",
        *(tensor("x", "DT_STRING", (1, 3), 'string_val: "a"') + spec("t"), INVALID),
        Error("to be float but string is provided", "contains"),
    ),
    bad(
        "1.5 wrong dtype",
        *(tensor("x", "DT_DOUBLE", (1, 3), "double_val: 1") + spec("t"), INVALID),
        Error("to be float but double is provided", "contains"),
    ),
    bad(
        *("1.5 output_filter", X + spec("t") + 'output_filter: "z"', INVALID),
        "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
    ),
    bad(
        *("1.5 output_filter", X + spec("t") + 'output_filter: "y" output_filter: "y"', INVALID),
        "duplicate output tensor alias: y",
    ),
    Grpc(
        *("1.5 output_filter", PREDICT),
        tensor("a", "DT_FLOAT", (1,), "float_val: 1")
        + tensor("b", "DT_FLOAT", (1,), "float_val: 2")
        + spec("t", 0, "pair")
        + 'output_filter: "y"',
        output("y", "DT_FLOAT", (1,), "float_val: 2") + spec("t", 1, "pair"),
    ),
    bad(
        *("1.5 metadata_field", spec("hpt"), INVALID),
        Error("must specify at least one metadata_field", "contains"),
        METADATA,
    ),
    bad(
        *("1.5 metadata_field", 'metadata_field: "f" ' + spec("hpt"), INVALID),
        Error("is not supported", "contains"),
        METADATA,
    ),
    bad(
        "1.5 tasks",
        task("hpt", "regress_x_to_y", "regress") + task("t", "ex", "regress") + TWO,
        *(INVALID, ANYTHING, MULTI),
    ),
    bad(
        "1.5 tasks",
        2 * task("hpt", "regress_x_to_y", "regress") + TWO,
        *(INVALID, "Duplicate evaluation of signature: regress_x_to_y", MULTI),
    ),
    bad(
        "1.5 tasks",
        task("hpt", "serving_default", "predict") + TWO,
        *("UNIMPLEMENTED", ANYTHING, MULTI),
    ),
    Grpc(
        *("1.5 first task's version", MULTI),
        task("hpt", "regress_x_to_y", "regress", 123)
        + task("hpt", "regress_x_to_y2", "regress", 9)
        + TWO,
        f"results {{ {spec('hpt', 123, 'regress_x_to_y')} "
        "regression_result { regressions { value: 3 } } } "
        f"results {{ {spec('hpt', 123, 'regress_x_to_y2')} "
        "regression_result { regressions { value: 4 } } }",
    ),
    bad(
        *("1.5 reload", "config { }", INVALID),
        "ServerModelConfig type not supported by HandleReloadConfigRequest. "
        "Only ModelConfigList is currently supported",
        RELOAD,
    ),
    bad(
        *("1.5 reload", "config { custom_model_config { } }", INVALID),
        Error("Only ModelConfigList is currently supported", "contains"),
        RELOAD,
    ),
    bad(
        "1.5 reload",
        'config { model_config_list { config { name: "t" base_path: "t" '
        'model_platform: "tensorflow" } } }',
        *(INVALID, Error("Expected model t to have an absolute path or URI", "begins"), RELOAD),
    ),
]

CASES: Final = [*BY_METHOD, *SERVICES, *TENSORS, *CONTENT]
