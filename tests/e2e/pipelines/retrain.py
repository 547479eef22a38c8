"""Training alone, on examples that are there already: with a small module, or with bad ones."""

from typing import Any

from kfp import dsl

from lockstep.components import pusher, trainer

EXAMPLES = {
    "tfx_type": "Examples",
    "split_names": '["train", "eval"]',
    "payload_format": "FORMAT_TF_EXAMPLE",
}


def train(module: str, examples_uri: Any, steps: Any, model_store: Any) -> None:
    """Add the steps that train with a module, and push without a gate."""
    examples = dsl.importer(
        artifact_uri=examples_uri, artifact_class=dsl.Dataset, metadata=EXAMPLES
    )
    trained = trainer(
        examples=examples.output,
        module_file=module,
        train_args={"num_steps": steps},
        eval_args={"num_steps": 1},
    )
    pusher(
        model=trained.outputs["model"],
        push_destination={"filesystem": {"base_directory": f"{model_store}/retrained"}},
    )


@dsl.pipeline(name="retrain")
def retrain(examples_uri: str, model_store: str, steps: int = 10) -> None:
    """Train the small model."""
    train("pipelines/tiny_model.py", examples_uri, steps, model_store)


@dsl.pipeline(name="bad-modules")
def bad_modules(examples_uri: str, model_store: str) -> None:
    """Train with modules that cannot, each on its own."""
    for name in ("no_run_fn", "raises", "syntax"):
        train(f"modules/{name}.py", examples_uri, 1, model_store)
