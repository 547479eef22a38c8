"""Schedules on Vertex AI: `projects.locations.schedules` (v1) that create pipeline jobs."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from ..errors import BadSchedule, NotFound
from ..ir import Json
from .schedule import Create, Delete, Patch, Schedule, Scheduled, Step, Switch, Wanted
from .schedule_cron import cron_to_vertex, vertex_to_cron
from .service import Request
from .times import read_time, write_time
from .vertex import Vertex

_NEW: Final = "${schedule.name}"
_FIELDS: Final = {
    "cron": ("cron",),
    "time_zone": ("cron",),
    "start": ("startTime",),
    "end": ("endTime",),
    "max_concurrency": ("maxConcurrentRunCount", "maxConcurrentActiveRunCount"),
    "catch_up": ("allowQueueing",),
}
"""What each field of a schedule is in Vertex AI's; the rest is in the request for a job."""


class VertexSchedules:
    """The schedules of one project in one region, as a `Scheduler`."""

    patchable = frozenset(_FIELDS)

    def __init__(self, vertex: Vertex) -> None:
        """Take the place."""
        self._vertex = vertex

    def as_told(self, wanted: Wanted) -> Schedule:
        """Give the schedule as it is read from what is sent: labels hold no more of a digest."""
        state = "ACTIVE" if wanted.schedule.enabled else "PAUSED"
        return _scheduled({**self._body(wanted), "state": state}).schedule

    def scheduled(self) -> Iterator[Scheduled]:
        """Give every schedule that creates pipeline jobs."""
        path = f"/v1/{self._vertex.parent}/schedules?filter=create_pipeline_job_request:*"
        for found in self._vertex.rest.pages(path, "schedules", "listing the schedules"):
            yield _scheduled(found)

    def plan(self, step: Step) -> tuple[Request, ...]:
        """Give the requests of a step."""
        match step:
            case Create(wanted, enabled):
                path = f"/v1/{self._vertex.parent}/schedules"
                request = Request("schedule", "POST", path, self._body(wanted))
                return (request, *(() if enabled else self.plan(Switch(None, enabled=False))))
            case Patch(old, wanted, fields):
                keys = sorted({key for field in fields for key in _FIELDS[field]})
                body = {key: value for key, value in self._body(wanted).items() if key in keys}
                path = f"/v1/{old.id}?updateMask={','.join(keys)}"
                return (Request("change", "PATCH", path, body),)
            case Switch(old, enabled, catch_up):
                verb, given = ("resume", {"catchUp": catch_up}) if enabled else ("pause", {})
                path = f"/v1/{old.id if old else _NEW}:{verb}"
                return (Request(verb, "POST", path, given),)
            case Delete(old):
                return (Request("delete", "DELETE", f"/v1/{old.id}", {}),)

    def do(self, steps: tuple[Step, ...]) -> None:
        """Do steps, one after the other."""
        new = ""
        for request in (request for step in steps for request in self.plan(step)):
            answer = self._send(request, request.path.replace(_NEW, new))
            if request.name == "schedule":
                new = answer["name"]

    def _send(self, request: Request, path: str) -> Json:
        """Send a request; all but the one that creates until it is answered."""
        body = request.body if isinstance(request.body, dict) and request.body else None
        creates = request.name == "schedule"
        doing = "creating a schedule" if creates else f"asking to {request.name} a schedule"
        with suppress(*([NotFound] if request.method == "DELETE" else [])):  # by the try before
            return self._vertex.rest.send(
                request.method, path, body, doing=doing, twice=not creates
            )
        return {}

    def _body(self, wanted: Wanted) -> Json:
        schedule = wanted.schedule
        if schedule.interval or not schedule.cron:
            raise _refused(schedule, "has an interval", _as_cron(schedule.interval or 0))
        try:
            cron = cron_to_vertex(schedule.cron, schedule.time_zone)
        except ValueError as error:
            raise _refused(schedule, f"{schedule.cron!r} {error}", "write five fields") from error
        moments = {"startTime": schedule.start, "endTime": schedule.end}
        return {
            "displayName": schedule.name,
            "cron": cron,
            **{key: write_time(moment) for key, moment in moments.items() if moment},
            "maxConcurrentRunCount": str(schedule.max_concurrency),
            "maxConcurrentActiveRunCount": str(schedule.max_concurrency),
            "allowQueueing": schedule.catch_up,
            "createPipelineJobRequest": {
                "parent": self._vertex.parent,
                "pipelineJob": self._vertex.pipeline_job(wanted.submission),
            },
        }


def _scheduled(found: Json) -> Scheduled:
    """Read a schedule, whoever has made it."""
    cron, zone = vertex_to_cron(found.get("cron", ""))
    job: Json = found["createPipelineJobRequest"].get("pipelineJob", {})
    labels, config = job.get("labels", {}), job.get("runtimeConfig", {})
    pipeline = job.get("pipelineSpec", {}).get("pipelineInfo", {}).get("name", "")
    most: Any = found.get("maxConcurrentActiveRunCount", found.get("maxConcurrentRunCount", 1))
    schedule = Schedule.model_construct(
        name=found["displayName"],
        pipeline=f"{pipeline}@sha256:{labels.get('digest', '')}",
        cron=cron,
        time_zone=zone,
        start=_start(found),
        end=read_time(found.get("endTime")),
        catch_up=found.get("allowQueueing", False),
        max_concurrency=int(most),
        parameters=config.get("parameterValues", {}),
        experiment=labels.get("experiment", ""),
        pipeline_root=config.get("gcsOutputDirectory", ""),
        service_account=job.get("serviceAccount", ""),
        enabled=found.get("state") != "PAUSED",
    )
    return Scheduled(
        id=found.get("name", ""),
        schedule=schedule,
        owner=labels.get("schedules-of", ""),
        next=read_time(found.get("nextRunTime")),
        completed=found.get("state") == "COMPLETED",
    )


def _start(found: Json) -> datetime | None:
    """When it was to start; where nothing was said, the service has filled in when it was made."""
    start, made = read_time(found.get("startTime")), read_time(found.get("createTime"))
    return None if start and made and abs(start - made) < timedelta(minutes=1) else start


def _as_cron(seconds: int) -> str:
    """Say which cron comes as often as an interval, if one does."""
    minutes, hours = seconds // 60, seconds // 3600
    if minutes and seconds % 60 == 0 and 60 % minutes == 0:
        return f"write cron: '*/{minutes} * * * *'" if minutes < 60 else "write cron: '0 * * * *'"
    if hours and seconds % 3600 == 0 and 24 % hours == 0:
        return f"write cron: '0 */{hours} * * *'" if hours < 24 else "write cron: '0 0 * * *'"
    return "write a cron that comes about as often"


def _refused(schedule: Schedule, what: str, todo: str) -> BadSchedule:
    return BadSchedule(
        given=f"schedule {schedule.name}: {what}",
        allowed="on Vertex AI: cron with five fields, in any time zone",
        todo=todo,
    )
