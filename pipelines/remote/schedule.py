"""A schedule: which pipeline a service starts by itself, when, and with what.

`Schedule` is what a user writes and, equal to it, what a service tells. A `Scheduler` (Kubeflow's
recurring runs, Vertex AI's schedules) turns a `Step` into the `Request`s of a dry run, or does it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Any, Final, Protocol
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from ...serving.errors import one_of
from ..engine.parameters import bind
from ..errors import BadSchedule
from ..ir import CompiledPipeline
from .schedule_cron import read_cron
from .service import Request, Submission

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: Any) -> Any:
    """Read `90s`, `15m`, `6h` or `1d`."""
    match = re.fullmatch(r"(\d{1,9})([smhd])", value) if isinstance(value, str) else None
    return int(match[1]) * _UNITS[match[2]] if match else value


def interval_to_text(seconds: int) -> str:
    """Write an interval as a schedule's file does.

    >>> interval_to_text(21600), interval_to_text(5400), interval_to_text(61)
    ('6h', '90m', '61s')
    """
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def _zone(name: str) -> str:
    """Know the time zone; where no database of them is installed, the service must."""
    known = available_timezones()
    if known and name not in known:
        message = f"is no time zone of the IANA database; {one_of(known, name)[:120]}"
        raise ValueError(message)
    return name


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc).replace(microsecond=0)


Name = Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,62}$")]
"""Of a schedule and of the owner of several: it can be a label."""
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
_TEXT: Final = {"anyOf": [{"type": "integer", "minimum": 1}, {"pattern": r"^\d{1,9}[smhd]$"}]}
Seconds = Annotated[int, BeforeValidator(_seconds), Field(ge=1), WithJsonSchema(_TEXT)]


class Schedule(BaseModel):
    """One schedule, whole and checked; services tell theirs by `model_construct`, unchecked."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Name = Field(description="Its name, which no other schedule of the place has.")
    pipeline: str = Field(
        description="A compiled file, or a Python file [with :NAME], from the schedule's file."
    )
    cron: Annotated[str, AfterValidator(read_cron)] | None = Field(
        None, description="minute hour day month weekday; or six fields, seconds first."
    )
    interval: Seconds | None = Field(
        None, description="Time from start to start, in place of cron: 90s, 15m, 6h, 1d."
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC", description="Of cron; Kubeflow's is that of its controller."
    )
    start: Moment | None = Field(None, description="No run before; with an offset or Z.")
    end: Moment | None = Field(None, description="No run after.")
    catch_up: bool = Field(False, description="Make up for runs that were missed.")
    max_concurrency: int = Field(1, ge=1, le=10, description="So many runs at a time.")
    parameters: dict[str, Any] = Field({}, description="The pipeline's; others have defaults.")
    experiment: str = Field("", description="Where its runs are listed.")
    pipeline_root: str = Field("", description="Where its runs keep their artifacts.")
    service_account: str = Field("", description="What its runs run as.")
    enabled: bool = Field(True, description="False: it is there, but paused.")

    @model_validator(mode="after")
    def _check(self) -> "Schedule":
        problem = ""
        if (self.cron is None) == (self.interval is None):
            problem = "needs either cron or interval"
        elif self.start and self.end and self.end <= self.start:
            problem = "ends before it starts"
        elif self.interval and self.time_zone != "UTC":
            problem = "has an interval, which knows no time zone"
        if problem:
            raise ValueError(problem)
        return self


@dataclass(frozen=True)
class Scheduled:
    """A schedule that a service keeps."""

    id: str
    schedule: Schedule
    """Its pipeline is written `NAME@sha256:DIGEST`."""
    owner: str = ""
    """Whose it is among those that lockstep has made; empty: somebody else has made it."""
    next: datetime | None = None
    """When it starts the next run, if the service says so."""
    completed: bool = False
    """It will start no more runs, and cannot be changed any more."""


@dataclass(frozen=True)
class Wanted:
    """A schedule that a service is to keep, its pipeline compiled and its parameters checked."""

    schedule: Schedule
    pipeline: CompiledPipeline
    owner: str

    @property
    def submission(self) -> Submission:
        """What each of its runs is, less the name."""
        schedule, why = self.schedule, f"schedule {self.schedule.name}"
        return Submission(
            pipeline=self.pipeline,
            name=schedule.name,
            parameters=schedule.parameters,
            labels={"schedules-of": self.owner, "digest": self.pipeline.digest, "why": why},
            experiment=schedule.experiment,
            pipeline_root=schedule.pipeline_root,
            service_account=schedule.service_account,
        )


@dataclass(frozen=True)
class Create:
    """Add a schedule, paused unless it is enabled."""

    wanted: Wanted
    enabled: bool


@dataclass(frozen=True)
class Patch:
    """Change some fields of a schedule where it stands."""

    old: Scheduled
    wanted: Wanted
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Switch:
    """Resume or pause a schedule; None is the one that has just been created."""

    old: Scheduled | None
    enabled: bool
    catch_up: bool = False


@dataclass(frozen=True)
class Delete:
    """Remove a schedule; its runs stay."""

    old: Scheduled


Step = Create | Patch | Switch | Delete


class Scheduler(Protocol):
    """Whoever keeps schedules: Kubeflow Pipelines, Vertex AI."""

    patchable: frozenset[str]
    """The fields that can be changed where the schedule stands."""

    def as_told(self, wanted: Wanted) -> Schedule:
        """Give the schedule as the service will tell it.

        Raises:
            BadSchedule: it has no such thing.
        """
        ...

    def scheduled(self) -> Iterator[Scheduled]:
        """Give every schedule of the place."""
        ...

    def plan(self, step: Step) -> tuple[Request, ...]:
        """Give the requests of a step; nothing is sent."""
        ...

    def do(self, steps: tuple[Step, ...]) -> None:
        """Do steps, one after the other."""
        ...


def wanted_of(schedule: Schedule, pipeline: CompiledPipeline, owner: str) -> Wanted:
    """Put a schedule and its compiled pipeline together.

    Raises:
        BadParameter: One is unknown, missing, or of the wrong type.
    """
    bind(pipeline.spec["root"].get("inputDefinitions", {}), schedule.parameters)
    return Wanted(schedule, pipeline, owner)


def schedule_of(**fields: Any) -> Schedule:
    """Check a schedule.

    Raises:
        BadSchedule: It is none; every problem is named.
    """
    try:
        return Schedule(**fields)
    except ValidationError as error:
        what = f"schedule {fields.get('name', '')}"
        raise bad_schedule(what, error) from error


def bad_schedule(what: str, error: ValidationError) -> BadSchedule:
    """Say what is wrong with a schedule, or a file of them, problem by problem."""
    problems = [
        ": ".join(
            [
                *(".".join(map(str, one["loc"])) for _ in one["loc"][:1]),
                one["msg"].removeprefix("Value error, "),
            ]
        )
        for one in error.errors(include_url=False)
    ]
    return BadSchedule(
        given="\n  - ".join([f"{what}:", *problems]),
        allowed="what docs/schedule.md says",
        todo="correct these",
    )
