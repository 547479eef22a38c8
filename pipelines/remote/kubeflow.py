"""Runs on open-source Kubeflow Pipelines: version by digest, run by name, labels in words.

API v2beta1, as in `backend/api/v2beta1/*.proto` of kubeflow/pipelines 2.5 to 2.17. A run there has
no labels (Vertex AI's has), so they are JSON in its description, which the UI shows.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from ...serving.errors import one_of
from ..errors import (
    BadRequest,
    BrokenService,
    Conflict,
    NotAuthenticated,
    NotFound,
    ServiceError,
    UnknownRun,
)
from ..ir import Json
from .failures import PASSING, persist
from .kubeflow_api import API, Api
from .labels import dump_labels, load_labels
from .pods import pods_of
from .service import Request, Run, State, Submission, TaskState

_STATES: Final = {
    "PENDING": State.PENDING,
    "RUNNING": State.RUNNING,
    "SUCCEEDED": State.SUCCEEDED,
    "SKIPPED": State.SKIPPED,
    "FAILED": State.FAILED,
    "CANCELING": State.CANCELLING,
    "CANCELED": State.CANCELLED,
    "PAUSED": State.PAUSED,
}

DEFAULT_EXPERIMENT: Final = "Default"
"""Where kfp's own client puts runs that name no experiment."""


class Kubeflow:
    """One Kubeflow Pipelines, as a `Service`; nothing is connected to before it is asked."""

    def __init__(
        self, host: str, namespace: str = "", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Name the server; the time between two tries is an argument, for tests."""
        self.api = Api(host, namespace, sleep)

    def plan(self, submission: Submission) -> tuple[Request, ...]:
        """Give the four requests in order; the server gives the ids that `${...}` stands for."""
        return (
            self._pipeline(submission),
            self._version(submission, "${pipeline.pipeline_id}"),
            self._experiment(submission),
            self._run(
                submission,
                "${pipeline.pipeline_id}",
                "${version.pipeline_version_id}",
                "${experiment.experiment_id}",
            ),
        )

    def submit(self, submission: Submission) -> Run:
        """Start the run, unless the experiment has one of this name; add what is not there yet.

        Raises:
            Conflict: A run of this name is there, and it is one of another pipeline.
        """
        pipeline_id, version_id = self.upload(submission)
        experiment_id = self.experiment(submission)
        run = self._ensure(
            self._run(submission, pipeline_id, version_id, experiment_id),
            "run_id",
            lambda: self.api.find(
                "looking for the run", "/runs", "runs", submission.name, experiment_id=experiment_id
            ),
        )
        started = self.to_run(run)
        if started.labels.get("digest") != submission.labels.get("digest"):
            raise Conflict(
                given=f"a run {submission.name!r} of another pipeline is at {started.url}",
                allowed="a name that no run of the experiment has, or the very pipeline it runs",
                todo="choose another --name",
            )
        return started

    def upload(self, submission: Submission) -> tuple[str, str]:
        """Give the ids of the pipeline and of the version that its digest names."""
        pipeline = self._ensure(
            self._pipeline(submission),
            "pipeline_id",
            lambda: self._pipeline_named(submission.pipeline.name),
        )["pipeline_id"]
        version = self._ensure(
            self._version(submission, pipeline),
            "pipeline_version_id",
            lambda: self.api.find(
                "looking for the version",
                f"/pipelines/{pipeline}/versions",
                "pipeline_versions",
                version_name(submission),
            ),
        )["pipeline_version_id"]
        return pipeline, version

    def experiment(self, submission: Submission) -> str:
        """Give the id of the experiment."""
        experiment: str = self._ensure(
            self._experiment(submission),
            "experiment_id",
            lambda: self.api.find(
                "looking for the experiment",
                "/experiments",
                "experiments",
                submission.experiment or DEFAULT_EXPERIMENT,
                namespace=self.api.namespace,
            ),
        )["experiment_id"]
        return experiment

    def newest(self, limit: int) -> Iterator[Run]:
        """Give the newest runs of the namespace."""
        found = self.api.pages(
            "listing runs",
            "/runs",
            "runs",
            namespace=self.api.namespace,
            sort_by="created_at desc",
            page_size=min(limit, 100),
        )
        return (self.to_run(run) for run, _ in zip(found, range(limit), strict=False))

    def get(self, run: str) -> Run:
        """Give a run with its tasks.

        Raises:
            UnknownRun: There is none of this id.
        """
        return self.to_run(self._get(run))

    def cancel(self, run: str) -> Run:
        """Terminate a run that has not ended."""
        found = self.get(run)
        if not found.state.ended:
            path = f"{API}/runs/{quote(run, safe='')}:terminate"
            request = Request("terminate", "POST", path, {})
            with suppress(BadRequest, Conflict, NotFound):  # it has ended meanwhile
                persist(lambda: self.api.send(request, "cancelling a run"), sleep=self.api.sleep)
            found = self.get(run)
        return found

    def logs(self, run: str, task: str = "") -> Iterator[str]:
        """Give the log of each try of a task, which pods or the log archive still hold.

        Raises:
            UnknownRun: There is no such run, or it has no such task.
            NotFound: The server can show none.
        """
        found = self._get(run)
        pods = [(p, pod) for p, pod in self._pods(run) if task in ("", p, p.rpartition("/")[2])]
        if not pods:
            known = (one["display_name"] for one in _tasks(found))
            raise UnknownRun(
                given=f"the run {run} has no pod of {task or 'any task'}: not started, or cached",
                allowed=one_of(known, task),
                todo=self._kubectl(run),
            )
        for path, pod in pods:
            lines = self._log(run, pod).splitlines()
            yield from (lines if task else (f"{path}: {line}" for line in lines))

    def _pods(self, run: str) -> list[tuple[str, str]]:
        """Read the pods from the workflow, which only the older API v1beta1 tells."""
        try:
            text = self.api.text(
                f"/apis/v1beta1/runs/{quote(run, safe='')}", "reading the workflow"
            )
            manifest = json.loads(text)["pipeline_runtime"]["workflow_manifest"]
            return list(pods_of(json.loads(manifest)))
        except (NotFound, NotAuthenticated, ValueError, KeyError, TypeError) as error:
            raise self._no_logs(run, error) from error

    def _log(self, run: str, pod: str) -> str:
        """Ask the API server (pods, then its archive), and the user interface's server next."""
        doing = f"reading the log of {pod}"
        where = {"podname": pod, "runid": run, "podnamespace": self.api.namespace}
        doors = (
            f"/apis/v1alpha1/runs/{quote(run, safe='')}/nodes/{quote(pod, safe='')}/log",
            f"/k8s/pod/logs?{urlencode({k: v for k, v in where.items() if v})}",
        )
        failed: ServiceError | None = None
        for door in doors:
            try:
                return self.api.text(door, doing, tries=2)
            except (NotFound, NotAuthenticated, BadRequest, BrokenService) as error:
                failed = failed or error
        raise self._no_logs(run, failed) from failed

    def _no_logs(self, run: str, error: object) -> NotFound:
        return NotFound(
            given=f"{self.api.shown} shows no log of the run {run}: {str(error).splitlines()[0]}",
            allowed="a server that lets logs be read, while pods or the log archive have them",
            todo=self._kubectl(run),
        )

    def _kubectl(self, run: str) -> str:
        namespace = self.api.namespace or "kubeflow"
        return f"kubectl logs -n {namespace} -l pipeline/runid={run} -c main --prefix --tail=-1"

    def _ensure(self, request: Request, key: str, look: Callable[[], Json | None]) -> Json:
        """Give what is there, or add it; an attempt whose end is unknown is looked at first."""
        doing = f"adding the {request.name}"
        wait, found = 0.4, look()
        while found is None:
            try:
                found = self.api.send(request, doing)
            except (Conflict, *PASSING) as error:
                self.api.sleep(wait)
                found = look()
                if found is None and (isinstance(error, Conflict) or wait > 4):
                    raise
            wait *= 2
        if not isinstance(found.get(key), str):
            raise self.api.malformed(doing, json.dumps(found))
        return found

    def _get(self, run: str) -> Json:
        try:
            return self.api.read("reading a run", f"/runs/{quote(run, safe='')}")
        except NotFound as error:
            raise UnknownRun(
                given=f"no run {run!r} at {self.api.shown}",
                allowed="the id of a run there",
                todo=f"lockstep runs list --host {self.api.shown}",
            ) from error

    def _pipeline_named(self, name: str) -> Json | None:
        with suppress(NotFound):
            return self.api.read(
                "looking for the pipeline",
                f"/pipelines/names/{quote(name, safe='')}",
                namespace=self.api.namespace,
            )
        return None

    def _pipeline(self, submission: Submission) -> Request:
        body = {"display_name": submission.pipeline.name, "namespace": self.api.namespace}
        return Request("pipeline", "POST", f"{API}/pipelines", _given(body))

    def _version(self, submission: Submission, pipeline_id: str) -> Request:
        query = f"name={version_name(submission)}&pipelineid={pipeline_id}"
        path = f"{API}/pipelines/upload_version?{query}"
        return Request("version", "POST", path, submission.text)

    def _experiment(self, submission: Submission) -> Request:
        name = submission.experiment or DEFAULT_EXPERIMENT
        body = {"display_name": name, "namespace": self.api.namespace}
        return Request("experiment", "POST", f"{API}/experiments", _given(body))

    def _run(
        self, submission: Submission, pipeline_id: str, version_id: str, experiment_id: str
    ) -> Request:
        body = {
            "display_name": submission.name,
            "description": dump_labels(submission.labels),
            "experiment_id": experiment_id,
            "pipeline_version_reference": {
                "pipeline_id": pipeline_id,
                "pipeline_version_id": version_id,
            },
            "runtime_config": _given(
                {"parameters": submission.parameters, "pipeline_root": submission.pipeline_root}
            ),
            "service_account": submission.service_account,
        }
        return Request("run", "POST", f"{API}/runs", _given(body))

    def to_run(self, run: Json) -> Run:
        """Read a run as the API tells it.

        Raises:
            MalformedAnswer: It is none.
        """
        try:
            return self._read(run)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            doing = "reading a run"
            raise self.api.malformed(doing, json.dumps(run)) from error

    def _read(self, run: Json) -> Run:
        state = _state(run)
        return Run(
            id=str(run.get("run_id", "")),
            name=str(run.get("display_name", "")),
            state=state,
            created=_time(run.get("created_at")),
            ended=_time(run.get("finished_at")) if state.ended else None,
            url=f"{self.api.ui}/#/runs/details/{run.get('run_id', '')}",
            labels=load_labels(run.get("description") or ""),
            parameters=(run.get("runtime_config") or {}).get("parameters") or {},
            message=(run.get("error") or {}).get("message", ""),
            tasks=tuple(_task(task) for task in _tasks(run)),
        )


def version_name(submission: Submission) -> str:
    """What a version is called: the same file, the same version."""
    return f"sha256-{submission.pipeline.digest}"


def _given(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value not in ("", None)}


def _state(run: Json) -> State:
    """Where a run stands: one that was cancelled ends as FAILED there, but its history tells."""
    state = _STATES.get(run.get("state", ""), State.UNKNOWN)
    history = (entry.get("state") for entry in run.get("state_history") or [])
    return State.CANCELLED if state is State.FAILED and "CANCELING" in history else state


def _tasks(run: Json) -> list[Json]:
    """The workflow's nodes that are tasks, oldest first: no drivers, executors, nor the whole."""
    nodes: list[Json] = (run.get("run_details") or {}).get("task_details") or []
    inner = {"root", *(f"{node.get('display_name')}-driver" for node in nodes)}
    return [
        node
        for node in sorted(nodes, key=lambda node: str(node.get("start_time")))
        if (name := str(node.get("display_name", ""))) not in inner
        and not re.fullmatch(r"executor(\(\d+\))?|.*\..*", name)
        and not _is_whole(node, name)
    ]


def _is_whole(node: Json, name: str) -> bool:
    """Whether it is the workflow's own node: the ids of all others begin with its name."""
    children = (child.get("pod_name") or "" for child in node.get("child_tasks") or [])
    return any(re.fullmatch(re.escape(name) + r"-\d+", child) for child in children)


def _task(node: Json) -> TaskState:
    """A task; what Argo omitted, since it was not needed, has no state there."""
    state = _STATES.get(node.get("state", ""), State.SKIPPED)
    return TaskState(
        name=str(node.get("display_name", "")),
        state=state,
        message=(node.get("error") or {}).get("message", ""),
        started=_time(node.get("start_time")),
        ended=_time(node.get("end_time")) if state.ended else None,
        id=str(node.get("task_id", "")),
    )


def _time(text: Any) -> datetime | None:
    """Read a time; what has not happened yet is the year 1970, or not there."""
    try:
        found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.year > 1970 else None
