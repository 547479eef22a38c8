"""The file of schedules that CI applies: what has to change so that the service keeps just these.

A change is found by comparing what is wanted with what the service tells, so that what somebody has
changed by hand is put right, and applying twice does nothing the second time. Only schedules of the
file's own owner are ever changed or deleted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...serving.errors import one_of
from ..errors import BadSchedule, Conflict, UnknownSchedule
from ..ir import StrictLoader
from .schedule import (
    Create,
    Delete,
    Name,
    Patch,
    Schedule,
    Scheduled,
    Scheduler,
    Step,
    Switch,
    Wanted,
    bad_schedule,
)

COMMAND_LINE: Final = "command-line"
"""The owner of what `lockstep schedule create` makes."""

_FILLED: Final = frozenset({"pipeline_root", "service_account"})
"""What a service fills in where nothing is given: its own default."""


class ScheduleFile(BaseModel):
    """The schedules of one owner."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    owner: Name = Field(description="Whose these are: what else is this owner's is deleted.")
    schedules: tuple[Schedule, ...]

    @model_validator(mode="after")
    def _check(self) -> "ScheduleFile":
        names = [schedule.name for schedule in self.schedules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or self.owner == COMMAND_LINE:
            message = f"stands twice: {', '.join(twice)}" if twice else f"{self.owner} is taken"
            raise ValueError(message)
        return self


@dataclass(frozen=True)
class Change:
    """What has to be done about one schedule, and why."""

    verb: Literal["create", "update", "delete", "keep"]
    name: str
    steps: tuple[Step, ...] = ()
    differences: tuple[tuple[str, Any, Any], ...] = ()
    """Field, what it is, what it is to be."""


def read_file(path: Path) -> ScheduleFile:
    """Read a file of schedules.

    Raises:
        BadSchedule: it cannot be read, or one of them is none; every problem is named.
    """
    try:
        return ScheduleFile.model_validate(yaml.load(path.read_text("utf-8"), StrictLoader))
    except ValidationError as error:
        raise bad_schedule(str(path), error) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadSchedule(
            given=f"{path} cannot be read: {error}",
            allowed="a YAML file as docs/schedule.md describes it",
            todo="correct it",
        ) from error


def changes(
    scheduler: Scheduler, wanted: Sequence[Wanted], there: Sequence[Scheduled], owner: str
) -> tuple[Change, ...]:
    """Say what has to change for each schedule: those wanted first, then those that are gone.

    Raises:
        BadSchedule: the service has no such thing.
        Conflict: a name is somebody else's.
    """
    names = {one.schedule.name for one in wanted}
    gone = [one for one in there if one.owner == owner and one.schedule.name not in names]
    return (
        *(_change(scheduler, one, there) for one in wanted),
        *(Change("delete", one.schedule.name, (Delete(one),)) for one in gone),
    )


def creation(scheduler: Scheduler, wanted: Wanted) -> Change:
    """Say what has to be done to create one schedule: nothing if just this one is there.

    Raises:
        Conflict: one of the name is there, and differs.
    """
    name = wanted.schedule.name
    same = [one for one in scheduler.scheduled() if one.schedule.name == name]
    (change,) = changes(scheduler, [wanted], same, wanted.owner)
    if change.verb == "update":
        fields = ", ".join(field for field, _, _ in change.differences) or "there are several"
        raise Conflict(
            given=f"a schedule {name} is there, and differs: {fields}",
            allowed="a name that is free; a file of schedules is applied, not created",
            todo=f"lockstep schedule delete {name}, and try again",
        )
    return change


def find(there: Iterable[Scheduled], name: str) -> Scheduled:
    """Find a schedule by its name or id.

    Raises:
        UnknownSchedule: none is, or several are.
    """
    known = list(there)
    found = [one for one in known if name in (one.schedule.name, one.id, _number(one))]
    if len(found) == 1:
        return found[0]
    raise UnknownSchedule(
        given=f"{len(found) or 'no'} schedules are called {name!r}",
        allowed=one_of((one.schedule.name for one in known), name)
        if not found
        else "an id: " + ", ".join(_number(one) for one in found),
        todo="lockstep schedule list shows them",
    )


def _number(one: Scheduled) -> str:
    return one.id.rpartition("/")[2]


def differences(now: Schedule, then: Schedule) -> tuple[tuple[str, Any, Any], ...]:
    """Compare what a service tells with what is wanted, less what is left to the service."""
    pairs = ((name, getattr(now, name), getattr(then, name)) for name in Schedule.model_fields)
    return tuple(
        (name, old, new) for name, old, new in pairs if old != new and (new or name not in _FILLED)
    )


def _change(scheduler: Scheduler, wanted: Wanted, there: Sequence[Scheduled]) -> Change:
    name, told = wanted.schedule.name, scheduler.as_told(wanted)
    same = [one for one in there if one.schedule.name == name]
    for other in same:
        if other.owner != wanted.owner:
            whose = f"of the owner {other.owner}" if other.owner else "not of lockstep's making"
            raise Conflict(
                given=f"a schedule {name} is there, and {whose}",
                allowed=f"a name that is free, or of the owner {wanted.owner}",
                todo=f"choose another name, or delete it: lockstep schedule delete {other.id}",
            )
    if not same:
        return Change("create", name, (Create(wanted, wanted.schedule.enabled),))
    nearest = min(same, key=lambda one: len(differences(one.schedule, told)))
    found = differences(nearest.schedule, told)
    spare = tuple(Delete(one) for one in same if one is not nearest)
    changed = {field: new for field, _, new in found}
    steps = (*spare, *(_update(scheduler, nearest, wanted, changed) if changed else ()))
    return Change("update" if steps else "keep", name, steps, found)


def _update(
    scheduler: Scheduler, old: Scheduled, wanted: Wanted, changed: dict[str, Any]
) -> tuple[Step, ...]:
    """Change a schedule in place if it can be, else replace it.

    A new one is paused until the old one is gone, so that no two of them ever start runs. Whatever
    interrupts this leaves one that the next `apply` finds and finishes.
    """
    fields = tuple(field for field in changed if field != "enabled")
    on, catch_up = wanted.schedule.enabled, wanted.schedule.catch_up
    held = (field in scheduler.patchable and changed[field] is not None for field in fields)
    if not old.completed and all(held):
        patch = (Patch(old, wanted, fields),) if fields else ()
        return *patch, *((Switch(old, on, catch_up),) if "enabled" in changed else ())
    switch = (Switch(None, on, catch_up),) if on else ()
    return Create(wanted, enabled=False), Delete(old), *switch
