"""Declaration of the evaluation step."""

from typing import Any, Dict, List, Optional  # kfp reads these notations only

from kfp import dsl
from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from .container import container


@dsl.container_component
def evaluator(
    examples: Input[Dataset],
    evaluation: Output[Artifact],
    blessing: Output[Artifact],
    metrics: Output[Metrics],
    classification_metrics: Output[ClassificationMetrics],
    html: Output[HTML],
    model: Optional[Input[Model]] = None,
    baseline_model: Optional[Input[Model]] = None,
    feature_slicing_spec: Optional[Dict[str, Any]] = None,
    fairness_indicator_thresholds: Optional[List[Any]] = None,
    example_splits: Optional[List[Any]] = None,
    eval_config: Optional[Dict[str, Any]] = None,
    schema: Optional[Input[Artifact]] = None,
    module_file: Optional[str] = None,
    module_path: Optional[str] = None,
    beam_pipeline_args: Optional[List[Any]] = None,
) -> dsl.ContainerSpec:
    """Evaluate a model on slices, and bless it if it passes every threshold (TFX's Evaluator).

    Args:
        examples: The splits to evaluate on.
        evaluation: TFMA's results: metrics, plots, validations.
        blessing: Holds a file `BLESSED` or `NOT_BLESSED`; metadata `blessed` is 1 or 0.
        metrics: The metrics over all examples.
        classification_metrics: The ROC curve, if `eval_config` asks for a plot that has one.
        html: Every metric of every slice, and which threshold failed where.
        model: The candidate.
        baseline_model: The model to compare with; a missing or empty one means no baseline.
        feature_slicing_spec: Deprecated in TFX; use `eval_config`.
        fairness_indicator_thresholds: Thresholds of the fairness indicators.
        example_splits: Names of the splits to evaluate on; `eval` if not given.
        eval_config: `tfma.EvalConfig` as a dict: model_specs, slicing_specs, metrics_specs with
            their thresholds and change thresholds.
        schema: Schema of the examples.
        module_file: Python file with `custom_eval_shared_model`, `custom_extractors`.
        module_path: Importable module with these; not together with `module_file`.
        beam_pipeline_args: Arguments for Beam; without them Beam runs inside the step.
    """
    return container("evaluator")
