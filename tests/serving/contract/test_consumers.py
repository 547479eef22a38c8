"""What applications have recorded: held against a contract, and replayed against a server."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from lockstep.pipelines.cli import contract as cli
from lockstep.serving.contract.consumers.check import against_recordings
from lockstep.serving.contract.consumers.recording import Recording, digest, recordings
from lockstep.serving.contract.consumers.replay import replay
from lockstep.serving.contract.file import load, loads
from lockstep.serving.contract.findings.finding import Finding
from lockstep.serving.contract.model import Contract
from lockstep.serving.contract.rules import RULES
from lockstep.serving.contract.stub.fake import FakeServer
from lockstep.serving.errors import BadAnswer, BadContract, Exit, LockstepError, RequestRefused

TAXI: Final = Path(__file__).parents[3] / "pipelines/taxi/contract.yaml"
CONTRACT: Final = """\
format: lockstep.contract/v1
model: tips
version: 1.0.0
inputs:
  miles: {dtype: float32, domain: {min: 0}}
  pay: {dtype: string, default: cash, domain: {values: [cash, card]}}
outputs:
  tip: {dtype: float32, shape: [2], domain: {min: 0, max: 1}}
  rank: {dtype: int64}
consumers:
  - {application: app, inputs: [miles], outputs: [tip]}
"""
GOOD: Final = "instances: [{miles: 1.5}]\nexpect: {tip: {min: 0, max: 1, shape: [2]}}"
ANSWER: Final[dict[str, Any]] = {"tip": [0.25, 0.5], "rank": 3}


def contract(old: str = "", new: str = "") -> Contract:
    """The contract, with a piece of its text replaced."""
    assert old in CONTRACT
    return loads(CONTRACT.replace(old, new, 1).encode(), "contract.yaml").value


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The contract's file."""
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    return tmp_path / "contract.yaml"


def write(place: Path, text: str, application: str = "app", name: str = "one.yaml") -> None:
    """Write a recording beside the contract."""
    folder = place.parent / "consumers" / application
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"format: lockstep.recording/v1\n{text}\n")


STATIC: Final[dict[str, tuple[str, set[str]]]] = {
    "kept": (GOOD, set()),
    "left to its default": ("instances: [{miles: 1, pay: null}]", set()),
    "input missing": (
        "instances: [{pay: card}]",
        {"recorded-input-missing", "recorded-use-not-named"},
    ),
    "default missing on the wire": (
        "wire: true\ninstances: [{miles: 1}]",
        {"recorded-input-missing"},
    ),
    "input more": ("instances: [{miles: 1, x: 2}]", {"recorded-input-dropped"}),
    "input more on the wire": (
        "wire: true\ninstances: [{miles: 1, pay: card, x: 2}]",
        {"recorded-input-unknown", "recorded-use-not-named"},
    ),
    "outside the domain": ("instances: [{miles: -1}]", {"recorded-input-value"}),
    "another type": ("instances: [{miles: '1'}]", {"recorded-input-value"}),
    "another shape": ("instances: [{miles: [1]}]", {"recorded-input-value"}),
    "to be refused": ("instances: [{miles: -1}]\nrefused: {}", set()),
    "output unknown": (
        "instances: [{miles: 1}]\nexpect: {tap: {min: 0}}",
        {"recorded-output-unknown", "recorded-use-not-named"},
    ),
    "output not named": (
        "instances: [{miles: 1}]\nexpect: {rank: {values: [3]}}",
        {"recorded-use-not-named"},
    ),
    "output's shape": (
        "instances: [{miles: 1}]\nexpect: {tip: {shape: []}}",
        {"recorded-output-shape"},
    ),
    "narrower": ("instances: [{miles: 1}]\nexpect: {tip: {max: 0.9}}", {"recorded-range-narrower"}),
}


@pytest.mark.parametrize("name", STATIC)
def test_recordings_are_held_against_the_contract(place: Path, name: str) -> None:
    """Each way in which a contract fails what was recorded has its rule."""
    text, rules = STATIC[name]
    write(place, text)
    found = against_recordings(contract(), recordings(place))
    assert {finding.rule for finding in found} == rules


def test_a_finding_names_application_file_and_line(place: Path) -> None:
    """Who is hit, and where it stands in which file."""
    write(place, "meaning: What it stands for.\ninstances:\n  - {miles: 1}\n  - {miles: -1}")
    (found,) = against_recordings(contract(), recordings(place))
    assert (found.where, found.consumers) == ("app/one:instances.1.miles", ("app",))
    assert found.what == "-1 is below min 0"
    assert (Path(found.file).name, found.line) == ("one.yaml", 5)


def test_consumers_and_recordings_know_each_other(place: Path) -> None:
    """A consumer without recordings, and recordings of nobody in the contract, are told."""
    found = against_recordings(contract(), recordings(place))
    assert [(f.rule, f.where) for f in found] == [("consumer-without-recording", "consumers.0")]
    write(place, GOOD)
    write(place, GOOD, application="stranger")
    (place.parent / "consumers/README.md").write_text("what lies here")
    found = against_recordings(contract(), recordings(place))
    assert [(f.rule, f.consumers) for f in found] == [("consumer-not-named", ("stranger",))]


def test_the_taxi_contract_keeps_its_consumers() -> None:
    """What the driver app has recorded fits the contract that it lies beside."""
    found = against_recordings(load(TAXI).value, recordings(TAXI))
    assert {f.rule for f in found} == {"recorded-input-dropped"}


def test_the_digest_is_of_what_is_said(place: Path) -> None:
    """Layout, comments and the file's format do not change it; contents and names do."""
    write(place, GOOD)
    first = digest(recordings(place)["app"])
    write(place, "# a comment\ninstances:\n- miles: 1.5\n" + GOOD.partition("\n")[2])
    assert digest(recordings(place)["app"]) == first
    write(place, GOOD.replace("1.5", "1.25"))
    assert digest(recordings(place)["app"]) != first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("instances: []", "instances"),
        ("instances: [{miles: {a: 1}}]", "instances.0.miles"),
        ("instances: [{miles: 1}]\nexpct: {}", "did you mean expect?"),
        (f"{GOOD}\nrefused: {{}}", "both expect and refused"),
        ("instances: [{miles: 1}]\nexpect: {tip: {values: [1, 2]}}", "2 values for 1 instances"),
        ("instances: [", "one.yaml:"),
        ("instances: [{miles: !!python/object:os.system 1}]", "one.yaml:"),
    ],
)
def test_a_malformed_recording_is_told_with_its_place(place: Path, text: str, said: str) -> None:
    """What breaks the format is an error that names file, line and field."""
    write(place, text)
    with pytest.raises(BadContract) as raised:
        recordings(place)
    assert said in str(raised.value)
    assert "one.yaml" in str(raised.value)


def test_a_huge_recording_is_refused(place: Path) -> None:
    """Ten megabytes are not parsed."""
    write(place, GOOD + "\n# " + "x" * 10_000_000)
    with pytest.raises(BadContract, match="has 10,000,"):
        recordings(place)


def refusal(code: str, said: str) -> LockstepError:
    """What the client raises when a server refuses."""
    return RequestRefused(given=said, allowed="-", todo="-", code=code)


Answer = Mapping[str, Any] | LockstepError
REPLAYED: Final[dict[str, tuple[str, Answer, set[str]]]] = {
    "as recorded": (GOOD, ANSWER, set()),
    "nothing expected": ("instances: [{miles: 1}]", ANSWER, set()),
    "the value": ("expect: {tip: {values: [[0.25, 0.5]]}}", ANSWER, set()),
    "near the value": ("expect: {tip: {values: [[0.2, 0.6]], tolerance: 0.1}}", ANSWER, set()),
    "not near enough": (
        "expect: {tip: {values: [[0.2, 0.7]], tolerance: 0.1}}",
        ANSWER,
        {"replay-value"},
    ),
    "another number of values": ("expect: {tip: {values: [[0.25]]}}", ANSWER, {"replay-value"}),
    "a whole number": ("expect: {rank: {values: [3]}}", ANSWER, set()),
    "another whole number": ("expect: {rank: {values: [4]}}", ANSWER, {"replay-value"}),
    "text for a number": ("expect: {rank: {values: ['3']}}", ANSWER, {"replay-value"}),
    "outside its range": ("expect: {tip: {max: 0.4}}", ANSWER, {"replay-range"}),
    "not a number": (
        "expect: {tip: {min: 0}}",
        {**ANSWER, "tip": [float("nan"), 0.5]},
        {"replay-range"},
    ),
    "another shape": (
        "expect: {tip: {shape: [3]}}",
        ANSWER,
        {"replay-shape"},
    ),
    "an output less": (
        "expect: {tip: {min: 0}}",
        {"rank": 3},
        {"replay-output-missing", "replay-outside-contract"},
    ),
    "outside the contract": ("", {**ANSWER, "tip": [0.5, 1.5]}, {"replay-outside-contract"}),
    "no answer of the contract": (
        "",
        BadAnswer(given="output 'tip' is missing", allowed="-", todo="-"),
        {"replay-outside-contract"},
    ),
    "refused": (GOOD, refusal("INVALID_ARGUMENT", "no"), {"replay-refused"}),
    "refused as recorded": (
        "refused: {code: INVALID_ARGUMENT, contains: miles}",
        refusal("INVALID_ARGUMENT", "no miles"),
        set(),
    ),
    "refused in any way": ("refused: {}", refusal("OUT_OF_RANGE", "no"), set()),
    "refused otherwise": (
        "refused: {code: INVALID_ARGUMENT}",
        refusal("OUT_OF_RANGE", "no"),
        {"replay-not-refused"},
    ),
    "refused with other words": (
        "refused: {contains: miles}",
        refusal("INVALID_ARGUMENT", "no fare"),
        {"replay-not-refused"},
    ),
    "not refused": ("refused: {}", ANSWER, {"replay-not-refused"}),
}


@pytest.mark.parametrize("name", REPLAYED)
def test_answers_are_held_against_recordings(place: Path, name: str) -> None:
    """Each way in which an answer fails what was recorded, or the contract, has its rule."""
    text, answer, rules = REPLAYED[name]
    write(place, text if "instances" in text else f"instances: [{{miles: 1}}]\n{text}")

    def ask(recording: Recording) -> Sequence[Mapping[str, Any]]:
        if isinstance(answer, LockstepError):
            raise answer
        return [answer] * len(recording.instances)

    found = replay(contract(), recordings(place), ask)
    assert {finding.rule for finding in found} == rules


def test_every_rule_of_consumers_is_shown() -> None:
    """The cases above meet each rule about consumers."""
    shown = {rule for _, rules in STATIC.values() for rule in rules}
    shown |= {rule for *_, rules in REPLAYED.values() for rule in rules}
    shown |= {"consumer-without-recording", "consumer-not-named"}
    assert shown == {rule.id for rule in RULES.values() if rule.group == "consumers"}


def call(*words: str | Path) -> Any:
    """Type a command."""
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def test_a_request_is_recorded_and_replayed(tmp_path: Path) -> None:
    """`record` writes what is answered now; `replay` says whether it still is."""
    place = tmp_path / "contract.yaml"
    shutil.copy(TAXI, place)
    (tmp_path / "trip.csv").write_text(
        "trip_miles,fare,payment_type,trip_start_month,trip_start_day,trip_start_hour,"
        "trip_start_timestamp,pickup_community_area,pickup_latitude,pickup_longitude,weather\n"
        "1.2,7.5,Cash,7,4,12,1400000000,8,41.9,-87.6,rain\n"
    )
    with FakeServer(load(TAXI).value) as server:
        door = ("--rest", server.address)
        asked = (place, "driver-app", "first", "--input", tmp_path / "trip.csv")
        said = call("record", *asked, *door)
        assert said.exit_code == Exit.OK, said.output
        again = call("record", *asked, *door)
        assert again.exit_code == Exit.USAGE
        assert "File exists" in again.output
        assert call("replay", place, *door, "--fail-on", "risky").exit_code == Exit.OK
        file = tmp_path / "consumers/driver-app/first.yaml"
        file.write_text(file.read_text().replace("- [0.5]", "- [0.7]"))
        failed = call("replay", place, *door)
        assert failed.exit_code == Exit.CONTRACT
        assert "replay-value at driver-app/first:expect.probability.values" in failed.output
        assert "[0.5] in place of [0.7]" in failed.output


def test_without_a_server_there_is_no_verdict(place: Path) -> None:
    """No address, nobody there, another model: an error of its own, not a finding."""
    write(place, GOOD)
    for words, said in (
        ((), "no address of a model server"),
        (("--rest", "localhost:1", "--grpc", "localhost:1"), "two addresses"),
        (("--rest", "http://127.0.0.1:1"), "Connection refused"),
    ):
        with pytest.raises(LockstepError, match=said):
            CliRunner().invoke(cli.app, ["replay", str(place), *words], catch_exceptions=False)
    with FakeServer(load(TAXI).value) as server:
        asked = ["replay", str(place), "--rest", server.address]
        with pytest.raises(LockstepError) as raised:
            CliRunner().invoke(cli.app, asked, catch_exceptions=False)
    assert raised.value.exit_code == Exit.SERVICE_REFUSED


def test_check_looks_at_consumers(place: Path) -> None:
    """`contract check --consumers` needs no server."""
    write(place, "instances: [{pay: card}]")
    said = call("check", place, "--consumers")
    assert said.exit_code == Exit.CONTRACT
    assert "breaking recorded-input-missing at app/one:instances.0: miles" in said.output


def test_findings_keep_the_place_that_they_have(place: Path) -> None:
    """A finding of a recording is told with the recording's file, not with the contract's."""
    write(place, "instances: [{miles: -1}]")
    (found,) = against_recordings(contract(), recordings(place))
    assert isinstance(found, Finding)
    assert "one.yaml:2: breaking recorded-input-value" in call("check", place, "--consumers").output
