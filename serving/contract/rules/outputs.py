"""What may change in outputs: callers read them, so nothing may come that could not come before."""

from typing import Final

from .rule import KEEP, NOTHING, TELL, Rule

OUTPUTS: Final = (
    Rule(
        "output-added",
        "compatible",
        "There is a new output beside several.",
        "Callers read outputs by name.",
        NOTHING,
    ),
    Rule(
        "output-added-to-one",
        "breaking",
        "There is a second output where REST callers got a single one.",
        "TF Serving leaves the name of a single output out: `predictions` turns from a list of "
        "values into a list of objects.",
        "Put it into another signature, or raise the major version.",
    ),
    Rule(
        "output-removed",
        "breaking",
        "An output is gone before any announced sunset.",
        "Callers who read it find nothing.",
        "Deprecate it with a sunset first.",
    ),
    Rule(
        "output-removed-after-sunset",
        "risky",
        "An output is gone on or after the day that its deprecation announced.",
        "A caller who missed the announcement finds nothing.",
        "Ask the consumers whether somebody still reads it.",
    ),
    Rule(
        "output-removed-to-one",
        "breaking",
        "A single output is left where REST callers got several.",
        "TF Serving leaves the name of a single output out: `predictions` turns from a list of "
        "objects into a list of values.",
        "Keep a second output, or raise the major version.",
    ),
    Rule(
        "output-renamed",
        "breaking",
        "An output is gone and one that is the same but for its name has come.",
        "Callers who read the old name find nothing.",
        "Keep the name.",
    ),
    Rule(
        "output-dtype-narrowed",
        "compatible",
        "An output's old type has every value of the new one, and only REST is offered.",
        "JSON numbers have no width.",
        NOTHING,
    ),
    Rule(
        "output-dtype-narrowed-grpc",
        "breaking",
        "An output's old type has every value of the new one, and gRPC is offered.",
        "Each type has a field of its own in TensorProto: callers read an empty one.",
        "Cast to the old type within the model.",
    ),
    Rule(
        "output-dtype-changed",
        "breaking",
        "An output's type has values that the old one lacks.",
        "Callers overflow, lose digits, or cannot read the answer.",
        "Cast to the old type within the model.",
    ),
    Rule(
        "output-shape-narrowed",
        "compatible",
        "A dimension of an output that had any size is fixed.",
        "-",
        NOTHING,
    ),
    Rule(
        "output-shape-changed",
        "breaking",
        "An output has shapes that it could not have before.",
        "Callers index into it.",
        KEEP,
    ),
    Rule("output-domain-narrowed", "compatible", "An output has fewer values.", "-", NOTHING),
    Rule(
        "output-domain-widened",
        "breaking",
        "An output has values outside the old range or pattern.",
        "Callers have relied on it: a probability of 1.2 breaks what follows.",
        "Clip or map to the old values within the model.",
    ),
    Rule(
        "output-vocabulary-narrowed",
        "compatible",
        "An output no longer has some of its values.",
        "-",
        NOTHING,
    ),
    Rule(
        "output-vocabulary-widened",
        "risky",
        "An output has values that it could not have before, or that were not known.",
        "A caller who decides by value meets one that it does not know.",
        TELL,
    ),
    Rule(
        "calibration-changed",
        "risky",
        "An output has become calibrated, or is no longer.",
        "Thresholds that callers have chosen now cut elsewhere.",
        "Tell the consumers to choose their thresholds again.",
    ),
)
