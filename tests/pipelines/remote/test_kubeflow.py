"""Submitting to Kubeflow Pipelines, and asking it for its runs.

Every test that takes `kubeflow` holds for a real server, too: `--kfp-host URL`.
"""

import json
import threading
from dataclasses import replace
from typing import Any

import kfp
import pytest

from lockstep.pipelines import ir
from lockstep.pipelines.errors import BadRequest, BrokenService, Conflict, NotFound, UnknownRun
from lockstep.pipelines.remote.follow import follow
from lockstep.pipelines.remote.kubeflow import Kubeflow
from lockstep.pipelines.remote.service import Run, State, Submission, TaskState
from lockstep.pipelines.remote.submission import new_name, submission_of, uncached

from .conftest import GOLDEN
from .kfp_server import KfpServer, Received


def _ended(kubeflow: Kubeflow, run: Run) -> Run:
    return follow(kubeflow, run.id, lambda task: None, every=0, sleep=lambda seconds: None)


def _states(run: Run) -> dict[str, State]:
    return {task.name: task.state for task in run.tasks}


def test_what_is_sent_is_what_the_plan_says(
    server: KfpServer, kubeflow: Kubeflow, submission: Submission
) -> None:
    """A dry run tells the very requests that arrive, but for the ids that the server gives."""
    plan = kubeflow.plan(submission)
    assert server.received == []
    kubeflow.submit(submission)
    state = server.state
    ids = {
        "${pipeline.pipeline_id}": next(iter(state.pipelines)),
        "${version.pipeline_version_id}": next(iter(state.versions)),
        "${experiment.experiment_id}": next(iter(state.experiments)),
    }
    planned = json.dumps([[one.method, one.path, one.body] for one in plan])
    for placeholder, real in ids.items():
        planned = planned.replace(placeholder, real)
    assert json.loads(planned) == [[r.method, r.path, r.body] for r in server.changes()]
    assert ir.parse(str(plan[1].body)) == submission.pipeline


def test_the_same_submission_twice_is_one_run_of_one_version(
    kubeflow: Kubeflow, submission: Submission
) -> None:
    """A job of CI that is tried again does not start its run again."""
    named = replace(submission, name=new_name("twice"))
    first, again = kubeflow.submit(named), kubeflow.submit(named)
    other = kubeflow.submit(replace(named, name=new_name("twice")))
    assert again.id == first.id != other.id
    assert kubeflow.upload(named) == kubeflow.upload(named)


def test_submitters_that_race_share_a_version(server: KfpServer, submission: Submission) -> None:
    """Two who submit the same file at once both start their run; there is one version."""
    errors: list[Exception] = []
    submitters = {f"run-{n}": Kubeflow(server.url) for n in range(4)}
    assert [run for one in submitters.values() for run in one.newest(1)] == []  # all are logged in

    def submit(name: str) -> None:
        try:
            submitters[name].submit(replace(submission, name=name))
        except Exception as error:
            errors.append(error)

    for path in ("/pipelines/names/", "/versions", "/experiments"):
        server.fail("GET", path, times=4, delay=0.1)  # all look before any has added anything
    threads = [threading.Thread(target=submit, args=(name,)) for name in submitters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = server.state
    assert errors == []
    assert (len(state.pipelines), len(state.versions), len(state.experiments)) == (1, 1, 1)
    assert len(state.runs) == 4


@pytest.mark.parametrize("path", ["/pipelines$", "/upload_version", "/experiments$", "/runs$"])
@pytest.mark.parametrize(
    "fault", [{"drop": True}, {"status": 503}, {"status": 500}, {"status": 429}]
)
@pytest.mark.parametrize("late", [False, True])
def test_an_attempt_whose_end_is_unknown_is_not_made_twice(
    server: KfpServer,
    kubeflow: Kubeflow,
    submission: Submission,
    path: str,
    fault: dict[str, int],
    late: bool,
) -> None:
    """Whether a request was lost or only its answer: each thing is there once in the end."""
    server.fail("POST", path, late=late, **fault)
    run = kubeflow.submit(submission)
    state = server.state
    assert [*state.runs] == [run.id]
    assert (len(state.pipelines), len(state.versions), len(state.experiments)) == (1, 1, 1)


def test_a_run_of_this_name_but_of_another_pipeline_is_a_conflict(
    kubeflow: Kubeflow, submission: Submission
) -> None:
    """A name that is used again by mistake does not pass for the run that was meant."""
    named = replace(submission, name=new_name("conflict"))
    kubeflow.submit(named)
    other = replace(named, labels={**named.labels, "digest": "0" * 64})
    with pytest.raises(Conflict, match="of another pipeline"):
        kubeflow.submit(other)


def test_a_run_can_be_listed_and_tells_what_it_was_started_with(
    kubeflow: Kubeflow, submission: Submission
) -> None:
    """Labels and parameters come back, from the list as from the run."""
    run = kubeflow.submit(replace(submission, name=new_name("listed")))
    found = next(one for one in kubeflow.newest(5) if one.id == run.id)
    for one in (run, found, kubeflow.get(run.id)):
        assert one.labels == submission.labels
        assert one.parameters == submission.parameters
        assert one.created is not None
        assert one.url.endswith(f"/#/runs/details/{run.id}")


def test_the_newest_runs_come_first_page_after_page(
    server: KfpServer, kubeflow: Kubeflow, submission: Submission
) -> None:
    """As many as are asked for, and no more, over several pages."""
    for number in range(7):
        kubeflow.submit(replace(submission, name=f"run-{number}"))
    assert [run.name for run in kubeflow.newest(3)] == ["run-6", "run-5", "run-4"]
    pages = kubeflow.api.pages("listing", "/runs", "runs", page_size=2)
    assert len(list(pages)) == 7


def test_kfp_s_own_client_sees_what_lockstep_has_submitted(
    kubeflow: Kubeflow, submission: Submission
) -> None:
    """The official client, as it is, finds the version under its digest, and the run."""
    with pytest.warns(FutureWarning, match="only works with Kubeflow Pipeline v2"):
        client: Any = kfp.Client(host=kubeflow.api.host)
    run = kubeflow.submit(submission)
    pipeline_id = client.get_pipeline_id("ingest-and-push")
    versions = client.list_pipeline_versions(pipeline_id).pipeline_versions
    assert f"sha256-{submission.pipeline.digest}" in {one.display_name for one in versions}
    assert client.get_run(run.id).display_name == submission.name
    assert client.get_experiment(experiment_name="Default").display_name == "Default"


def test_tasks_are_those_of_the_pipeline(
    server: KfpServer, kubeflow: Kubeflow, submission: Submission
) -> None:
    """Drivers, executors and the workflow itself are Kubeflow's business; order is by time."""
    server.state.fate = {"champion": "cached", "pusher": "Skipped", "trainer": "Omitted"}
    told: list[TaskState] = []
    run = kubeflow.submit(submission)
    ended = follow(kubeflow, run.id, told.append, every=0, sleep=lambda seconds: None)
    assert _states(ended) == {
        "champion": State.SUCCEEDED,
        "csv-example-gen": State.SUCCEEDED,
        "ingest": State.SUCCEEDED,
        "span-resolver": State.SUCCEEDED,
        "pusher": State.SKIPPED,
        "statistics-gen": State.SUCCEEDED,
        "trainer": State.SKIPPED,
    }
    changes = [task.state for task in told if task.name == "statistics-gen"]
    assert changes == [State.RUNNING, State.SUCCEEDED]
    begun = [task.started for task in ended.tasks if task.started]
    assert begun == sorted(begun)


def test_a_failed_task_fails_the_run(
    server: KfpServer, kubeflow: Kubeflow, submission: Submission
) -> None:
    """The run ends as failed, and its task says which."""
    server.state.fate = {"csv-example-gen": "Failed"}
    ended = _ended(kubeflow, kubeflow.submit(submission))
    assert ended.state is State.FAILED
    assert ended.ended is not None
    assert _states(ended)["csv-example-gen"] is State.FAILED


def test_a_server_that_is_gone_for_a_while_does_not_end_the_following(
    server: KfpServer, kubeflow: Kubeflow, submission: Submission
) -> None:
    """The run goes on there, and so does the looking; but not without end."""
    run = kubeflow.submit(submission)
    server.fail("GET", "/runs/", times=30, status=503)
    assert _ended(kubeflow, run).state is State.SUCCEEDED
    server.fail("GET", "/runs/", times=99, status=503)
    with pytest.raises(BrokenService):
        follow(kubeflow, run.id, print, every=10, patience=30, sleep=lambda seconds: None)


def test_a_cancelled_run_ends_as_cancelled(kubeflow: Kubeflow, submission: Submission) -> None:
    """Kubeflow lets it end as failed; lockstep reads from its history that it was cancelled."""
    run = kubeflow.submit(replace(submission, name=new_name("cancelled")))
    assert kubeflow.cancel(run.id).state in (State.CANCELLING, State.CANCELLED)
    ended = follow(kubeflow, run.id, lambda task: None, every=0.2)
    assert ended.state is State.CANCELLED
    assert kubeflow.cancel(run.id) == kubeflow.get(run.id)


def test_a_run_that_ends_before_it_is_cancelled_stays_as_it_is(
    server: KfpServer, kubeflow: Kubeflow, submission: Submission
) -> None:
    """The server's refusal to cancel it then is no error."""
    run = kubeflow.submit(submission)
    server.fail("POST", ":terminate", status=400)
    assert kubeflow.cancel(run.id).state is State.RUNNING


@pytest.mark.parametrize("pod_names", ["v1", "v2"])
@pytest.mark.parametrize("ui", [False, True])
def test_logs_are_those_of_the_tasks_pods(
    server: KfpServer, kubeflow: Kubeflow, submission: Submission, pod_names: str, ui: bool
) -> None:
    """Whichever way pods are named, and whether the API or the user interface's server is asked."""
    server.state.pod_names, server.ui = pod_names, ui
    server.state.logs = {"trainer": "step 1\nstep 2\n", "ingest.span-resolver": '{"span": 3}'}
    run = _ended(kubeflow, kubeflow.submit(submission))
    assert list(kubeflow.logs(run.id, "trainer")) == ["step 1", "step 2"]
    assert list(kubeflow.logs(run.id, "ingest/span-resolver")) == ['{"span": 3}']
    lines = list(kubeflow.logs(run.id))
    assert "trainer: step 2" in lines
    assert 'ingest/span-resolver: {"span": 3}' in lines


def test_a_log_may_hold_any_bytes(
    server: KfpServer, kubeflow: Kubeflow, submission: Submission
) -> None:
    """What is no UTF-8 does not hide the rest; what looks like JSON stays as it is."""
    server.state.logs = {"trainer": 'step \udcff 1\n{"loss": 1.0}\n', "pusher": "3"}
    run = _ended(kubeflow, kubeflow.submit(submission))
    assert list(kubeflow.logs(run.id, "trainer")) == ["step \ufffd 1", '{"loss": 1.0}']
    assert list(kubeflow.logs(run.id, "pusher")) == ["3"]


def test_a_log_that_cannot_be_had_says_how_kubectl_gets_it(
    server: KfpServer, kubeflow: Kubeflow, submission: Submission
) -> None:
    """No such run, no such task, no log on the server: told apart, each with what to do."""
    with pytest.raises(UnknownRun, match="no run 'none'"):
        list(kubeflow.logs("none"))
    run = _ended(kubeflow, kubeflow.submit(submission))
    with pytest.raises(UnknownRun, match="did you mean trainer"):
        list(kubeflow.logs(run.id, "trianer"))
    server.fail("GET", "/log$", times=9, status=500)
    with pytest.raises(NotFound, match=f"kubectl logs -n kubeflow -l pipeline/runid={run.id}"):
        list(kubeflow.logs(run.id, "trainer"))


def test_a_namespace_is_named_wherever_it_is_needed(submission: Submission) -> None:
    """Where Kubeflow has several users, all that is added belongs to the one namespace."""
    with KfpServer() as server:
        server.state.multi_user = True
        kubeflow = Kubeflow(server.url, "team-a")
        run = kubeflow.submit(submission)
        assert [one.id for one in kubeflow.newest(5)] == [run.id]
        assert {one["namespace"] for one in server.state.experiments.values()} == {"team-a"}
        assert {one["namespace"] for one in server.state.pipelines.values()} == {"team-a"}


def test_without_cache_it_is_another_file(kubeflow: Kubeflow) -> None:
    """No task of what is sent may be cached, and its digest says that it is not the same."""
    pipeline = ir.load(GOLDEN / "ingest_and_push.yaml")
    submission = submission_of(pipeline, {"data": "gs://b/d"}, cache=False)
    assert submission.pipeline == uncached(pipeline)
    assert submission.labels["digest"] == submission.pipeline.digest != pipeline.digest
    assert '"enableCache": true' not in json.dumps(submission.pipeline.spec)


def test_what_the_lint_refuses_the_server_refuses(
    server: KfpServer, kubeflow: Kubeflow, submission: Submission
) -> None:
    """Our server is as strict as our lint, and reads bodies with kfp_server_api's models."""
    broken = ir.parse(submission.text)
    executor = next(iter(broken.spec["deploymentSpec"]["executors"].values()))
    del executor["container"]["command"]
    with pytest.raises(BadRequest, match="no command"):
        kubeflow.submit(replace(submission, pipeline=broken))
    with pytest.raises(BadRequest, match="requires type STRING"):
        kubeflow.submit(replace(submission, parameters={"data": 3}))
    assert all(isinstance(one, Received) for one in server.received)
