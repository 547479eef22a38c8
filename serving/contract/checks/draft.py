"""A first contract, from what a SavedModel and a TFDV schema already say."""

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from ...errors import BadContract, one_of
from ..dtypes import DTYPES, FLOATS, DtypeName
from ..model import FORMAT, MISSING, Contract, Input, Output
from .saved_model import Signature, TensorSpec
from .schema_pbtxt import Feature

__all__ = ["draft"]

_FIRST: Final = "0.1.0"


def draft(
    model: str,
    signatures: Mapping[str, Signature] | None,
    schema: Mapping[str, Feature] | None,
    *,
    signature: str = "serving_default",
    without: tuple[str, ...] = (),
) -> Contract:
    """A first contract: names and types from a signature, domains and presence from a schema.

    Without a signature, each feature is an input, and one output stands for what the model answers.

    Args:
        model: The model's name.
        signatures: Of a SavedModel, if there is one.
        schema: Of the training data, if there is one.
        signature: The one that callers will use.
        without: Features that are no inputs: labels, keys.

    Raises:
        BadContract: the signature cannot be one of a contract.
    """
    features = dict(schema or {})
    for name in without:
        if name not in features:
            raise _cannot(given=f"no feature {name!r}", allowed=one_of(features, name))
        del features[name]
    try:
        inputs, outputs = _tensors(signatures, features, signature)
        return Contract(
            format=FORMAT,
            model=model,
            version=_FIRST,
            signature=signature,
            inputs=inputs,
            outputs=outputs,
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"] if step != "[key]")
        given = f"{place}: {first['msg']}" if place else first["msg"]
        raise _cannot(given=given, allowed="what the contract's format allows") from error


def _tensors(
    signatures: Mapping[str, Signature] | None, features: Mapping[str, Feature], signature: str
) -> tuple[dict[str, Input], dict[str, Output]]:
    if signatures is None:
        inputs = {name: _from_feature(feature) for name, feature in features.items()}
        return inputs, {"prediction": Output(dtype="float32")}
    chosen = _chosen(signatures, signature)
    inputs = {
        name: _from_spec(name, spec, features.get(name))
        for name, spec in sorted(chosen.inputs.items())
    }
    outputs = {
        name: Output(dtype=_dtype(name, spec.dtype), shape=_shape(name, spec))
        for name, spec in sorted(chosen.outputs.items())
    }
    return inputs, outputs


def _chosen(signatures: Mapping[str, Signature], name: str) -> Signature:
    if name not in signatures:
        named = [one for one in signatures if not one.startswith("__")]
        raise _cannot(given=f"no signature {name!r}", allowed=one_of(named, name))
    chosen = signatures[name]
    if chosen.takes_examples:
        raise _cannot(
            given=f"{name} takes one batch of strings, {next(iter(chosen.inputs))!r}: "
            "serialized tf.Examples",
            allowed="a signature that takes each input by name",
        )
    return chosen


def _from_feature(feature: Feature) -> Input:
    dtype = _dtype("", feature.dtype or "string")
    return _input(dtype, feature.shape or (), feature)


def _from_spec(name: str, spec: TensorSpec, feature: Feature | None) -> Input:
    return _input(_dtype(name, spec.dtype), _shape(name, spec), feature)


def _input(dtype: DtypeName, shape: tuple[int, ...], feature: Feature | None) -> Input:
    """A value that the data may lack is optional, where there is a word for "none"."""
    if feature is None:
        return Input(dtype=dtype, shape=shape)
    none = MISSING if dtype in FLOATS else "" if dtype == "string" else None
    domain, default = feature.domain, None if feature.always or shape else none
    if default is not None and domain is not None and domain.values is not None:
        domain = domain.model_copy(
            update={"values": tuple(dict.fromkeys((default, *domain.values)))}
        )
    return Input(dtype=dtype, shape=shape, domain=domain, default=default)


def _shape(name: str, spec: TensorSpec) -> tuple[int, ...]:
    if not spec.shape:
        given = "no batch dimension" if spec.shape == () else "any rank"
        raise _cannot(given=f"{name} has {given}", allowed="a known rank, the batch first")
    return spec.shape[1:]


def _dtype(name: str, dtype: str) -> DtypeName:
    for known in DTYPES:
        if known == dtype:
            return known
    raise _cannot(
        given=f"{name} is a {dtype}",
        allowed=f"what TF Serving's REST can carry: {', '.join(DTYPES)}",
    )


def _cannot(*, given: str, allowed: str) -> BadContract:
    return BadContract(
        given=given,
        allowed=allowed,
        todo="mend it there, leave it out, or choose another signature",
    )
