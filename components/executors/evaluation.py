"""Executor of the evaluation step: TFX's Evaluator, its verdict told in words."""

from pathlib import Path
from typing import Any, NamedTuple

import tensorflow_model_analysis as tfma
from tfx.components.evaluator import constants
from tfx.components.evaluator.component import Evaluator

from ..paths import resolve
from ..step import Metadata, Results, Step
from . import pages, tfx_step

_OVERALL = "Overall"


class Failure(NamedTuple):
    """One threshold that a slice did not reach."""

    slice: str
    metric: str
    value: str
    threshold: str


def evaluator(step: Step) -> Results:
    """Evaluate with TFX's Evaluator; say by slice what was measured and what fell short."""
    results = tfx_step.run(step, tfx_step.construct(step, Evaluator, **_module(step)))
    evaluation = step.outputs["evaluation"].path
    blessing = results.metadata["blessing"]
    blessed = bool(blessing.setdefault(constants.ARTIFACT_PROPERTY_BLESSED_KEY, 0))
    slices = _metrics_by_slice(evaluation)
    failures = [] if blessed else _failures(evaluation)
    blessing["reason"] = _reason(blessed, failures)
    results.metadata["metrics"] = slices.get(_OVERALL, {})
    results.metadata["classification_metrics"] = _roc_curve(evaluation)
    step.output("metrics")
    step.output("classification_metrics")
    pages.write(
        step.output_as_file("html"),
        "evaluation",
        verdict="blessed" if blessed else "not blessed",
        failures=failures,
        names=sorted({name for values in slices.values() for name in values}),
        slices=slices,
    )
    print(f"{'blessed' if blessed else 'not blessed'}: {blessing['reason']}")  # noqa: T201  # a step's log
    return results


def _module(step: Step) -> dict[str, Any]:
    module = step.parameters.get("module_file")
    if not module:
        return {}
    if module.endswith(".py"):
        return {"module_file": resolve(module)}
    return {"module_file": None, "module_path": module}


def _reason(blessed: bool, failures: list[Failure]) -> str:
    if blessed:
        return "every threshold is met"
    if not failures:
        return "eval_config has no thresholds, and a model without thresholds is never blessed"
    return "; ".join(f"{f.metric} of {f.slice} is {f.value}, not {f.threshold}" for f in failures)


def _metrics_by_slice(evaluation: str) -> dict[str, Metadata]:
    """Read the candidate's scalar metrics: slice -> metric -> value."""
    slices: dict[str, Metadata] = {}
    for record in tfma.load_metrics(evaluation):
        values = slices.setdefault(_slice_name(record.slice_key), {})
        for entry in record.metric_keys_and_values:
            kind = entry.value.WhichOneof("type")
            if kind == "double_value" and entry.key.model_name != tfma.BASELINE_KEY:
                name = ("difference of " if entry.key.is_diff else "") + entry.key.name
                values[name] = entry.value.double_value.value
    return dict(sorted(slices.items(), key=lambda item: _in_order(item[0])))


def _in_order(name: str) -> tuple[bool, list[tuple[bool, float, str]]]:
    """Sort slices by name, the whole first, numbers by their size."""
    parts = [part for part in name.split() if part]
    return name != _OVERALL, [(p.isdigit(), float(p) if p.isdigit() else 0.0, p) for p in parts]


def _failures(evaluation: str) -> list[Failure]:
    """Read which thresholds were not reached, and in which slice."""
    if not any(Path(evaluation).glob(f"{tfma.VALIDATIONS_KEY}*")):
        return []
    result = tfma.load_validation_result(evaluation)
    failures = [
        Failure(
            _slice_name(record.slice_key),
            ("difference of " if f.metric_key.is_diff else "") + f.metric_key.name,
            _value(f.metric_value),
            f.message or _threshold(f.metric_threshold),
        )
        for record in result.metric_validations_per_slice
        for f in record.failures
    ]
    missing = [
        Failure(
            str(s.single_slice_key or s.cross_slice_key), "(every metric)", "missing", "present"
        )
        for s in result.missing_slices
    ]
    return failures + missing


def _slice_name(key: Any) -> str:
    parts = []
    for single in key.single_slice_keys:
        kind = single.WhichOneof("kind")
        value = getattr(single, kind) if kind else ""
        parts.append(f"{single.column} = {value.decode() if isinstance(value, bytes) else value}")
    return ", ".join(parts) or _OVERALL


def _value(value: Any) -> str:
    kind = value.WhichOneof("type")
    return f"{value.double_value.value:.4g}" if kind == "double_value" else str(value)


def _threshold(threshold: Any) -> str:
    """Say a `MetricThreshold` in words."""
    value, change = threshold.value_threshold, threshold.change_threshold
    parts = [f"at least {value.lower_bound.value:g}"] if value.HasField("lower_bound") else []
    if value.HasField("upper_bound"):
        parts.append(f"at most {value.upper_bound.value:g}")
    for kind in ("absolute", "relative"):
        if change.HasField(kind):
            higher = change.direction == tfma.MetricDirection.HIGHER_IS_BETTER
            sign = "more" if higher else "less"
            parts.append(
                f"{sign} than the baseline's plus {getattr(change, kind).value:g} ({kind})"
            )
    return " and ".join(parts) or " ".join(str(threshold).split())


def _roc_curve(evaluation: str) -> Metadata:
    """Give KFP's `confidenceMetrics` from the confusion matrices of a plot over all examples."""
    for record in tfma.load_plots(evaluation):
        if record.slice_key.single_slice_keys:
            continue
        for entry in record.plot_keys_and_values:
            matrices = entry.value.confusion_matrix_at_thresholds.matrices
            if matrices:
                return {"confidenceMetrics": [_point(m) for m in matrices]}
    return {}


def _point(matrix: Any) -> dict[str, float]:
    positives = matrix.true_positives + matrix.false_negatives
    negatives = matrix.true_negatives + matrix.false_positives
    return {
        "confidenceThreshold": matrix.threshold,
        "recall": matrix.true_positives / positives if positives else 0.0,
        "falsePositiveRate": matrix.false_positives / negatives if negatives else 0.0,
    }
