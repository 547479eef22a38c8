"""Executor of the infra validation: a server answers the candidate's first requests."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import Message
from tfx.proto import infra_validator_pb2 as infra_validator_proto

from ...serving.contract.checks.saved_model import Signature, read_signatures
from ...serving.contract.consumers.recording import recordings
from ...serving.contract.file import read
from ...serving.contract.model import Contract
from ...serving.errors import one_of
from ..errors import BadArgument
from ..step import Metadata, Results, Step
from . import infra_evidence, model_requests
from .contract import project_file
from .model_checks import Check, Question, check_model
from .model_server import program
from .model_store import SERVING_MODEL

infra_validator_pb2: Any = infra_validator_proto  # protobuf makes what is in it at import

_MODEL_NAME: Final = "infra-validation-model"
_LOADING_SECONDS: Final = 300
_TRIES: Final = 5
_EXAMPLES: Final = 1
"""Defaults of TFX's InfraValidator."""

_MOST_WARM_UP: Final = 1000
"""TF Serving refuses a version with more."""


@dataclass(frozen=True)
class Specs:
    """What TFX's InfraValidator is told, as its protos."""

    serving: Any
    request: Any
    validation: Any

    @property
    def signature_names(self) -> Sequence[str]:
        """The signatures to ask, if any is to be asked."""
        return self.request.tensorflow_serving.signature_names or ("serving_default",)


def infra_validator(step: Step) -> Results:
    """Let a server load the model and answer; bless it if every check is passed."""
    specs = _specs(step)
    named = step.parameters.get("contract_file")
    location = project_file(named) if named else ""
    contract = read(location, Contract).value if location else None
    directory = Path(step.inputs["model"].path) / SERVING_MODEL
    requests, warm_up = _requests(step, specs, contract, read_signatures(str(directory)))
    question = Question(
        directory=directory,
        model=_model_name(specs, contract),
        contract=contract,
        requests=requests,
        recordings=recordings(location) if location else {},
        most_tries=specs.validation.num_tries or _TRIES,
        loading_seconds=specs.validation.max_loading_time_seconds or _LOADING_SECONDS,
        load_test_seconds=float(step.parameters.get("load_test_seconds", 2)),
    )
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        tries, checks = check_model(question, Path(scratch))
        file = Path(scratch) / infra_evidence.WARM_UP
        if warm_up:
            model_requests.warm_up_file(file, warm_up, question.model)
        verdict = _verdict(question, specs, tries, checks) | infra_evidence.asked(step)
        stamp = file.read_bytes() if warm_up and verdict["blessed"] else None
        return infra_evidence.to_results(step, verdict, stamp)


def _specs(step: Step) -> Specs:
    """Read the protos; refuse what asks for a server elsewhere, or for another graph.

    Raises:
        BadArgument: A field is unknown, or cannot be honoured.
    """
    specs = Specs(
        _proto(step, "serving_spec", infra_validator_pb2.ServingSpec()),
        _proto(step, "request_spec", infra_validator_pb2.RequestSpec()),
        _proto(step, "validation_spec", infra_validator_pb2.ValidationSpec()),
    )
    if platform := specs.serving.WhichOneof("serving_platform"):
        raise BadArgument(
            given=f"serving_spec.{platform}",
            allowed="a server inside the step, which has the step's account and resources",
            todo="leave it out",
        )
    tags = set(specs.request.tensorflow_serving.tag_set) or {"serve"}
    if tags != {"serve"}:
        raise BadArgument(
            given=f"request_spec.tensorflow_serving.tag_set {sorted(tags)}",
            allowed="['serve'], the graph that servers load",
            todo="leave it out",
        )
    return specs


def _proto(step: Step, name: str, message: Message) -> Message:
    try:
        return json_format.ParseDict(step.parameters.get(name) or {}, message)
    except json_format.ParseError as error:
        raise BadArgument(
            given=f"{name}: {error}",
            allowed=f"the fields of {message.DESCRIPTOR.full_name}: "
            + ", ".join(field.name for field in message.DESCRIPTOR.fields),
            todo="mend the dict in the pipeline's definition",
        ) from error


def _model_name(specs: Specs, contract: Contract | None) -> str:
    named: str = specs.serving.model_name
    if contract and named and named != contract.model:
        raise BadArgument(
            given=f"serving_spec.model_name {named!r}",
            allowed=f"{contract.model!r}, as the contract calls the model",
            todo="leave it out, or name another contract",
        )
    return named or (contract.model if contract else _MODEL_NAME)


def _requests(
    step: Step, specs: Specs, contract: Contract | None, signatures: dict[str, Signature]
) -> tuple[list[model_requests.Request], list[model_requests.Request]]:
    """Make requests of the examples, if there are any; and which of them are to warm up with.

    Raises:
        BadArgument: The model has no such signature.
    """
    artifact = step.inputs.get("examples")
    if artifact is None or not artifact.is_there or not step.parameters.get("request_spec"):
        return [], []
    count = specs.request.num_examples or _EXAMPLES
    examples = model_requests.read_examples(artifact, specs.request.split_name, count)
    real = _of_examples(examples, specs, contract, signatures)
    if not specs.request.make_warmup:
        return real, []
    harmless = model_requests.made_up(examples, contract)
    if harmless == examples:
        return real, real[:_MOST_WARM_UP]
    warm_up = _of_examples(harmless, specs, contract, signatures)[:_MOST_WARM_UP]
    warm_up = [replace(one, origin=f"warm-up: {one.origin}") for one in warm_up]
    return real + warm_up, warm_up


def _of_examples(
    examples: Sequence[model_requests.Example],
    specs: Specs,
    contract: Contract | None,
    signatures: dict[str, Signature],
) -> list[model_requests.Request]:
    made: list[model_requests.Request] = []
    for name in specs.signature_names:
        if name not in signatures:
            raise BadArgument(
                given=f"request_spec.tensorflow_serving.signature_names: {name!r}",
                allowed=one_of((n for n in signatures if not n.startswith("__")), name),
                todo="name a signature of the model",
            )
        made += model_requests.requests_of(examples, name, signatures[name], contract)
    return made


def _verdict(question: Question, specs: Specs, tries: int, checks: Sequence[Check]) -> Metadata:
    """Say what was asked, what came out, and why that is enough or not."""
    failed = [check for check in checks if check.problems]
    reason = "; ".join(
        f"{check.name}: {check.problems[0]}"
        + (f" (and {more} more)" if (more := len(check.problems) - 1) else "")
        for check in failed
    )
    passed = ", ".join(f"{check.name} {check.value}" for check in checks)
    return {
        "blessed": not failed,
        "reason": reason or passed,
        "server": program(),
        "image": json_format.MessageToDict(
            specs.serving.tensorflow_serving, preserving_proto_field_name=True
        ),
        "model": question.model,
        "tries": tries,
        "requests": len(question.requests),
        "checks": [check.facts() for check in checks],
    }
