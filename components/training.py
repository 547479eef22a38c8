"""Declarations of the steps that train: tuner and trainer."""

from typing import Any, Dict, Optional  # kfp reads these notations only

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from .container import container


@dsl.container_component
def tuner(
    examples: Input[Dataset],
    best_hyperparameters: Output[Artifact],
    tuner_results: Output[Artifact],
    metrics: Output[Metrics],
    schema: Optional[Input[Artifact]] = None,
    transform_graph: Optional[Input[Artifact]] = None,
    base_model: Optional[Input[Model]] = None,
    module_file: Optional[str] = None,
    tuner_fn: Optional[str] = None,
    train_args: Optional[Dict[str, Any]] = None,
    eval_args: Optional[Dict[str, Any]] = None,
    tune_args: Optional[Dict[str, Any]] = None,
    custom_config: Optional[Dict[str, Any]] = None,
) -> dsl.ContainerSpec:
    """Search hyperparameters with the user's `tuner_fn` (TFX's Tuner).

    Args:
        examples: The splits to train and evaluate on.
        best_hyperparameters: `best_hyperparameters.txt`, for `trainer(hyperparameters=)`.
        tuner_results: Every trial's score and hyperparameters.
        metrics: The best trial's score and hyperparameters.
        schema: Schema of the examples.
        transform_graph: Output of `transform`.
        base_model: A model to start from.
        module_file: Python file (path relative to the project, or `package:NAME/PATH`) or
            importable module with `tuner_fn`. Exactly one of this and `tuner_fn`.
        tuner_fn: Importable name of the function.
        train_args: `trainer_pb2.TrainArgs` as a dict: `splits`, `num_steps` (a trial's budget).
        eval_args: `trainer_pb2.EvalArgs` as a dict.
        tune_args: `tuner_pb2.TuneArgs` as a dict; TFX's own executor takes none.
        custom_config: Passed on to `tuner_fn`.
    """
    return container("tuner")


@dsl.container_component
def trainer(
    model: Output[Model],
    model_run: Output[Artifact],
    metrics: Output[Metrics],
    examples: Input[Dataset],
    transform_graph: Optional[Input[Artifact]] = None,
    schema: Optional[Input[Artifact]] = None,
    base_model: Optional[Input[Model]] = None,
    hyperparameters: Optional[Input[Artifact]] = None,
    module_file: Optional[str] = None,
    run_fn: Optional[str] = None,
    train_args: Optional[Dict[str, Any]] = None,
    eval_args: Optional[Dict[str, Any]] = None,
    custom_config: Optional[Dict[str, Any]] = None,
) -> dsl.ContainerSpec:
    """Train a model with the user's `run_fn` (TFX's Trainer).

    Args:
        model: The SavedModel, in `Format-Serving`.
        model_run: Logs for TensorBoard.
        metrics: The last value of every scalar in those logs.
        examples: The splits to train and evaluate on.
        transform_graph: Output of `transform`.
        schema: Schema of the examples.
        base_model: A model to start from.
        hyperparameters: `best_hyperparameters` of `tuner`.
        module_file: Python file (path relative to the project, or `package:NAME/PATH`) or
            importable module with `run_fn`. Exactly one of this and `run_fn`.
        run_fn: Importable name of the function.
        train_args: `trainer_pb2.TrainArgs` as a dict: `splits`, `num_steps`.
        eval_args: `trainer_pb2.EvalArgs` as a dict: `splits`, `num_steps`.
        custom_config: Passed on to `run_fn`.
    """
    return container("trainer")
