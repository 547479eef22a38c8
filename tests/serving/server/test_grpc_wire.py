"""Requests read where they lie: what is cut out, and that protobuf would have read the same."""

from typing import Any

from google.protobuf.message import DecodeError
from hypothesis import given, settings, strategies as st

from lockstep.serving.client.protos import message
from lockstep.serving.server.grpc_wire import read_predict

REQUEST: Any = type(message("PredictRequest"))
TENSORS = st.tuples(st.integers(0, 23), st.integers(-1, 9), st.integers(0, 9000), st.booleans())


def request_of(inputs: dict[str, tuple[int, int, int, bool]]) -> Any:
    """A request with tensors of a dtype, a dimension, so many bytes, in content or in a field."""
    found = REQUEST()
    found.model_spec.name, found.model_spec.version.value = "m", 7
    found.model_spec.signature_name = "s"
    for name, (dtype, dim, size, content) in inputs.items():
        tensor = found.inputs.add(key=name).value
        tensor.dtype = dtype
        tensor.tensor_shape.dim.add().size = dim
        if content:
            tensor.tensor_content = bytes(i % 251 for i in range(size))
        else:
            tensor.float_val.extend(range(size // 4))
    return found


def read_whole(data: bytes) -> Any:
    """The message with its contents put back, None if it is none."""
    try:
        found = read_predict(REQUEST, data)
    except DecodeError:
        return None
    assert found.size == len(data)
    entries = {entry.key: entry.value for entry in found.message.inputs}
    for name, content in found.contents.items():
        assert not entries[name].tensor_content
        entries[name].tensor_content = bytes(content)
    return found.message


def read_by_protobuf(data: bytes) -> Any:
    """What protobuf reads, None if it is no message."""
    try:
        return REQUEST.FromString(data)
    except DecodeError:
        return None


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=200), TENSORS, max_size=4))
def test_a_request_is_what_protobuf_reads(inputs: dict[str, tuple[int, int, int, bool]]) -> None:
    """Any number of inputs, large and small, in `tensor_content` and in typed fields."""
    data = request_of(inputs).SerializeToString()
    assert read_whole(data) == read_by_protobuf(data)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_damaged_requests_are_what_protobuf_makes_of_them(data: st.DataObject) -> None:
    """A byte is changed, or something is cut out, doubled or added: never another tensor."""
    whole = request_of({"a": (1, 2, 4500, True), "b": (3, 1, 20, True)}).SerializeToString()
    edges = st.integers(0, 60) | st.integers(len(whole) - 90, len(whole))
    start, stop = sorted((data.draw(edges), data.draw(edges)))
    cut = whole[:start] + data.draw(st.binary(max_size=4)) + whole[stop:]
    doubled = whole + whole[start:stop] + data.draw(st.binary(max_size=4))
    for damaged in (cut, doubled, whole + whole):
        assert read_whole(damaged) == read_by_protobuf(damaged)


def test_a_large_tensor_is_not_copied() -> None:
    """Its content is a part of the request's bytes, and the message is small."""
    data = request_of({"x": (1, 2, 100_000, True)}).SerializeToString()
    found = read_predict(REQUEST, data)
    assert found.contents["x"].obj is data
    assert found.contents["x"].nbytes == 100_000
    assert len(found.message.SerializeToString()) < 100
