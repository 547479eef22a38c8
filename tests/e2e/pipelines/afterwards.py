"""What comes after a taxi run, on its artifacts: a gate too high, and TFX's own taxi module."""

from kfp import dsl

from lockstep.components import champion, evaluator, pusher, trainer, transform

MODULE = "package:tfx/examples/chicago_taxi_pipeline/taxi_utils_native_keras.py"
EXAMPLES = {
    "tfx_type": "Examples",
    "split_names": '["train", "eval"]',
    "payload_format": "FORMAT_TF_EXAMPLE",
}
TOO_HIGH = {
    "model_specs": [
        {
            "signature_name": "serving_examples",
            "preprocessing_function_names": ["transform_features"],
            "label_key": "big_tip",
        }
    ],
    "metrics_specs": [
        {
            "metrics": [
                {
                    "class_name": "AUC",
                    "threshold": {
                        "value_threshold": {"lower_bound": 0.999},
                        "change_threshold": {"direction": "HIGHER_IS_BETTER", "absolute": 0.0},
                    },
                }
            ]
        }
    ],
}


@dsl.pipeline(name="afterwards")
def afterwards(model_store: str, examples_uri: str, schema_uri: str, model_uri: str) -> None:
    """Hold the model that is the champion against a threshold it cannot reach, and itself."""
    base_directory = f"{model_store}/taxi"
    examples = dsl.importer(
        artifact_uri=examples_uri, artifact_class=dsl.Dataset, metadata=EXAMPLES
    ).output
    schema = dsl.importer(artifact_uri=schema_uri, artifact_class=dsl.Artifact).output
    model = dsl.importer(artifact_uri=model_uri, artifact_class=dsl.Model).output
    baseline = champion(base_directory=base_directory)
    evaluated = evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline.outputs["model"],
        eval_config=TOO_HIGH,
    )
    pusher(
        model=model,
        model_blessing=evaluated.outputs["blessing"],
        push_destination={"filesystem": {"base_directory": base_directory}},
    )
    transformed = transform(
        examples=examples, schema=schema, module_file=MODULE, disable_statistics=True
    )
    trainer(
        examples=transformed.outputs["transformed_examples"],
        transform_graph=transformed.outputs["transform_graph"],
        schema=schema,
        module_file=MODULE,
        train_args={"num_steps": 5},
        eval_args={"num_steps": 2},
    )
