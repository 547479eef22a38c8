"""Schedules, and files of them, say what is wrong with them before anything is asked or sent."""

from pathlib import Path
from typing import Any

import pytest

from lockstep.pipelines.errors import BadParameter, BadSchedule
from lockstep.pipelines.ir import load
from lockstep.pipelines.remote.schedule import schedule_of, wanted_of
from lockstep.pipelines.remote.schedule_file import read_file

from .conftest import GOLDEN

GOOD: dict[str, Any] = {"name": "nightly", "pipeline": "taxi.yaml", "cron": "0 3 * * *"}


def test_parameters_are_checked_before_anything_is_sent() -> None:
    """One that the pipeline does not have, or of a wrong type, is named."""
    taxi = load(GOLDEN / "taxi.yaml")
    for wrong in ({"train_stepz": 1}, {"train_steps": "many"}, {"model_store": 7}):
        schedule = schedule_of(**GOOD, parameters={"model_store": "x"} | wrong)
        with pytest.raises(BadParameter, match=next(iter(wrong))):
            wanted_of(schedule, taxi, "taxi-team")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "Nightly"}, "name: String should match"),
        ({"cron": "0 3 * *"}, "cron: has 4 fields"),
        ({"cron": None}, "needs either cron or interval"),
        ({"interval": "1h"}, "needs either cron or interval"),
        ({"cron": None, "interval": "often"}, "interval: Input should be a valid integer"),
        ({"cron": None, "interval": "0s"}, "interval: Input should be greater than"),
        ({"time_zone": "Europe/Zürich"}, "no time zone of the IANA"),
        ({"cron": None, "interval": "1h", "time_zone": "Asia/Tokyo"}, "knows no time zone"),
        ({"start": "2027-01-01T00:00:00"}, "start: Input should have timezone"),
        ({"start": "2027-01-02T00:00Z", "end": "2027-01-01T00:00Z"}, "ends before it starts"),
        ({"max_concurrency": 11}, "max_concurrency: Input should be less"),
        ({"retries": 3}, "retries: Extra inputs are not permitted"),
    ],
)
def test_a_schedule_checks_itself(fields: dict[str, Any], problem: str) -> None:
    """Each mistake is named with its field."""
    with pytest.raises(BadSchedule, match=problem):
        schedule_of(**(GOOD | fields))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Input should be a valid dictionary"),
        ("schedules: []", "owner: Field required"),
        ("owner: command-line\nschedules: []", "command-line is taken"),
        ("owner: a\nschedules: [{name: a, pipeline: p, interval: 1h}]\nowner: b", "stands twice"),
        ("owner: a\nschedules:\n" + "- {name: a, pipeline: p, interval: 1h}\n" * 2, "twice: a"),
        ("owner: a\nschedules:\n- {name: a, pipeline: p}", "schedules.0: needs either"),
        ("owner: [", "cannot be read"),
    ],
)
def test_a_file_checks_itself(tmp_path: Path, text: str, problem: str) -> None:
    """What is wrong, and in which schedule, is said before anything is asked or sent."""
    (tmp_path / "schedules.yaml").write_text(text)
    with pytest.raises(BadSchedule, match=problem):
        read_file(tmp_path / "schedules.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """No traceback."""
    with pytest.raises(BadSchedule, match=r"none\.yaml cannot be read"):
        read_file(tmp_path / "none.yaml")
