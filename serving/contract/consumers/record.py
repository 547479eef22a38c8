"""A first recording of a request: what is sent, and what is answered now."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ...errors import BadContract
from ..plain_yaml import write_yaml
from .recording import Recording
from .replay import Ask, to_python

__all__ = ["recorded"]


def recorded(instances: Sequence[Mapping[str, Any]], ask: Ask, tolerance: float = 0.0) -> str:
    """The recording's file: the instances, and every output's values with a tolerance.

    Raises:
        BadContract: an instance holds what no recording can.
        PredictionFailed: the server did not answer.
    """
    asked: dict[str, Any] = {"format": "lockstep.recording/v1", "instances": list(instances)}
    try:
        answers = ask(Recording.model_validate(asked, strict=False))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise BadContract(
            given=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            allowed="text, numbers, true and false, and lists of them",
            todo="mend this instance",
        ) from error
    expect = {
        name: {"values": [to_python(answer[name]) for answer in answers]}
        | ({"tolerance": tolerance} if tolerance else {})
        for name in answers[0]
    }
    return write_yaml({**asked, "expect": expect})
