"""After the first run: there is a champion, and a gate that says no."""

from typing import TYPE_CHECKING

import pytest

from lockstep.serving.errors import Exit

if TYPE_CHECKING:
    from tests.e2e.conftest import Project, Run


@pytest.fixture(scope="module")
def afterwards(project: "Project", taxi: "Run") -> "Run":
    """A second pipeline on the first run's artifacts and store."""
    return project.run(
        "pipelines/afterwards.py",
        model_store="models",
        examples_uri=taxi.path("csv-example-gen", "examples"),
        schema_uri=taxi.path("schema-gen", "schema"),
        model_uri=taxi.path("trainer", "model"),
    )


def test_the_next_run_finds_the_champion(taxi: "Run", afterwards: "Run") -> None:
    """It is the model that the first run has pushed, and it becomes the baseline."""
    pushed = taxi.metadata("pusher", "pushed_model")
    parameters = afterwards.task("champion")["outputs"]["parameters"]
    assert parameters == {"found": True, "digest": pushed["digest"]}
    assert (afterwards.path("champion", "model") / "Format-Serving/saved_model.pb").is_file()
    assert afterwards.metadata("evaluator", "metrics")["difference of auc"] == 0


def test_what_is_not_blessed_is_not_pushed(
    project: "Project", taxi: "Run", afterwards: "Run"
) -> None:
    """The run succeeds, and says by its exit code and in words why the store is as it was."""
    assert set(afterwards.states().values()) == {"SUCCEEDED"}, afterwards.err
    assert afterwards.code == Exit.NOT_BLESSED
    version = taxi.metadata("pusher", "pushed_model")["pushed_version"]
    assert project.versions("taxi") == [version]
    line = next(line for line in afterwards.out.splitlines() if "pushed nothing" in line)
    assert "not blessed by the evaluation: auc of Overall is 0.9" in line
    assert "at least 0.999" in line


def test_the_page_says_which_threshold_failed(afterwards: "Run") -> None:
    """The evaluator's page shows slice, metric, value and threshold."""
    page = afterwards.path("evaluator", "html").read_text()
    assert "Evaluation: not blessed" in page
    assert "at least 0.999" in page


def test_the_taxi_module_of_tfx_runs_unchanged(taxi: "Run", afterwards: "Run") -> None:
    """`taxi_utils_native_keras.py`, where TFX has installed it, transforms and trains."""
    examples = taxi.metadata("csv-example-gen", "examples")
    transformed = afterwards.metadata("transform", "transformed_examples")
    assert transformed["count_train"] == examples["count_train"]
    assert (afterwards.path("trainer", "model") / "Format-Serving/saved_model.pb").is_file()
    assert "train/epoch_binary_accuracy" in afterwards.metadata("trainer", "metrics")
