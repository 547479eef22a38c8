"""The server that the other tests ask, as kfp's own client finds it."""

from pathlib import Path
from typing import Any

import kfp
import kfp_server_api
import pytest

from .conftest import GOLDEN
from .kfp_server import KfpServer

PIPELINE = str(GOLDEN / "ingest_and_push.yaml")


@pytest.fixture
def client(server: KfpServer) -> Any:
    """Give the official client, unpatched."""
    with pytest.warns(FutureWarning, match="only works with Kubeflow Pipeline v2"):
        return kfp.Client(host=server.url)


@pytest.fixture
def ids(client: Any) -> dict[str, str]:
    """Give an experiment and a version, as a recurring run needs them."""
    pipeline = client.upload_pipeline(PIPELINE, "ingest")
    version = client.upload_pipeline_version(PIPELINE, "v2", pipeline.pipeline_id)
    experiment = client.create_experiment("nightly")
    return {
        "experiment_id": experiment.experiment_id,
        "pipeline_id": pipeline.pipeline_id,
        "version_id": version.pipeline_version_id,
    }


def test_a_run_goes_on_each_time_it_is_read(client: Any, ids: dict[str, str]) -> None:
    """Submitted, followed and found by the client that everybody has."""
    run = client.run_pipeline(job_name="by hand", params={"data": "x"}, **ids)
    assert run.state == "PENDING"
    ended = client.wait_for_run_completion(run.run_id, timeout=60, sleep_duration=0)
    assert ended.state == "SUCCEEDED"
    names = {task.display_name for task in ended.run_details.task_details}
    assert {"root", "root-driver", "trainer", "trainer-driver", "executor"} <= names
    (listed,) = client.list_runs(experiment_id=ids["experiment_id"]).runs
    assert listed.run_id == run.run_id


def test_recurring_runs_are_kept(client: Any, ids: dict[str, str]) -> None:
    """Created, listed, disabled, enabled, deleted."""
    made = client.create_recurring_run(
        job_name="every night", cron_expression="0 0 3 * * *", params={"data": "x"}, **ids
    )
    assert made.status == "ENABLED"
    client.disable_recurring_run(made.recurring_run_id)
    assert client.get_recurring_run(made.recurring_run_id).status == "DISABLED"
    client.enable_recurring_run(made.recurring_run_id)
    (listed,) = client.list_recurring_runs().recurring_runs
    assert (listed.display_name, listed.status) == ("every night", "ENABLED")
    client.delete_recurring_run(made.recurring_run_id)
    assert client.list_recurring_runs().recurring_runs is None or not (
        client.list_recurring_runs().recurring_runs
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cron_expression": "every night"}, "Invalid Schedule"),
        ({"interval_second": 60, "max_concurrency": 11}, "range"),
        ({"interval_second": 60, "params": {}}, "data is not optional"),
        ({"interval_second": 60, "params": {"data": "x", "odd": 1}}, "odd"),
        ({"interval_second": 60, "params": {"data": 3}}, "requires type STRING"),
    ],
)
def test_a_wrong_recurring_run_is_refused(
    client: Any, ids: dict[str, str], wrong: dict[str, Any], said: str
) -> None:
    """As the real server does, with 400."""
    given = {"job_name": "wrong", "params": {"data": "x"}, **ids, **wrong}
    with pytest.raises(kfp_server_api.ApiException, match=said) as raised:
        client.create_recurring_run(**given)
    assert raised.value.status == 400


def test_names_are_taken_once(client: Any, ids: dict[str, str]) -> None:
    """A second pipeline or version of a name is a conflict."""
    with pytest.raises(kfp_server_api.ApiException) as raised:
        client.upload_pipeline(PIPELINE, "ingest")
    assert raised.value.status == 409
    with pytest.raises(kfp_server_api.ApiException) as raised:
        client.upload_pipeline_version(PIPELINE, "v2", ids["pipeline_id"])
    assert raised.value.status == 409


def test_what_is_no_pipeline_is_refused(client: Any, tmp_path: Path) -> None:
    """Neither nonsense nor what the lint refuses is kept."""
    file = tmp_path / "pipeline.yaml"
    file.write_text("pipelineInfo: {name: 3}")
    with pytest.raises(kfp_server_api.ApiException) as raised:
        client.upload_pipeline(str(file), "nonsense")
    assert raised.value.status == 400


def test_fields_that_the_models_do_not_know_are_refused(server: KfpServer, client: Any) -> None:
    """A body is read with kfp_server_api's own models."""
    with pytest.raises(kfp_server_api.ApiException, match="has no") as raised:
        client.experiments.experiment_service_create_experiment(body={"name": "x", "odd": 1})
    assert raised.value.status == 400
    assert server.state.experiments == {}
