"""Vertex AI Pipelines over its REST API: what `google.cloud.aiplatform.PipelineJob` sends.

The resources are those of `projects.locations.pipelineJobs` (v1), as their reference page and the
protos of google-cloud-aiplatform say; the tests parse every body with these protos.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from ..errors import BadParameter, Conflict, NotFound, UnknownRun
from ..ir import Json
from .google_rest import Rest
from .service import Request, Run, State, Submission, TaskState
from .times import read_time

_JOB_ID: Final = re.compile("[a-z][a-z0-9-]{0,127}")
_LISTED: Final = "name,displayName,state,createTime,endTime,labels"
_LABEL: Final = 63
"""Characters that a key or a value of a label may have."""
_STATES: Final = {
    "PIPELINE_STATE_QUEUED": State.PENDING,
    "NOT_TRIGGERED": State.SKIPPED,
    "SKIPPED": State.SUCCEEDED,  # the outputs came from the cache
    "CANCEL_PENDING": State.CANCELLING,
}


class Vertex:
    """The pipeline runs of one project in one region of Vertex AI."""

    def __init__(
        self,
        project: str,
        region: str,
        bucket: str = "",
        *,
        rest: Rest | None = None,
        logging: Rest | None = None,
    ) -> None:
        """Take the place; `bucket` is where runs keep their artifacts, `gs://NAME[/FOLDER]`.

        The APIs' addresses follow from the region, unless gcloud's own variables
        `CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM` and `..._LOGGING` name others.
        """
        for option, value in (("--project", project), ("--region", region)):
            if not re.fullmatch(r"[a-z0-9][a-z0-9.:-]*", value):
                raise BadParameter(
                    given=f"{option} {value}" if value else f"no {option}",
                    allowed="a Google Cloud project's id and a region such as europe-west4",
                    todo=f"add {option}",
                )
        self.project, self.region = project, region
        self.bucket = f"gs://{bucket.removeprefix('gs://').strip('/')}" if bucket else ""
        self.parent = f"projects/{project}/locations/{region}"
        self.rest = rest or Rest(_address("AIPLATFORM", f"{region}-aiplatform"))
        self._logging = logging or Rest(_address("LOGGING", "logging"))

    def plan(self, submission: Submission) -> tuple[Request, ...]:
        """Give the one request that `submit` sends; nothing is sent, nothing is asked."""
        path = f"/v1/{self.parent}/pipelineJobs?pipelineJobId={job_id(submission.name)}"
        return (Request("run", "POST", path, self.pipeline_job(submission)),)

    def pipeline_job(self, submission: Submission) -> Json:
        """Give the PipelineJob of a submission."""
        labels = dict(submission.labels)
        if submission.experiment:
            labels["experiment"] = submission.experiment
        job: Json = {
            "displayName": submission.name[:128],
            "pipelineSpec": submission.pipeline.spec,
            "labels": to_labels(labels),
            "runtimeConfig": {
                "gcsOutputDirectory": self._root(submission),
                "parameterValues": submission.parameters,
            },
        }
        if submission.service_account:
            job["serviceAccount"] = submission.service_account
        return job

    def submit(self, submission: Submission) -> Run:
        """Start a run; if one of this name is there already, it is that one.

        Raises:
            Conflict: a run of this name is there, and it is one of another pipeline.
        """
        (request,) = self.plan(submission)
        assert isinstance(request.body, dict)
        try:
            job = self.rest.send(
                request.method, request.path, request.body, doing="starting a run", twice=True
            )
        except Conflict as conflict:
            job = self._job(job_id(submission.name))
            if job.get("labels", {}).get("digest") != request.body["labels"].get("digest"):
                raise conflict from None
        return self._run(job)

    def newest(self, limit: int) -> Iterator[Run]:
        """Give the newest runs, newest first, at most `limit`."""
        path = f"/v1/{self.parent}/pipelineJobs?orderBy=create_time%20desc&readMask={_LISTED}"
        jobs = self.rest.pages(path, "pipelineJobs", "listing the runs", min(limit, 100))
        for _, job in zip(range(limit), jobs, strict=False):
            yield self._run(job)

    def get(self, run: str) -> Run:
        """Give one run by its id, with its tasks."""
        return self._run(self._job(run))

    def cancel(self, run: str) -> Run:
        """Ask for a run to be stopped; one that has ended stays as it is."""
        found = self.get(run)
        if found.state.ended:
            return found
        path = f"/v1/{self.parent}/pipelineJobs/{found.id}:cancel"
        self.rest.send("POST", path, {}, doing=f"cancelling the run {run}", twice=True)
        return self.get(run)

    def logs(self, run: str, task: str = "") -> Iterator[str]:
        """Give the lines of one task, or of every task, each behind its name.

        They are Cloud Logging's entries of the custom jobs that a task's tries were.
        """
        job = self._job(run)
        tasks = {jobs: name for name, detail in _details(job) for jobs in custom_jobs(detail)}
        if task and task not in {name for name, _ in _details(job)}:
            raise UnknownRun(
                given=f"the run {run} has no task {task!r}",
                allowed=", ".join(sorted({name for name, _ in _details(job)})) or "none yet",
                todo="name one of those",
            )
        chosen = [number for number, name in tasks.items() if task in ("", name)]
        if not chosen:
            return
        for entry in self._entries(chosen, job["createTime"]):
            name = tasks[entry["resource"]["labels"]["job_id"]]
            yield _text(entry) if task else f"{name}: {_text(entry)}"

    def _entries(self, jobs: list[str], since: str) -> Iterator[Json]:
        either = " OR ".join(f'"{job}"' for job in jobs)
        query: Json = {
            "resourceNames": [f"projects/{self.project}"],
            "filter": f'resource.type="ml_job" AND resource.labels.job_id=({either})'
            f' AND timestamp>="{since}"',
            "orderBy": "timestamp asc",
            "pageSize": 1000,
        }
        while True:
            path, doing = "/v2/entries:list", "reading logs"
            answer = self._logging.send("POST", path, query, doing=doing, twice=True)
            yield from answer.get("entries", [])
            if not answer.get("nextPageToken"):
                return
            query["pageToken"] = answer["nextPageToken"]

    def _job(self, run: str) -> Json:
        name = run.rpartition("/")[2]
        path = f"/v1/{self.parent}/pipelineJobs/{quote(name, safe='')}"
        try:
            return self.rest.get(path, f"looking for the run {run}")
        except NotFound as error:
            raise UnknownRun(
                given=f"no run {run!r} in {self.parent}",
                allowed="the id of a run there",
                todo="lockstep runs list --vertex lists them",
            ) from error

    def _run(self, job: Json) -> Run:
        name = job["name"].rpartition("/")[2]
        tasks = tuple(_task(name, detail) for name, detail in _details(job))
        return Run(
            id=name,
            name=job.get("displayName", name),
            state=_state(job),
            created=read_time(job.get("createTime")),
            ended=read_time(job.get("endTime")),
            url=f"https://console.cloud.google.com/vertex-ai/locations/{self.region}/pipelines/runs/"
            f"{name}?project={self.project}",
            labels=job.get("labels", {}),
            parameters=job.get("runtimeConfig", {}).get("parameterValues", {}),
            message=job.get("error", {}).get("message", ""),
            tasks=tasks,
            blessed=_blessed(job),
        )

    def _root(self, submission: Submission) -> str:
        root = submission.pipeline_root or self.bucket
        root = root or submission.pipeline.spec.get("defaultPipelineRoot", "")
        if not root.startswith("gs://"):
            raise BadParameter(
                given=f"the pipeline root {root}" if root else "no place for a run's artifacts",
                allowed="a folder of Cloud Storage",
                todo="add --bucket gs://NAME, or --pipeline-root gs://NAME/FOLDER",
            )
        return str(root)


def job_id(name: str) -> str:
    """The id of a run's PipelineJob: its name if it can be one, else its letters and a checksum.

    >>> job_id("taxi-1")
    'taxi-1'
    >>> job_id("Taxi, nightly")
    'taxi-nightly-aac1f4a9'
    """
    if _JOB_ID.fullmatch(name):
        return name
    plain = re.sub("[^a-z0-9]+", "-", name.lower()).lstrip("-0123456789")[:119].strip("-")
    return f"{plain or 'run'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def to_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels as Google Cloud takes them: lower case, digits, `_` and `-`, up to 63 characters.

    >>> to_labels({"why": "New data: span 7"})
    {'why': 'new-data-span-7'}
    """
    return {_to_label(key): _to_label(value) for key, value in labels.items()}


def _to_label(text: str) -> str:
    return re.sub("[^a-z0-9_-]+", "-", text.lower())[:_LABEL]


def _details(job: Json) -> Iterator[tuple[str, Json]]:
    """The names and details of a job's tasks, less the one that stands for the job itself."""
    for detail in job.get("jobDetail", {}).get("taskDetails", []):
        if detail["taskName"] != job["name"].rpartition("/")[2]:
            yield detail["taskName"], detail


def custom_jobs(detail: Json) -> tuple[str, ...]:
    """The numbers of the custom jobs that a task's tries were, the last one first."""
    container = detail.get("executorDetail", {}).get("containerDetail", {})
    names = [container.get("mainJob", ""), *reversed(container.get("failedMainJobs", []))]
    return tuple(name.rpartition("/")[2] for name in names if name)


def _task(name: str, detail: Json) -> TaskState:
    cached = "from the cache" if detail.get("state") == "SKIPPED" else ""
    return TaskState(
        name=name,
        state=_state(detail),
        message=detail.get("error", {}).get("message", cached),
        started=read_time(detail.get("startTime")),
        ended=read_time(detail.get("endTime")),
        id=next(iter(custom_jobs(detail)), ""),
    )


def _blessed(job: Json) -> bool | None:
    """Whether every model that a pusher was given was pushed; None if none was given."""
    pushed = [
        bool(artifact.get("metadata", {}).get("pushed"))
        for _, detail in _details(job)
        for output in detail.get("outputs", {}).values()
        for artifact in output.get("artifacts", [])
        if artifact.get("metadata", {}).get("tfx_type") == "PushedModel"
    ]
    return all(pushed) if pushed else None


def _state(thing: Json) -> State:
    said = thing.get("state", "")
    word = said.removeprefix("PIPELINE_STATE_")
    return _STATES.get(said) or (State[word] if word in State.__members__ else State.UNKNOWN)


def _text(entry: Json) -> str:
    payload: Any = entry.get("jsonPayload", {})
    return str(entry.get("textPayload", payload.get("message", payload))).rstrip("\n")


def _address(service: str, host: str) -> str:
    given = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}", "")
    return given.rstrip("/") or f"https://{host}.googleapis.com"
