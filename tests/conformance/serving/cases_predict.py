"""1.2 and 1.3: what predict reads and writes, value by value."""

import json
from dataclasses import replace
from typing import Any, Final

from .case import ANYTHING, Body, Error, Ours, Rest, Text

T: Final = "POST /v1/models/t:predict"


def row(fact: str, signature: str, instances: str, answer: Any, status: int = 200) -> Rest:
    """Ask for rows; a list is the predictions."""
    answer = {"predictions": answer} if isinstance(answer, list) else answer
    body = f'{{"signature_name":"{signature}","instances":{instances}}}'
    return Rest(fact, T, status, answer, body)


def columns(fact: str, signature: str, inputs: str, answer: Any, status: int = 200) -> Rest:
    """Ask for columns; what is no error is the outputs."""
    if not isinstance(answer, Error | Text | Body):
        answer = {"outputs": answer}
    return Rest(fact, T, status, answer, f'{{"signature_name":"{signature}","inputs":{inputs}}}')


def bad_row(fact: str, signature: str, instances: str, inner: str, element: str = "0") -> Rest:
    """A row that cannot be read; `element` may also name the key."""
    text = f"Failed to process element: {element} of 'instances' list. {inner}"
    return row(fact, signature, instances, Error(text), 400)


def bad(fact: str, body: str, text: str = "JSON Parse error: ", how: Any = "is") -> Rest:
    """A body that is refused; without a text, because it cannot be parsed."""
    how = "begins" if text == "JSON Parse error: " else how
    return Rest(fact, T, 400, Error(text, how), body)


def ints(**columns: str) -> str:
    """The inputs of the signature `ints`, one of them changed."""
    values = {"i32": "1", "i64": "1", "u8": "1", "b": "true", **columns}
    return "{" + ",".join(f'"{name}":[{value}]' for name, value in values.items()) + "}"


def more(**columns: str) -> str:
    """The inputs of the signature `more`, one of them changed."""
    values = {"i8": "1", "i16": "1", "u32": "1", "u64": "1", **columns}
    return "{" + ",".join(f'"{name}":[{value}]' for name, value in values.items()) + "}"


def not_a(value: str, kind: str, dtype: str) -> Error:
    """The refusal of a value of the wrong type."""
    return Error(f"JSON Value: {value} Type: {kind} is not of expected type: {dtype}")


INVALID: Final = "Error: INVALID_ARGUMENT: "
FOURTEEN: Final = {"predictions": [[14.0]]}
ROW: Final = '{"instances":[[1,2,3]]}'
SAME: Final = {"i32": [1], "i64": [1], "u8": [1], "b": [True]}
MORE: Final = {"i8": [1], "i16": [1], "u32": [1], "u64": [1]}
NAN, INF = float("nan"), float("inf")
DEEP: Final = 500_000

SYNTAX: Final = [
    bad("1.2 object", "", "JSON Parse error: The document is empty"),
    bad("1.2 object", "   "),
    bad("1.2 object", "[1,2,3]", "JSON Value: [1, 2, 3] Is not object"),
    bad("1.2 object", '"text"', 'JSON Value: "text" Is not object'),
    bad("1.2 object", "5", "JSON Value: 5 Is not object"),
    bad("1.2 object", "null", "JSON Value: null Is not object"),
    Rest("1.2 trailing garbage", T, 200, FOURTEEN, ROW + " garbage"),
    Rest("1.2 trailing garbage", T, 200, FOURTEEN, ROW + "{"),
    Rest("1.2 BOM", T, 200, FOURTEEN, b"\xef\xbb\xbf" + ROW.encode()),
    Rest(
        *("1.2 duplicate keys", T, 200, FOURTEEN),
        '{"instances":[[1,2,3]],"instances":[[0,0,0]]}',
    ),
    Rest(
        *("1.2 duplicate keys", T, 200, {"predictions": [1.0]}),
        '{"signature_name":"ident","signature_name":"no_such","instances":[1]}',
    ),
    columns("1.2 duplicate keys", "ident", '{"x":[1],"x":[2]}', [1.0]),
    Rest("1.2 unknown keys", T, 200, FOURTEEN, '{"pad":{"a":[null]},"instances":[[1,2,3]],"z":1}'),
    Rest(
        *("1.2 invalid UTF-8", T, 200, FOURTEEN),
        b'{"pad":"\xff\xfe","instances":[[1,2,3]]}',
    ),
    Rest(
        *("1.2 invalid UTF-8", T, 200, {"predictions": ["\udcff"]}),
        b'{"signature_name":"strs","instances":["\xff"]}',
    ),
    *(
        bad("1.2 strict syntax", body)
        for body in (
            '{/* c */"instances":[[1,2,3]]}',
            '{"instances":[[1,2,3]],}',
            "{'instances':[[1,2,3]]}",
            "{instances:[[1,2,3]]}",
            '{"instances":[[1,2,3,]]}',
            '{"instances":[[01,2,3]]}',
            '{"instances":[[+1,2,3]]}',
            '{"instances":[[.5,2,3]]}',
            '{"instances":[[1.,2,3]]}',
            '{"instances":[[1e,2,3]]}',
            '{"instances":[[0x1,2,3]]}',
            '{"instances":[[True,2,3]]}',
            '{"signature_name":"strs","instances":["\\x"]}',
            '{"signature_name":"strs","instances":["\\ud800"]}',
            '{"signature_name":"strs","instances":["a]}',
        )
    ),
    bad(
        *("1.2 strict syntax", '{"instances":[[1,2,3]]'),
        "JSON Parse error: Missing a comma or '}' after an object member. at offset: 22",
    ),
    bad("1.2 strict syntax", "{", "JSON Parse error: Missing a name for object member.", "begins"),
    bad(
        *("1.2 strict syntax", '{"instances" [1]}'),
        *("JSON Parse error: Missing a colon after a name of object member.", "begins"),
    ),
    Rest("1.2 deep nesting", T, 400, ANYTHING, '{"instances":' + "[" * DEEP + "]" * DEEP + "}"),
    Rest("1.2 deep nesting", T, 400, ANYTHING, '{"instances":' + "[" * DEEP),
    Rest("1.2 deep nesting", T, 200, FOURTEEN, '{"p":' + "[" * 500 + "]" * 500 + "," + ROW[1:]),
    Rest("1.2 signature_name", T, 200, FOURTEEN, ROW),
    row("1.2 signature_name", "", "[[1,2,3]]", FOURTEEN),
    row("1.2 signature_name", "serving_default", "[[1,2,3]]", FOURTEEN),
    *(
        bad(
            *("1.2 signature_name", f'{{"signature_name":{value}}}'),
            f'JSON Value: {{\n    "signature_name": {value}\n}} not formatted correctly. '
            "'signature_name' key must be a string value.",
        )
        for value in ("5", "null", "true")
    ),
    row(
        *("1.2 unknown signature", "no_such", "[[1,2,3]]"),
        *(Error('Serving signature name: "no_such" not found in signature def'), 400),
    ),
    bad("1.2 instances or inputs", "{}", "Missing 'inputs' or 'instances' key"),
    bad("1.2 instances or inputs", '{"Instances":[[1]]}', "Missing 'inputs' or 'instances' key"),
    bad(
        *("1.2 instances or inputs", '{"instances":1,"inputs":2}'),
        'JSON Value: {\n    "instances": 1,\n    "inputs": 2\n} Not formatted correctly expecting '
        "only one of 'inputs' or 'instances' keys to exist ",
    ),
]

ROWS: Final = [
    bad(
        *("1.2 row: not empty", '{"instances":[]}'),
        "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
    ),
    *(
        bad(
            *("1.2 row: not empty", f'{{"instances":{value}}}'),
            f'JSON Value: {{\n    "instances": {value}\n}} '
            "Excepting 'instances' to be an list/array",
        )
        for value in ("5", "null", '"a"')
    ),
    Rest("1.2 row: one input", T, 200, FOURTEEN, ROW),
    Rest("1.2 row: one input", T, 200, FOURTEEN, '{"instances":[{"x":[1,2,3]}]}'),
    bad_row(
        *("1.2 row: one input", "serving_default", '[{"x":[1,2,3],"z":1}]'),
        *(f"{INVALID}JSON object: does not have named input: z", "0 key: z"),
    ),
    bad_row(
        *("1.2 row: one input", "serving_default", "[{}]"),
        "JSON object: {} keys must be equal to: x",
    ),
    row(
        *("1.2 row: several inputs", "pair", '[{"a":1,"b":2},{"b":4,"a":3}]'),
        [{"x": 1.0, "y": 2.0}, {"x": 3.0, "y": 4.0}],
    ),
    bad_row(
        *("1.2 row: several inputs", "pair", '[{"a":1,"b":2},{"b":4}]'),
        *('JSON object: {\n    "b": 4\n} keys must be equal to: a,b', "1"),
    ),
    bad_row(
        *("1.2 row: several inputs", "pair", '[{"a":1,"b":2,"c":3}]'),
        *(f"{INVALID}JSON object: does not have named input: c", "0 key: c"),
    ),
    row(
        *("1.2 row: several inputs", "pair", "[1,2]"),
        Error(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        ),
        400,
    ),
    row(
        *("1.2 row: no mixture", "ident", '[{"x":1},2]'),
        *(Error("Expecting object but got list at item 1 of input list"), 400),
    ),
    row(
        *("1.2 row: no mixture", "ident", '[1,{"x":2}]'),
        *(Error("Expecting value/list but got object at item 1 of input list"), 400),
    ),
    bad_row(
        *("1.2 row: ragged", "serving_default", "[[1,2,3],[4,5]]"),
        *(f"{INVALID}Expecting tensor size: 3 but got: 2", "1"),
    ),
    bad_row(
        *("1.2 row: ragged", "ident", "[[[1,2,3,4]],[[1,2],[3,4]]]"),
        *(f"{INVALID}Expecting shape [1,4] but got: [2,2]", "1"),
    ),
    bad_row(
        *("1.2 row: ragged", "ident", "[[[1,2],[3]]]"),
        f"{INVALID}Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    bad_row(
        *("1.2 row: ragged", "ident", "[[1,[2]]]"),
        f"{INVALID}Encountered list at unexpected level: 1 expected < 1",
    ),
    row(
        *("1.2 row: ragged", "ident", "[[[1],2]]"),
        *(Error("found at incorrect level: ", "contains"), 400),
    ),
    row("1.2 row: batch", "serving_default", "[[1,2,3],[4,5,6]]", [[14.0], [32.0]]),
    row("1.2 row: batch", "ident", "[[[1]],[[2]],[[3]]]", [[[1.0]], [[2.0]], [[3.0]]]),
]

COLUMNS: Final = [
    columns("1.2 columnar: one input", "serving_default", "[[1,2,3]]", [[14.0]]),
    columns("1.2 columnar: one input", "serving_default", '{"x":[[1,2,3]]}', [[14.0]]),
    columns("1.2 columnar: several inputs", "pair", '{"a":[1],"b":[2]}', {"x": [1.0], "y": [2.0]}),
    columns(
        *("1.2 columnar: several inputs", "pair", "[1,2]"),
        Error(
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map"
        ),
        400,
    ),
    columns("1.2 columnar: extra names", "serving_default", '{"x":[[1,2,3]],"z":1}', [[14.0]]),
    columns(
        *("1.2 columnar: missing name", "pair", '{"a":[1]}'),
        *(Error("Missing named input: b in 'inputs' object."), 400),
    ),
    columns(
        *("1.2 columnar: missing name", "serving_default", '{"z":[[1,2,3]]}'),
        *(Error("Missing named input: x in 'inputs' object."), 400),
    ),
    columns("1.2 columnar: scalar and empty", "ident", "3.5", 3.5),
    columns("1.2 columnar: scalar and empty", "strs", '"a"', "a"),
    columns("1.2 columnar: scalar and empty", "strs", '""', ""),
    columns("1.2 columnar: scalar and empty", "ident", "[]", []),
    columns("1.2 columnar: scalar and empty", "ident", "[[],[]]", [[], []]),
    columns(
        *("1.2 columnar: no batch check", "pair", '{"a":[1,2,3],"b":[4]}'),
        {"x": [1.0, 2.0, 3.0], "y": [4.0]},
    ),
    columns(
        *("1.2 columnar: ragged", "serving_default", "[[1,2,3],[4,5]]"),
        *(Error("Encountered list at unexpected size: 2 at level: 1 expected size: 3"), 400),
    ),
    columns(
        *("1.2 columnar: ragged", "ident", "[1,[2]]"),
        *(Error("Encountered list at unexpected level: 1 expected < 1"), 400),
    ),
    row(
        *("1.2 shapes", "serving_default", "[[1,2]]"),
        *(Error("Matrix size-incompatible", "begins"), 400),
    ),
    row(
        *("1.2 shapes", "serving_default", "[1,2,3]"),
        *(Error("In[0] ", "begins"), 400),
    ),
]

TYPES: Final = [
    row("1.2 float", "ident", "[1,2.5,-3,1e2]", [1.0, 2.5, -3.0, 100.0]),
    row("1.2 float", "ident", "[1e39,-1e39]", [INF, -INF]),
    row("1.2 float", "ident", "[16777217]", [16777216.0]),
    row("1.2 float", "ident64", "[1e308,16777217]", [1e308, 16777217.0]),
    columns("1.2 float", "ident", "[null]", not_a("null", "Null", "float"), 400),
    columns("1.2 float", "ident", "[true]", not_a("true", "True", "float"), 400),
    columns("1.2 float", "ident", '["1"]', not_a('"1"', "String", "float"), 400),
    row(
        *("1.2 too big", "ident64", "[1e400]"),
        Error("JSON Parse error: Number too big to be stored in double. at offset: 41"),
        400,
    ),
    columns("1.2 int32", "ints", ints(i32="1.0"), not_a("1.0", "Number", "int32"), 400),
    columns(
        *("1.2 int32", "ints", ints(i32="2147483648")),
        *(not_a("2147483648", "Number", "int32"), 400),
    ),
    columns("1.2 int32", "ints", ints(i32="-2147483648"), {**SAME, "i32": [-2147483648]}),
    columns("1.2 int32", "ints", ints(u8="1.5"), not_a("1.5", "Number", "uint8"), 400),
    columns("1.2 int32", "ints", ints(i32="NaN"), not_a("NaN", "Number", "int32"), 400),
    columns("1.2 wraps", "ints", ints(u8="300"), {**SAME, "u8": [44]}),
    columns("1.2 wraps", "ints", ints(u8="-1"), {**SAME, "u8": [255]}),
    columns(
        "1.2 wraps", "more", more(i8="200", i16="40000"), {**MORE, "i8": [-56], "i16": [-25536]}
    ),
    columns(
        *("1.2 int64", "ints", ints(i64="9007199254740993")),
        {**SAME, "i64": [9007199254740993]},
    ),
    columns(
        *("1.2 int64", "ints", ints(i64="9223372036854775808")),
        *(not_a("9223372036854775808", "Number", "int64"), 400),
    ),
    columns("1.2 int64", "ints", ints(i64="1.0"), not_a("1.0", "Number", "int64"), 400),
    columns(
        *("1.2 int64", "more", more(u32="4294967295", u64="18446744073709551615")),
        {**MORE, "u32": [4294967295], "u64": [18446744073709551615]},
    ),
    columns(
        *("1.2 int64", "more", more(u32="4294967296")),
        *(not_a("4294967296", "Number", "uint32"), 400),
    ),
    columns("1.2 int64", "more", more(u32="-1"), not_a("-1", "Number", "uint32"), 400),
    columns("1.2 int64", "more", more(u64="-1"), not_a("-1", "Number", "uint64"), 400),
    columns("1.2 bool", "ints", ints(b="false"), {**SAME, "b": [False]}),
    columns("1.2 bool", "ints", ints(b="1"), not_a("1", "Number", "bool"), 400),
    columns("1.2 bool", "ints", ints(b='"true"'), not_a('"true"', "String", "bool"), 400),
    row("1.2 string", "strs", '["","\\u00e9","a\\u0000b"]', ["", "é", "a\0b"]),
    columns("1.2 string", "strs", '["a",{"b64":"aGk="}]', ["a", "hi"]),
    bad_row(
        *("1.2 string", "strs", "[5]"),
        f"{INVALID}JSON Value: 5 Type: Number is not of expected type: string",
    ),
    columns("1.2 string", "strs", "[true]", not_a("true", "True", "string"), 400),
    columns("1.2 half", "half", "[1.0]", Error("Conversion of JSON Value: 1.0 to type: half"), 501),
    bad_row(
        *("1.2 half", "half", "[1.0]"),
        "Error: UNIMPLEMENTED: Conversion of JSON Value: 1.0 to type: half",
    ),
    row(
        *("1.2 half", "to_half", "[1.0]"),
        *(Error("Failed to write JSON value for tensor type: half"), 400),
    ),
    row("1.2 b64", "strs", '[{"b64":"aGk"},{"b64":""}]', ["hi", ""]),
    bad_row("1.2 b64", "strs", '[{"b64":"_-8="}]', f"{INVALID}Unable to base64 decode"),
    bad_row("1.2 b64", "strs", '[{"b64":"!!!!"}]', f"{INVALID}Unable to base64 decode"),
    bad_row(
        *("1.2 b64", "strs", '[{"b64":"aGk=","z":1}]'),
        *(f"{INVALID}JSON object: does not have named input: b64", "0 key: b64"),
    ),
    columns(
        *("1.2 b64", "strs", '[{"b64":5}]'),
        Error('JSON Value: {\n    "b64": 5\n} not formatted correctly for base64 data'),
        400,
    ),
    columns(
        *("1.2 b64", "strs", '[{"z":"aGk="}]'),
        Error('JSON Value: {\n    "z": "aGk="\n} not formatted correctly for base64 data'),
        400,
    ),
    bad_row(
        *("1.2 b64 elsewhere", "ident", '[{"b64":"aGk="}]'),
        f'{INVALID}JSON Value: {{\n    "b64": "aGk="\n}} Type: Object '
        "is not of expected type: float",
    ),
    columns(
        *("1.2 b64 elsewhere", "ident", '{"b64":"aGk="}'),
        *(not_a('{\n    "b64": "aGk="\n}', "Object", "float"), 400),
    ),
    row("1.2 NaN", "ident", "[NaN,Infinity,-Infinity,Inf,-Inf]", [NAN, INF, -INF, INF, -INF]),
    row("1.2 NaN", "ident64", "[NaN,-Inf]", [NAN, -INF]),
    *(
        row(
            "1.2 NaN",
            "ident",
            f"[{word}]",
            Error("JSON Parse error: Invalid value.", "begins"),
            400,
        )
        for word in ("Nan", "nan", "inf", "INFINITY")
    ),
]

FLOATS: Final = "1,-0.0,999999,9000000,0.00003,16777216,1435774336,3.40282347e38,0.1,1e-3"
FLOATS_OUT: Final = (
    "1.0,-0.0,999999.0,9e+06,3e-05,16777216.0,1.43577434e+09,3.40282347e+38,0.1,0.001"
)


def spelled(signature: str, numbers: str, texts: str) -> Rest:
    """Numbers, and how they are written; ours are equal when they are read."""
    case = row("1.3 float text", signature, f"[{numbers}]", Text(f'{{"predictions":[{texts}]}}'))
    read = {"predictions": json.loads(f"[{texts}]")}
    return replace(case, ours=Ours("equal numbers, in a spelling written faster", 200, read))


OUTPUTS: Final = [
    row("1.3 row", "ident", "[1]", [1.0]),
    columns("1.3 columnar", "ident", "[1]", [1.0]),
    row(
        "1.3 one output",
        "multi",
        '[{"a":[1,2],"b":"q"}]',
        [{"sum": 3.0, "out_bytes": {"b64": "cQ=="}, "txt": 1}],
    ),
    columns("1.3 one output", "pair", '{"a":[],"b":[]}', {"x": [], "y": []}),
    row(
        *("1.3 row: rank 0", "scalar", "[1,2,3]"),
        *(Error("Tensor name: total has no shape information "), 400),
    ),
    row(
        *("1.3 row: batches differ", "uneven", "[1,2]"),
        *(Error(" has inconsistent batch size: ", "contains"), 400),
    ),
    columns("1.3 columnar: free", "uneven", "[1,2]", {"x": [1.0, 2.0], "y": [1.0, 2.0, 0.0]}),
    columns("1.3 columnar: free", "scalar", "[1,2,3]", 6.0),
    columns(
        *("1.3 bytes", "multi", '{"a":[[1,2]],"b":[{"b64":"/w=="}]}'),
        {"sum": [3.0], "out_bytes": [{"b64": "/w=="}], "txt": [1]},
    ),
    row("1.3 bytes", "strs", '[{"b64":"/w=="}]', ["\udcff"]),
    row("1.3 bytes", "strs", '["quote \\" slash / \\\\ tab \\t"]', ['quote " slash / \\ tab \t']),
    row("1.3 NaN", "ident", "[NaN,Inf,-Inf]", Text('{"predictions":[NaN,Infinity,-Infinity]}')),
    spelled("ident", FLOATS, FLOATS_OUT),
    spelled(
        *("ident64", f"{1 / 3},0.1,1e21,123456789"),
        "0.33333333333333331,0.1,1e+21,123456789.0",
    ),
    columns(
        *("1.3 exact integers", "ints", ints(i64="-9223372036854775808")),
        {**SAME, "i64": [-9223372036854775808]},
    ),
]

CASES: Final = [*SYNTAX, *ROWS, *COLUMNS, *TYPES, *OUTPUTS]
