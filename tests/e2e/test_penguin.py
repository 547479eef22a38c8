"""TFX's own penguin module and data, from the installed package, unchanged."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Project, Run


@pytest.fixture(scope="module")
def penguin(project: "Project") -> "Run":
    """Ingest to push, with TFX's module given as a file and by its name."""
    return project.run("pipelines/penguin.py", model_store="models")


def test_the_penguin_module_runs_unchanged(penguin: "Run") -> None:
    """Its `preprocessing_fn`, `tuner_fn` and `run_fn` all serve, and nothing fails."""
    assert penguin.code == 0, penguin.err
    assert set(penguin.states().values()) == {"SUCCEEDED"}


def test_the_tuner_finds_hyperparameters_for_the_trainer(penguin: "Run") -> None:
    """Every trial is recorded, and the best one is what the trainer was given."""
    # Six are asked for; a random search gives up on one that has drawn nothing new for too long.
    assert 2 <= penguin.metadata("tuner", "tuner_results")["trials"] <= 6
    best = penguin.task("trainer")["inputs"]["artifacts"]["hyperparameters"][0]
    assert best["uri"] == str(penguin.path("tuner", "best_hyperparameters"))
    rate = penguin.metadata("tuner", "metrics")["learning_rate"]
    trained = penguin.metadata("trainer", "metrics")["train/epoch_learning_rate"]
    assert trained == pytest.approx(rate)


def test_bulk_inference_predicts_for_every_example(penguin: "Run") -> None:
    """The unchanged module's Keras 3 model restores where TFX restores it: in a bare graph."""
    examples = penguin.metadata("import-example-gen", "examples")
    predicted = penguin.metadata("bulk-inferrer", "inference_result")
    assert predicted["count"] == examples["count_eval"] > 0


def test_what_is_blessed_is_pushed(project: "Project", penguin: "Run") -> None:
    """The model is in the store."""
    version = penguin.metadata("pusher", "pushed_model")["pushed_version"]
    assert project.versions("penguin") == [version]
