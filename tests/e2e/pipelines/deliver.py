"""A pipeline in the taxi pipeline's place that takes no time: it pushes a model that is there."""

from kfp import dsl

from lockstep.components import pusher


@dsl.pipeline(name="taxi")
def taxi(model_store: str, data: str, train_steps: int = 1) -> None:
    """Push the SavedModel that `data` names.

    Args:
        model_store: Directory below which the model is pushed, as `taxi/VERSION`.
        data: The SavedModel.
        train_steps: None are made.
    """
    model = dsl.importer(artifact_uri=data, artifact_class=dsl.Model, reimport=False)
    pusher(
        model=model.output,
        push_destination={"filesystem": {"base_directory": f"{model_store}/taxi"}},
    )
