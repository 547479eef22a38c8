"""Schedules on Kubeflow Pipelines: recurring runs of API v2beta1, which nothing can change.

What is checked here is what `backend/src/apiserver/server/recurring_run_server.go` checks.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from ..errors import BadSchedule, NotFound
from ..ir import Json
from .failures import persist
from .kubeflow import DEFAULT_EXPERIMENT, Kubeflow
from .kubeflow_api import API
from .labels import load_labels
from .schedule import Create, Delete, Patch, Schedule, Scheduled, Step, Switch, Wanted
from .schedule_cron import cron_to_kubeflow, kubeflow_to_cron
from .service import Request
from .times import read_time, write_time

_NEW: Final = "${schedule.recurring_run_id}"
_RUNS: Final = f"{API}/recurringruns"


class KubeflowSchedules:
    """The recurring runs of one namespace, as a `Scheduler`."""

    patchable = frozenset[str]()

    def __init__(self, kubeflow: Kubeflow) -> None:
        """Take the server."""
        self._kubeflow = kubeflow

    def as_told(self, wanted: Wanted) -> Schedule:
        """Give the schedule with the names that are looked up when it is told."""
        schedule = wanted.schedule
        if schedule.time_zone != "UTC":
            raise BadSchedule(
                given=f"schedule {schedule.name}: the time zone {schedule.time_zone}",
                allowed="on Kubeflow: that of its controller, for all schedules (UTC unless its "
                "CRON_SCHEDULE_TIMEZONE says otherwise)",
                todo="leave time_zone out, and write the hours in the controller's",
            )
        update = {
            "pipeline": f"{wanted.pipeline.name}@sha256:{wanted.pipeline.digest}",
            "experiment": schedule.experiment or DEFAULT_EXPERIMENT,
        }
        return schedule.model_copy(update=update)

    def scheduled(self) -> Iterator[Scheduled]:
        """Give every recurring run, with the names behind its ids."""
        names = dict[str, str]()
        api = self._kubeflow.api
        listed = api.pages(
            "listing the schedules", "/recurringruns", "recurringRuns", namespace=api.namespace
        )
        for found in listed:
            yield self._scheduled(found, names)

    def plan(self, step: Step) -> tuple[Request, ...]:
        """Give the requests of a step; the server gives the ids that `${...}` stands for."""
        match step:
            case Create(wanted, enabled):
                *before, run = self._kubeflow.plan(wanted.submission)
                assert isinstance(run.body, dict)
                return *before, _recurring(wanted.schedule, enabled, run.body)
            case Patch():
                message = "Kubeflow patches nothing: such a schedule is made anew"
                raise AssertionError(message)
            case Switch(old, enabled):
                verb = "enable" if enabled else "disable"
                path = f"{_RUNS}/{old.id if old else _NEW}:{verb}"
                return (Request(verb, "POST", path, {}),)
            case Delete(old):
                return (Request("delete", "DELETE", f"{_RUNS}/{old.id}", {}),)

    def do(self, steps: tuple[Step, ...]) -> None:
        """Do steps; the pipeline, its version and the experiment are added if they are missing."""
        new = ""
        for step in steps:
            request = self.plan(step)[-1]
            body = request.body
            if isinstance(step, Create) and isinstance(body, dict):
                pipeline, version = self._kubeflow.upload(step.wanted.submission)
                body["pipeline_version_reference"] = {
                    "pipeline_id": pipeline,
                    "pipeline_version_id": version,
                }
                body["experiment_id"] = self._kubeflow.experiment(step.wanted.submission)
            sent = Request(request.name, request.method, request.path.replace(_NEW, new), body)
            answer = self._send(sent)
            new = answer.get("recurring_run_id", new)

    def _send(self, request: Request) -> Json:
        """Send a request; all but the one that creates until it is answered."""
        api = self._kubeflow.api
        doing = f"asking to {request.name} a schedule"
        if request.name == "schedule":
            return api.send(request, "creating a schedule")
        with suppress(*([NotFound] if request.method == "DELETE" else [])):  # by the try before
            return persist(lambda: api.send(request, doing), sleep=api.sleep)
        return {}

    def _scheduled(self, found: Json, names: dict[str, str]) -> Scheduled:
        """Read a recurring run; `names` keeps what was looked up."""
        trigger: Json = found.get("trigger") or {}
        cron, period = trigger.get("cron_schedule") or {}, trigger.get("periodic_schedule") or {}
        when, config = cron or period, found.get("runtime_config") or {}
        schedule = Schedule.model_construct(
            name=found.get("display_name", ""),
            pipeline=self._pipeline(found.get("pipeline_version_reference") or {}, names),
            cron=kubeflow_to_cron(cron["cron"]) if cron else None,
            interval=int(period["interval_second"]) if period else None,
            start=read_time(when.get("start_time")),
            end=read_time(when.get("end_time")),
            catch_up=not found.get("no_catchup", False),
            max_concurrency=int(found.get("max_concurrency") or 1),
            parameters=config.get("parameters") or {},
            experiment=self._name(f"/experiments/{found.get('experiment_id', '')}", names),
            pipeline_root=config.get("pipeline_root") or "",
            service_account=found.get("service_account") or "",
            enabled=found.get("status") == "ENABLED",
        )
        owner = load_labels(found.get("description") or "").get("schedules-of", "")
        return Scheduled(found["recurring_run_id"], schedule, owner)

    def _pipeline(self, reference: Json, names: dict[str, str]) -> str:
        pipeline = f"/pipelines/{reference.get('pipeline_id', '')}"
        version = f"{pipeline}/versions/{reference.get('pipeline_version_id', '')}"
        digest = self._name(version, names).replace("sha256-", "sha256:")
        return f"{self._name(pipeline, names)}@{digest}"

    def _name(self, path: str, names: dict[str, str]) -> str:
        """Look a name up once; what has been deleted has none."""
        if path not in names:
            with suppress(NotFound):
                found = self._kubeflow.api.read("looking a name up", path)
                names[path] = found.get("display_name", "")
        return names.get(path, "")


def _recurring(schedule: Schedule, enabled: bool, run: Json) -> Request:
    """The request for a recurring run, from the one for a run."""
    moments = {"start_time": schedule.start, "end_time": schedule.end}
    when: Json = {key: write_time(moment) for key, moment in moments.items() if moment}
    if schedule.cron:
        trigger = {"cron_schedule": {"cron": cron_to_kubeflow(schedule.cron), **when}}
    else:
        trigger = {"periodic_schedule": {"interval_second": str(schedule.interval), **when}}
    body = {
        **run,
        "trigger": trigger,
        "mode": "ENABLE" if enabled else "DISABLE",
        "max_concurrency": str(schedule.max_concurrency),
        "no_catchup": not schedule.catch_up,
    }
    return Request("schedule", "POST", _RUNS, body)
