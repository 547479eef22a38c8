"""Schedules on Kubeflow and on Vertex AI: created, changed and pruned as a file says."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from lockstep.pipelines.errors import (
    BadSchedule,
    BrokenService,
    Conflict,
    UnknownSchedule,
)
from lockstep.pipelines.ir import CompiledPipeline, load
from lockstep.pipelines.remote.google_rest import Rest
from lockstep.pipelines.remote.kubeflow import Kubeflow
from lockstep.pipelines.remote.schedule import (
    Schedule,
    Scheduler,
    Wanted,
    schedule_of,
    wanted_of,
)
from lockstep.pipelines.remote.schedule_file import changes, creation, differences, find
from lockstep.pipelines.remote.schedule_kubeflow import KubeflowSchedules
from lockstep.pipelines.remote.schedule_vertex import VertexSchedules
from lockstep.pipelines.remote.vertex import Vertex

from .kfp_server import KfpServer
from .test_vertex import Token
from .vertex_server import VertexServer, serving

GOLDEN = Path(__file__).parents[2] / "golden"
TAXI = load(GOLDEN / "taxi.yaml")
SMALL = load(GOLDEN / "policies.yaml")
PARAMETERS = {"model_store": "gs://acme/models", "train_steps": 10}


@dataclass(repr=False)
class Place:
    """A service that keeps schedules, and a look behind its door."""

    scheduler: Scheduler
    server: KfpServer | VertexServer

    @property
    def kubeflow(self) -> bool:
        """Whether it is Kubeflow."""
        return isinstance(self.server, KfpServer)

    def apply(self, *wanted: Wanted, owner: str = "taxi-team") -> list[str]:
        """Do what `lockstep schedule apply` does, and tell it in short."""
        planned = changes(self.scheduler, wanted, list(self.scheduler.scheduled()), owner)
        for change in planned:
            self.scheduler.do(change.steps)
        return [f"{change.verb} {change.name}" for change in planned]

    def told(self) -> dict[str, Schedule]:
        """Give the schedules by name; a name that stands twice fails."""
        there = [one.schedule for one in self.scheduler.scheduled()]
        by_name = {one.name: one for one in there}
        assert len(by_name) == len(there)
        return by_name

    def changed(self) -> list[str]:
        """Give the requests that changed a schedule, since this was last asked."""
        if isinstance(self.server, VertexServer):
            found = self.server.changes()
            self.server.requests.clear()
        else:
            found = [f"{one.method} {one.path}" for one in self.server.changes()]
            self.server.received.clear()
        return [f"{one.split()[0]} {kind(one)}" for one in found if kind(one)]


def kind(request: str) -> str:
    """Say what a request does to a schedule, if anything."""
    _, _, path = request.partition(" ")
    for word in (":pause", ":disable", ":resume", ":enable"):
        if path.endswith(word):
            return word
    return "schedule" if "schedules" in path or "recurringruns" in path else ""


@contextmanager
def opened(name: str) -> Generator[Place]:
    """Start an empty service."""
    if name == "kubeflow":
        with KfpServer() as server:
            kubeflow = Kubeflow(server.url, sleep=lambda seconds: None)
            yield Place(KubeflowSchedules(kubeflow), server)
    else:
        with serving() as vertex:
            rest = Rest(vertex.address, Token(), sleep=lambda seconds: None)
            service = Vertex("acme", "europe-west4", "acme-runs", rest=rest)
            yield Place(VertexSchedules(service), vertex)


@pytest.fixture(params=["kubeflow", "vertex"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Start an empty service."""
    with opened(request.param) as place:
        yield place


def wanted(name: str = "nightly", pipeline: CompiledPipeline = TAXI, **fields: Any) -> Wanted:
    """Give a schedule of the taxi pipeline, with some changes."""
    plain: dict[str, Any] = {"name": name, "pipeline": "taxi.yaml", "parameters": PARAMETERS}
    if "interval" not in fields:
        plain["cron"] = "0 3 * * *"
    owner = fields.pop("owner", "taxi-team")
    return wanted_of(schedule_of(**(plain | fields)), pipeline, owner)


def test_a_schedule_is_created_as_it_is_written(place: Place) -> None:
    """Every field arrives, and the service tells the schedule as it was written."""
    start, end = (datetime(year, 1, 31, 6, tzinfo=timezone.utc) for year in (2027, 2028))
    one = wanted(
        start=start, end=end, catch_up=True, max_concurrency=3, experiment="nightly",
        service_account="runner@acme.iam.gserviceaccount.com", pipeline_root="gs://acme/runs",
    )  # fmt: skip
    assert place.apply(one) == ["create nightly"]
    told = place.told()["nightly"]
    assert told.model_copy(update={"pipeline": "taxi.yaml"}) == one.schedule
    assert told.pipeline.startswith(f"taxi@sha256:{TAXI.digest[:63]}")
    if isinstance(place.server, KfpServer):
        (body,) = place.server.state.recurring_runs.values()
        assert body["trigger"]["cron_schedule"] == {
            "cron": "0 0 3 * * *",
            "start_time": "2027-01-31T06:00:00Z",
            "end_time": "2028-01-31T06:00:00Z",
        }
        assert (body["no_catchup"], body["max_concurrency"]) == (False, "3")
    else:
        (schedule,) = place.server.schedules.values()
        assert (schedule["cron"], schedule["allowQueueing"]) == ("0 3 * * *", True)
        assert schedule["maxConcurrentRunCount"] == schedule["maxConcurrentActiveRunCount"] == "3"
        job = schedule["createPipelineJobRequest"]["pipelineJob"]
        assert job["labels"]["why"] == "schedule-nightly"


def test_applying_twice_does_nothing_the_second_time(place: Place) -> None:
    """What is there as it is wanted is kept, and not a single change is asked for."""
    both = (wanted(), wanted("weekly", cron="0 4 * * SUN", enabled=False))
    assert place.apply(*both) == ["create nightly", "create weekly"]
    place.changed()
    assert place.apply(*both) == ["keep nightly", "keep weekly"]
    assert place.changed() == []
    assert [one.enabled for one in place.told().values()].count(False) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"cron": "0 4 * * *"},
        {"max_concurrency": 2},
        {"catch_up": True},
        {"start": datetime(2027, 1, 1, tzinfo=timezone.utc)},
        {"parameters": {"model_store": "gs://acme/models", "train_steps": 11}},
        {"experiment": "other"},
        {"enabled": False},
        {"enabled": False, "cron": "0 4 * * *"},
        {"enabled": False, "experiment": "other"},
        {"pipeline": load(GOLDEN / "ingest_and_push.yaml"), "parameters": {"data": "gs://a"}},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_what_differs_is_updated(place: Place, fields: dict[str, Any]) -> None:
    """One schedule of the name is left, as it is wanted, and the next apply has nothing to do."""
    place.apply(wanted())
    assert place.apply(wanted(**fields)) == ["update nightly"]
    assert len(place.told()) == 1
    assert place.apply(wanted(**fields)) == ["keep nightly"]
    assert place.apply(wanted()) == ["update nightly"]
    assert place.apply(wanted()) == ["keep nightly"]


def test_what_is_set_no_more_is_unset(place: Place) -> None:
    """An end that is taken back is gone, though Vertex AI cannot unset a field."""
    place.apply(wanted(end=datetime(2030, 1, 1, tzinfo=timezone.utc)))
    assert place.apply(wanted()) == ["update nightly"]
    assert place.told()["nightly"].end is None


def test_what_is_completed_starts_anew(place: Place) -> None:
    """A schedule that has ended on Vertex AI cannot be changed: a later end makes another one."""
    first, later = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2027, 2028))
    place.apply(wanted(end=first))
    if isinstance(place.server, VertexServer):
        next(iter(place.server.schedules.values()))["state"] = "COMPLETED"
        assert next(place.scheduler.scheduled()).completed
        assert place.apply(wanted(end=first)) == ["keep nightly"]
    assert place.apply(wanted(end=later)) == ["update nightly"]
    assert place.told()["nightly"].end == later
    assert not next(place.scheduler.scheduled()).completed


def test_a_new_one_waits_until_the_old_one_is_gone(place: Place) -> None:
    """A schedule is replaced in an order in which no two of them ever start runs."""
    place.apply(wanted())
    place.changed()
    place.apply(wanted(experiment="other"))
    created = ["POST schedule"] if place.kubeflow else ["POST schedule", "POST :pause"]
    on = ":enable" if place.kubeflow else ":resume"
    assert place.changed() == [*created, "DELETE schedule", f"POST {on}"]


@pytest.mark.parametrize("step", ["DELETE", "resume"])
def test_what_was_interrupted_is_finished(place: Place, step: str) -> None:
    """After a failure on the way, the next apply leaves one schedule, as it is wanted."""
    place.apply(wanted())
    fail(place, step)
    with pytest.raises(BrokenService):
        place.apply(wanted(experiment="other"))
    recover(place)
    assert place.apply(wanted(experiment="other")) == ["update nightly"]
    assert place.apply(wanted(experiment="other")) == ["keep nightly"]
    assert place.told()["nightly"].enabled


def fail(place: Place, step: str) -> None:
    """Let every request of a step be answered 503."""
    method, path = ("DELETE", "") if step == "DELETE" else ("POST", ":(resume|enable)")
    if isinstance(place.server, KfpServer):
        place.server.fail(method, f"recurringruns.*{path}", status=503, times=99)
    else:
        place.server.broken = f"{method} .*schedules.*{path}"


def recover(place: Place) -> None:
    """Let everything work again."""
    if isinstance(place.server, KfpServer):
        place.server.faults.clear()
    else:
        place.server.broken = ""


def test_only_the_owners_schedules_are_pruned(place: Place) -> None:
    """What is gone from the file is deleted; another owner's, and nobody's, stays."""
    place.apply(wanted("gone"), wanted("kept"))
    place.apply(wanted("theirs", owner="other-team"), owner="other-team")
    somebody(place)
    assert place.apply(wanted("kept")) == ["keep kept", "delete gone"]
    assert sorted(place.told()) == ["By hand", "kept", "theirs"]
    assert find(place.scheduler.scheduled(), "By hand").owner == ""


def somebody(place: Place) -> None:
    """Let somebody make a schedule with another tool."""
    if isinstance(place.server, KfpServer):
        (body, *_) = place.server.state.recurring_runs.values()
        trigger = {"cron_schedule": {"cron": "@every 1h"}}
        change = {"display_name": "By hand", "description": "mine", "trigger": trigger}
        fields = {key: value for key, value in body.items() if not key.endswith(("_at", "run_id"))}
        fields.pop("status")
        place.server.state.create_recurring_run({**fields, **change})
    else:
        body = json.loads(json.dumps(next(iter(place.server.schedules.values()))))
        body["createPipelineJobRequest"]["pipelineJob"]["labels"] = {}
        body |= {"displayName": "By hand", "name": f"{body['name']}9"}
        place.server.schedules["9"] = body


def test_a_name_of_somebody_else_is_a_conflict(place: Place) -> None:
    """A schedule that another owner has is neither changed nor doubled."""
    place.apply(wanted(owner="other-team"), owner="other-team")
    place.changed()
    with pytest.raises(Conflict, match="of the owner other-team"):
        place.apply(wanted())
    assert place.changed() == []


def test_creating_again_does_nothing_and_differing_is_a_conflict(place: Place) -> None:
    """`create` never changes what is there."""
    for verb in ("create", "keep"):
        change = creation(place.scheduler, wanted())
        assert change.verb == verb
        place.scheduler.do(change.steps)
    with pytest.raises(Conflict, match="cron, experiment"):
        creation(place.scheduler, wanted(cron="5 5 * * *", experiment="other"))


def test_a_schedule_is_found_by_name_or_id(place: Place) -> None:
    """One that is not there, or a name that stands twice, ends in what there is."""
    place.apply(wanted())
    one = find(place.scheduler.scheduled(), "nightly")
    assert find(place.scheduler.scheduled(), one.id) == one
    with pytest.raises(UnknownSchedule, match="did you mean nightly"):
        find([one], "nigthly")
    with pytest.raises(UnknownSchedule, match="an id: "):
        find([one, one], "nightly")


def test_the_plan_is_what_the_server_receives(place: Place) -> None:
    """A dry run's request is the very one that is sent, once the server's ids stand in it."""
    (change,) = changes(place.scheduler, [wanted()], [], "taxi-team")
    planned = place.scheduler.plan(change.steps[0])[-1]
    place.scheduler.do(change.steps)
    if isinstance(place.server, VertexServer):
        assert place.server.requests == [(planned.method, planned.path, planned.body)]
        return
    sent = place.server.changes()[-1]
    assert isinstance(planned.body, dict)
    assert (sent.method, sent.path) == (planned.method, planned.path)
    ids = {"pipeline_version_reference", "experiment_id"}
    assert {**planned.body, **{key: sent.body[key] for key in ids}} == sent.body


def test_an_interval_is_kubeflows(place: Place) -> None:
    """Kubeflow starts runs every so often; for Vertex AI the cron to write is said."""
    one = wanted(interval="6h")
    if place.kubeflow:
        assert [place.apply(one), place.apply(one)] == [["create nightly"], ["keep nightly"]]
        assert place.told()["nightly"].interval == 6 * 3600
    else:
        with pytest.raises(BadSchedule, match=r"write cron: '0 \*/6 \* \* \*'"):
            place.apply(one)


def test_a_time_zone_is_vertex_ais(place: Place) -> None:
    """Vertex AI has a time zone for each schedule; Kubeflow refuses rather than run at another."""
    one = wanted(time_zone="Europe/Zurich")
    if place.kubeflow:
        with pytest.raises(BadSchedule, match="CRON_SCHEDULE_TIMEZONE"):
            place.apply(one)
    else:
        place.apply(one)
        assert place.told()["nightly"].time_zone == "Europe/Zurich"
        assert place.apply(one) == ["keep nightly"]


def test_seconds_are_kubeflows(place: Place) -> None:
    """Vertex AI starts runs on the minute, and nothing is rounded to it."""
    one = wanted(cron="30 0 3 * * *")
    if place.kubeflow:
        assert place.apply(one) == ["create nightly"]
        assert place.told()["nightly"].cron == "30 0 3 * * *"
    else:
        with pytest.raises(BadSchedule, match="on the minute"):
            place.apply(one)


SCHEDULES = st.fixed_dictionaries(
    {
        "cron": st.sampled_from(["0 3 * * *", "*/5 1-3 1,15 jan mon"]),
        "parameters": st.fixed_dictionaries({}, optional={"text": st.text(max_size=9)}),
    },
    optional={
        "catch_up": st.booleans(),
        "max_concurrency": st.integers(1, 10),
        "start": st.datetimes(
            datetime(2027, 1, 1), datetime(2028, 1, 1), timezones=st.just(timezone.utc)
        ),
        "end": st.datetimes(
            datetime(2029, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc)
        ),
        "experiment": st.sampled_from(["", "nightly", "Other One"]),
        "pipeline_root": st.sampled_from(["", "gs://acme/other"]),
        "enabled": st.booleans(),
    },
)


FILES = st.lists(st.dictionaries(st.sampled_from("abc"), SCHEDULES), min_size=1, max_size=3)


def test_any_file_after_any_other_leaves_just_what_it_says(place: Place) -> None:
    """Whatever was applied before, the place holds the last file's schedules, and nothing to do."""

    @settings(max_examples=20, deadline=None)
    @given(FILES)
    def hold(files: list[dict[str, dict[str, Any]]]) -> None:
        place.apply()
        for file in files:
            these = [wanted(name, SMALL, **fields) for name, fields in file.items()]
            place.apply(*these)
            told = place.told()
            expected = {one.schedule.name: place.scheduler.as_told(one) for one in these}
            assert told.keys() == expected.keys()
            assert not any(differences(told[name], one) for name, one in expected.items())
            assert all(change.startswith("keep") for change in place.apply(*these))

    hold()
