"""TFX's own penguin module and data, as they are in the installed package."""

from kfp import dsl

from lockstep.components import (
    bulk_inferrer,
    evaluator,
    import_example_gen,
    import_schema_gen,
    pusher,
    statistics_gen,
    trainer,
    transform,
    tuner,
)

FILE = "package:tfx/examples/penguin/penguin_utils_keras.py"
NAME = "tfx.examples.penguin.penguin_utils_keras"
SPLITS = {
    "splits": [
        {"name": "train", "pattern": "Split-train/*"},
        {"name": "eval", "pattern": "Split-eval/*"},
    ]
}
EVAL_CONFIG = {
    "model_specs": [
        {
            "signature_name": "serving_default",
            "label_key": "species_xf",
            "preprocessing_function_names": ["transform_features"],
        }
    ],
    "metrics_specs": [
        {
            "metrics": [
                {
                    "class_name": "SparseCategoricalAccuracy",
                    "threshold": {"value_threshold": {"lower_bound": 0.5}},
                }
            ]
        }
    ],
}


@dsl.pipeline(name="penguin")
def penguin(model_store: str) -> None:
    """Tune, train, evaluate, push, and predict: which species is it?"""
    examples = import_example_gen(
        input_base="package:tfx/components/testdata/penguin/data", input_config=SPLITS
    ).outputs["examples"]
    statistics_gen(examples=examples)
    schema = import_schema_gen(
        schema_file="package:tfx/components/testdata/penguin/schema/schema.pbtxt"
    ).outputs["schema"]
    transformed = transform(examples=examples, schema=schema, module_file=FILE)
    tuned = tuner(
        examples=transformed.outputs["transformed_examples"],
        transform_graph=transformed.outputs["transform_graph"],
        module_file=FILE,
        train_args={"num_steps": 2},
        eval_args={"num_steps": 1},
    )
    model = trainer(
        examples=transformed.outputs["transformed_examples"],
        transform_graph=transformed.outputs["transform_graph"],
        schema=schema,
        hyperparameters=tuned.outputs["best_hyperparameters"],
        module_file=NAME,
        train_args={"num_steps": 100},
        eval_args={"num_steps": 5},
    ).outputs["model"]
    blessing = evaluator(examples=examples, model=model, eval_config=EVAL_CONFIG).outputs[
        "blessing"
    ]
    bulk_inferrer(
        examples=examples,
        model=model,
        model_blessing=blessing,
        data_spec={"example_splits": ["eval"]},
        model_spec={"model_signature_name": ["serving_default"]},
    )
    pusher(
        model=model,
        model_blessing=blessing,
        push_destination={"filesystem": {"base_directory": f"{model_store}/penguin"}},
    )
