"""Tensors in JSON: the quick way never differs from the careful one, and floats keep their text."""

import json
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as npst

from lockstep.serving.server.json_fast import KEPT
from lockstep.serving.server.json_request import Request
from lockstep.serving.server.json_response import tensors_to_json
from lockstep.serving.server.status import StatusError
from lockstep.serving.server.tensors import Array

from .fake_plane import infos

NUMBERS = st.integers(-300, 300) | st.integers(-(2**65), 2**65) | st.floats(width=32)
LEAVES = NUMBERS | st.none() | st.booleans() | st.text(max_size=3) | st.just({"b64": "aGk="})
VALUES: Any = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=8)
DTYPES = st.sampled_from(
    ["float", "double", "int32", "int8", "uint8", "int64", "uint32", "uint64", "bool", "string"]
)


def read(body: bytes, *, fast: bool, **dtypes: str) -> Any:
    """The tensors, the complaint, or None if the quick way leaves it to the careful one."""
    request = Request.read(body)
    if not fast:
        request.fast = None
    try:
        if fast:
            return request._fast_tensors(infos(**dtypes))  # pyright: ignore[reportPrivateUsage] # alone
        return request.tensors(infos(**dtypes))
    except StatusError as error:
        return str(error)


def check(document: Any, **dtypes: str) -> None:
    """Hold the quick way to the careful one."""
    body = json.dumps(document).encode()
    quick = read(body, fast=True, **dtypes)
    careful = read(body, fast=False, **dtypes)
    assert isinstance(careful, str | tuple)
    if quick is not None:
        assert not isinstance(careful, str), careful
        assert quick[0] == careful[0]
        for alias, array in quick[1].items():
            assert array.dtype == careful[1][alias].dtype
            np.testing.assert_array_equal(array, careful[1][alias])


@given(st.lists(VALUES, min_size=1, max_size=4), DTYPES, st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_quick_way_gives_what_the_careful_way_gives(
    values: list[Any], dtype: str, rows: bool
) -> None:
    """Values of any type and shape: the same array, or none and the careful way's complaint."""
    check({"instances" if rows else "inputs": values}, x=dtype)


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1, max_size=3),
        min_size=1,
        max_size=3,
    ),
    DTYPES,
    DTYPES,
)
@settings(max_examples=200, deadline=None)
def test_rows_of_objects_are_no_exception(rows: list[Any], first: str, second: str) -> None:
    """Rows that name their inputs, with keys missing, extra or right."""
    check({"instances": rows}, a=first, b=second)
    check({"inputs": rows[0]}, a=first, b=second)


@given(
    npst.arrays(
        st.sampled_from(
            [np.float32, np.float64, np.int32, np.uint8, np.int64, np.uint64, np.bool_]
        ),
        npst.array_shapes(max_dims=3, max_side=4),
    ),
    st.booleans(),
)
def test_what_is_written_is_read_back(array: Array, rows: bool) -> None:
    """A tensor of any type, as an answer and back as a request, is the same tensor."""
    answer = tensors_to_json({"x": array}, rows=rows)
    body = answer.replace(b'"predictions"', b'"instances"').replace(b'"outputs"', b'"inputs"')
    name = str(array.dtype).replace("float32", "float").replace("float64", "double")
    _, tensors = Request.read(body).tensors(infos(x=name))
    np.testing.assert_array_equal(tensors["x"], array)


def written(value: np.float32) -> float:
    """What TF Serving's text of a float is as JSON: six digits if they are enough, else nine."""
    six = f"{value:g}"
    with np.errstate(over="ignore"):
        return float(six if np.float32(six) == value else f"{value:.9g}")


@given(
    npst.arrays(
        np.float32, st.sampled_from([3, 100]), elements=st.floats(width=32, allow_nan=False)
    )
)
@settings(max_examples=150, deadline=None)
def test_floats_parse_to_what_tf_servings_do(array: Array) -> None:
    """Whatever the float, the answer's number is the double that TF Serving's text means."""
    found = json.loads(tensors_to_json({"x": array}, rows=False))["outputs"]
    assert found == [written(value) for value in array]


def test_floats_of_every_size_parse_to_what_tf_servings_do() -> None:
    """The same for 40,000 random floats, of all exponents and of everyday sizes."""
    random = np.random.default_rng(0)
    any_bits = np.frombuffer(random.bytes(80_000), np.float32)
    usual = random.normal(size=20_000).astype(np.float32)
    array = np.concatenate([any_bits[np.isfinite(any_bits)], usual])
    found = json.loads(tensors_to_json({"x": array}, rows=False))["outputs"]
    assert found == [written(value) for value in array]


def test_whole_floats_keep_their_point() -> None:
    """A client can tell a float that happens to be whole from an integer."""
    assert (
        tensors_to_json({"x": np.array([1, -0.0], np.float32)}, rows=True)
        == b'{"predictions":[1.0,-0.0]}'
    )


def test_not_numbers_and_not_text_are_written_as_they_are() -> None:
    """NaN and infinities by name, invalid UTF-8 raw, `_bytes` in base64."""
    strings = np.array([b"\xff", b"a"], object)
    values = {"f": np.array([np.nan, -np.inf], np.float32), "s": strings, "s_bytes": strings}
    answer = tensors_to_json(values, rows=False)
    assert b"[NaN, -Infinity]" in answer
    assert b'"\xff"' in answer
    assert b'{"b64": "/w=="}' in answer


@pytest.mark.parametrize("dtype", ["float", "int32"])
def test_a_list_beside_a_number_is_seen(dtype: str) -> None:
    """`[1, [2]]` is as many numbers as `[1, 2]`, and is refused all the same."""
    found = read(b'{"instances":[1,[2]]}', fast=False, x=dtype)
    assert "Expecting shape [] but got: [1]" in found
    assert read(b'{"instances":[1,[2]]}', fast=True, x=dtype) is None


def test_large_batches_take_the_quick_way() -> None:
    """128 rows of 784 floats, 18 mixed features, and images are read without the careful way."""
    rows = np.random.default_rng(0).random((128, 784)).astype(np.float32)
    body = orjson.dumps({"instances": rows}, option=orjson.OPT_SERIALIZE_NUMPY)
    row, tensors = read(body, fast=True, x="float")
    assert row
    np.testing.assert_array_equal(tensors["x"], rows)
    mixed = [{"a": 1.5, "b": "x:y", "c": 3}] * 128
    assert read(
        json.dumps({"instances": mixed}).encode(), fast=True, a="float", b="string", c="int64"
    )
    images = rows.reshape(128, 28, 28, 1)
    body = orjson.dumps({"instances": images}, option=orjson.OPT_SERIALIZE_NUMPY)
    np.testing.assert_array_equal(read(body, fast=True, x="float")[1]["x"], images)


def test_requests_do_not_share_what_they_hold() -> None:
    """Whatever is read in between, and however large: each keeps its own numbers."""
    bodies = [b'{"instances":[1,2]}', b'{"instances":[3]}', b'{"instances":[4%b]}' % (b" " * KEPT)]
    held = [Request.read(body) for body in bodies]
    assert all(request.fast is not None for request in held)
    found = [request.tensors(infos(x="float"))[1]["x"].tolist() for request in held]
    assert found == [[1, 2], [3], [4]]
    arrays = [read(body, fast=True, x="double")[1]["x"] for body in bodies]
    assert [array.tolist() for array in arrays] == found


def test_doubled_keys_mean_the_first() -> None:
    """In the body, in `inputs` and in a row."""
    for body in (
        b'{"inputs":[1],"inputs":[2]}',
        b'{"inputs":{"x":[1],"x":[2]}}',
        b'{"instances":[{"x":1,"x":2}]}',
    ):
        assert Request.read(body).tensors(infos(x="float"))[1]["x"].tolist() == [1.0]
    assert math.isinf(Request.read(b'{"inputs":1e39}').tensors(infos(x="float"))[1]["x"])
