"""Declaration of the batch inference step."""

from typing import Any, Dict, List, Optional  # kfp reads these notations only

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

from .container import container


@dsl.container_component
def bulk_inferrer(
    examples: Input[Dataset],
    inference_result: Output[Artifact],
    output_examples: Output[Dataset],
    model: Optional[Input[Model]] = None,
    model_blessing: Optional[Input[Artifact]] = None,
    data_spec: Optional[Dict[str, Any]] = None,
    model_spec: Optional[Dict[str, Any]] = None,
    output_example_spec: Optional[Dict[str, Any]] = None,
    beam_pipeline_args: Optional[List[Any]] = None,
) -> dsl.ContainerSpec:
    """Predict for every example of the chosen splits (TFX's BulkInferrer).

    Args:
        examples: The examples, unlabelled or not.
        inference_result: `PredictionLog`s in TFRecords; empty if `output_example_spec` is given
            or the model is not blessed.
        output_examples: Examples with the predictions added; empty without `output_example_spec`.
        model: The model.
        model_blessing: If given, only a blessed model predicts.
        data_spec: `bulk_inferrer_pb2.DataSpec` as a dict: `example_splits`.
        model_spec: `bulk_inferrer_pb2.ModelSpec` as a dict: `tag`, `model_signature_name`.
        output_example_spec: `bulk_inferrer_pb2.OutputExampleSpec` as a dict.
        beam_pipeline_args: Arguments for Beam; without them Beam runs inside the step.
    """
    return container("bulk_inferrer")
