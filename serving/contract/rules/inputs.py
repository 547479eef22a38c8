"""What may change in inputs: callers send them, so what was taken must still be taken."""

from typing import Final

from .rule import KEEP, NOTHING, TELL, Rule

INPUTS: Final = (
    Rule(
        "input-added-required",
        "breaking",
        "There is a new input without a default.",
        "Requests that do not have it are refused.",
        "Give it a default.",
    ),
    Rule(
        "input-added-optional",
        "compatible",
        "There is a new input with a default.",
        "Callers may leave it out; `contract check --model` says who has to fill it in.",
        NOTHING,
    ),
    Rule(
        "input-removed",
        "breaking",
        "An input is gone before any announced sunset.",
        "TF Serving refuses a request that still has it (rows of REST, and gRPC).",
        "Deprecate it with a sunset first, and ignore it until then.",
    ),
    Rule(
        "input-removed-after-sunset",
        "risky",
        "An input is gone on or after the day that its deprecation announced.",
        "A caller who missed the announcement is refused.",
        "Look into the logs for callers who still send it.",
    ),
    Rule(
        "input-renamed",
        "breaking",
        "An input is gone and one that is the same but for its name has come.",
        "Requests with the old name are refused.",
        "Keep the name; what the model calls it inside is its own affair.",
    ),
    Rule(
        "input-made-required",
        "breaking",
        "An input has lost its default.",
        "Requests that leave it out are refused.",
        "Keep the default.",
    ),
    Rule("input-made-optional", "compatible", "An input has got a default.", "-", NOTHING),
    Rule(
        "input-default-changed",
        "risky",
        "What is filled in for an input is another value.",
        "Callers who leave it out get other answers without having changed anything.",
        TELL,
    ),
    Rule(
        "input-dtype-widened",
        "compatible",
        "An input's type has every value of the old one, and only REST is offered.",
        "JSON numbers have no width.",
        NOTHING,
    ),
    Rule(
        "input-dtype-widened-grpc",
        "breaking",
        "An input's type has every value of the old one, and gRPC is offered.",
        "TF Serving refuses a tensor of any other type than the signature's.",
        "Keep the type and cast within the model.",
    ),
    Rule(
        "input-dtype-changed",
        "breaking",
        "An input's type lacks values of the old one.",
        "Requests with these values are refused, wrap around or lose digits.",
        "Keep the type and cast within the model.",
    ),
    Rule(
        "input-shape-widened",
        "compatible",
        "A dimension of an input may now have any size.",
        "-",
        NOTHING,
    ),
    Rule(
        "input-shape-changed",
        "breaking",
        "An input's shape no longer takes every old shape.",
        "Requests of the old shape are refused.",
        KEEP,
    ),
    Rule("input-domain-widened", "compatible", "An input takes more values.", "-", NOTHING),
    Rule(
        "input-domain-narrowed",
        "breaking",
        "An input's range or pattern does not provably take every old value.",
        "Requests with these values are refused, or answered wrongly. Only equal patterns are "
        "known to agree.",
        "Take the old values, and treat them as the nearest ones within the model.",
    ),
    Rule("input-vocabulary-widened", "compatible", "A vocabulary has more values.", "-", NOTHING),
    Rule(
        "input-vocabulary-narrowed",
        "breaking",
        "A vocabulary no longer takes some values.",
        "Requests with these values are refused, or answered wrongly.",
        "Make the vocabulary open, so that they count as unknown.",
    ),
    Rule(
        "input-values-unknown",
        "risky",
        "Values are still taken, but now count as unknown: they left an open vocabulary.",
        "Answers for them become those for anything unknown.",
        TELL,
    ),
)
