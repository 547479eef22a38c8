"""Declaration of the transform step."""

from typing import Any, Dict, List, Optional  # kfp reads these notations only

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Output

from .container import container


@dsl.container_component
def transform(
    examples: Input[Dataset],
    schema: Input[Artifact],
    transform_graph: Output[Artifact],
    transformed_examples: Output[Dataset],
    updated_analyzer_cache: Output[Artifact],
    pre_transform_schema: Output[Artifact],
    pre_transform_stats: Output[Artifact],
    post_transform_schema: Output[Artifact],
    post_transform_stats: Output[Artifact],
    post_transform_anomalies: Output[Artifact],
    html: Output[HTML],
    module_file: Optional[str] = None,
    preprocessing_fn: Optional[str] = None,
    splits_config: Optional[Dict[str, Any]] = None,
    analyzer_cache: Optional[Input[Artifact]] = None,
    materialize: bool = True,
    disable_analyzer_cache: bool = False,
    force_tf_compat_v1: bool = False,
    custom_config: Optional[Dict[str, Any]] = None,
    disable_statistics: bool = False,
    stats_options_updater_fn: Optional[str] = None,
    beam_pipeline_args: Optional[List[Any]] = None,
) -> dsl.ContainerSpec:
    """Apply the user's `preprocessing_fn` to every split (TFX's Transform).

    Args:
        examples: The splits to transform.
        schema: Schema of the raw features.
        transform_graph: The transformation as a graph, for training and serving.
        transformed_examples: The splits, transformed; empty if not `materialize`.
        updated_analyzer_cache: What the analyzers found; empty if `disable_analyzer_cache`.
        pre_transform_schema: Schema before; these five are empty if `disable_statistics`.
        pre_transform_stats: Statistics before.
        post_transform_schema: Schema after.
        post_transform_stats: Statistics after.
        post_transform_anomalies: Anomalies of the statistics after against their schema.
        html: The statistics after as a page.
        module_file: Python file (path relative to the project, or `package:NAME/PATH`) or
            importable module with `preprocessing_fn`. Exactly one of this and `preprocessing_fn`.
        preprocessing_fn: Importable name of the function.
        splits_config: `transform_pb2.SplitsConfig` as a dict.
        analyzer_cache: An earlier run's `updated_analyzer_cache`.
        materialize: Write the transformed examples.
        disable_analyzer_cache: Neither read nor write a cache.
        force_tf_compat_v1: Trace the function with TensorFlow 1 behaviour.
        custom_config: Passed on to `preprocessing_fn`.
        disable_statistics: Compute no statistics.
        stats_options_updater_fn: Importable name; not together with `module_file`.
        beam_pipeline_args: Arguments for Beam; without them Beam runs inside the step.
    """
    return container("transform")
