"""What may change in what is promised around inputs and outputs, and in how it is said."""

from typing import Final

from .rule import KEEP, NOTHING, TELL, Rule

PROMISES: Final = (
    Rule(
        "model-renamed",
        "breaking",
        "The model has another name.",
        "The name stands in every URL and in every gRPC request.",
        "Keep the name; a new model gets a contract of its own.",
    ),
    Rule(
        "signature-changed",
        "breaking",
        "Callers are answered by another signature.",
        "A caller who names the old signature is refused.",
        "Export the model under the old signature, too.",
    ),
    Rule(
        "transport-removed",
        "breaking",
        "REST or gRPC is no longer offered.",
        "Who calls through it gets no answer.",
        KEEP,
    ),
    Rule("transport-added", "compatible", "REST or gRPC is offered as well.", "-", NOTHING),
    Rule(
        "unit-changed",
        "breaking",
        "The unit is another one.",
        "Nothing fails: the numbers are simply wrong.",
        "Convert within the model, or give the new unit a new name.",
    ),
    Rule(
        "unit-stated",
        "risky",
        "A unit is stated where none was.",
        "Callers may have taken it for another one.",
        "Ask the consumers which unit they use.",
    ),
    Rule("unit-dropped", "risky", "The unit is no longer stated.", "-", "State it."),
    Rule(
        "meaning-changed",
        "risky",
        "The meaning is worded differently.",
        "Only people can tell a better wording from another meaning.",
        "If it means something else, give it a new name.",
    ),
    Rule("meaning-stated", "compatible", "A meaning is stated where none was.", "-", NOTHING),
    Rule("meaning-dropped", "risky", "The meaning is no longer stated.", "-", "State it."),
    Rule(
        "sensitivity-raised",
        "risky",
        "Data is more sensitive than was said, or it is said for the first time.",
        "Callers' logs and caches may now hold what they must not.",
        TELL,
    ),
    Rule(
        "sensitivity-lowered",
        "compatible",
        "Data is less sensitive than was said, or it is no longer said.",
        "-",
        NOTHING,
    ),
    Rule(
        "latency-loosened",
        "risky",
        "A latency is longer, holds at less load, or is no longer promised.",
        "Callers have chosen their timeouts by it.",
        "Tell the consumers before it is deployed.",
    ),
    Rule(
        "throughput-lowered",
        "risky",
        "Fewer requests per second are promised, or no number any more.",
        "Callers have planned by it.",
        "Tell the consumers before it is deployed.",
    ),
    Rule(
        "availability-lowered",
        "risky",
        "Less availability is promised, or none any more.",
        "Callers have planned by it.",
        "Tell the consumers before it is deployed.",
    ),
    Rule(
        "payload-lowered",
        "breaking",
        "A request may have fewer instances or bytes, or has a limit for the first time.",
        "Larger requests are refused.",
        "Keep the limit.",
    ),
    Rule("service-tightened", "compatible", "More is promised than before.", "-", NOTHING),
    Rule(
        "deprecated",
        "risky",
        "An input, an output or the model is announced to go.",
        "Callers have to act before the sunset.",
        "Tell the consumers what to use instead.",
    ),
    Rule(
        "sunset-earlier",
        "risky",
        "A sunset is earlier than announced.",
        "Callers have planned by it.",
        "Keep the day that was announced.",
    ),
    Rule("sunset-later", "compatible", "A sunset is later, or withdrawn.", "-", NOTHING),
    Rule("consumers-changed", "compatible", "Consumers have come, gone or changed.", "-", NOTHING),
    Rule("text-changed", "compatible", "The description or the owners have changed.", "-", NOTHING),
    Rule(
        "version-too-small",
        "breaking",
        "The version says less than the change: breaking wants a new major version, risky or a "
        "new input or output a minor one, anything else a patch. Below 1.0.0 a minor version is "
        "enough for a break.",
        "Callers pin versions by what semantic versioning means.",
        "Raise the version as far as the finding says.",
    ),
    Rule(
        "version-lowered",
        "breaking",
        "The version is lower than before.",
        "Two contracts of one version would contradict each other.",
        "Take the next version above the old one.",
    ),
)
