"""`can-i-deploy`: a version against what lives in an environment, and against who calls it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from lockstep.pipelines.cli import can_i_deploy as cli
from lockstep.serving.contract.consumers.recording import recordings
from lockstep.serving.contract.consumers.replayed import add_replays, last_replay
from lockstep.serving.contract.deploy.matrix import Matrix, Question, matrix
from lockstep.serving.contract.deploy.registry import environment
from lockstep.serving.contract.file import dump_json, loads
from lockstep.serving.contract.findings.finding import Finding
from lockstep.serving.contract.rules import RULES
from lockstep.serving.errors import BadContract, BadPaper, Exit, LockstepError, UnknownEnvironment
from lockstep.serving.store import ModelStore

TODAY: Final = date(2027, 1, 1)
NOON: Final = datetime(2027, 1, 1, 12, tzinfo=timezone.utc)

CONTRACT: Final = """\
format: lockstep.contract/v1
model: tips
version: 1.0.0
inputs:
  miles: {dtype: float32}
  hour: {dtype: int64, default: 12}
outputs: {tip: {dtype: float32}}
consumers:
  - {application: app, inputs: [miles]}
"""
ENVIRONMENTS: Final = """\
format: lockstep.environments/v1
environments:
  prod:
    store: prod
    models:
      tips:
        live: [champion, v2]
        consumers:
          - {application: app, contract: 1.0.0, calls: champion}
  staging: {}
"""
RECORDING: Final = "format: lockstep.recording/v1\ninstances: [{miles: 1}]\n"


@dataclass(frozen=True)
class Place:
    """A directory with two stores and a file of environments."""

    root: Path

    def push(self, old: str = "", new: str = "", *, store: str = "dev", paper: bool = True) -> int:
        """Push a model by the contract with a piece replaced; its version."""
        assert old in CONTRACT
        document = loads(CONTRACT.replace(old, new, 1).encode(), "contract")
        source = self.root / f"model-{len(list(self.root.iterdir()))}"
        source.mkdir()
        (source / "saved_model.pb").write_text(source.name)
        papers = {"contract.json": dump_json(document.value)} if paper else {}
        return self.store(store).push(str(source), papers).version.number

    def store(self, name: str = "dev") -> ModelStore:
        """One of the stores."""
        return ModelStore.open(str(self.root / name), "tips")

    def live(self, alias: str, version: int) -> None:
        """Let an alias of production stand at a version."""
        self.store("prod").set_alias(alias, version)

    def environments(self, old: str = "", new: str = "") -> Path:
        """The file, with a piece replaced."""
        assert old in ENVIRONMENTS
        (self.root / "environments.yaml").write_text(ENVIRONMENTS.replace(old, new, 1))
        return self.root / "environments.yaml"

    def ask(self, version: int, alias: str = "champion", old: str = "", new: str = "") -> Matrix:
        """The matrix of a version against production."""
        there = environment(self.environments(old, new), "prod")
        return matrix(Question(self.store(), version, "prod", there, TODAY, alias))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Production has version 1.0.0 of the contract as its champion."""
    place = Place(tmp_path)
    place.live("champion", place.push(store="prod"))
    return place


def rules(answer: Matrix) -> dict[str, set[str]]:
    """The rules that speak against it, of each party by its first word."""
    return {row.party.split()[0]: {finding.rule for finding in row.findings} for row in answer.rows}


def test_the_same_contract_may_go(place: Place) -> None:
    """What lives there and who calls it agree; another alias is left alone."""
    answer = place.ask(place.push())
    assert answer.passes()
    assert rules(answer) == {"@champion:": set(), "@v2:": set(), "app": set()}
    assert [row.contract for row in answer.rows] == ["1.0.0", "-", "1.0.0"]


def test_a_break_is_told_of_both(place: Place) -> None:
    """Of what lives there, and of the consumer that sends the input."""
    answer = place.ask(place.push("  miles: {dtype: float32}", "  miles: {dtype: string}"))
    assert not answer.passes()
    assert rules(answer)["@champion:"] == {"input-dtype-changed", "version-too-small"}
    assert rules(answer)["app"] == {"input-dtype-changed"}


def test_a_break_that_nobody_there_meets_needs_a_major_version(place: Place) -> None:
    """Announced by the version, a change of what no consumer uses may go; unannounced, not."""
    change = ("  hour: {dtype: int64, default: 12}\n", "")
    assert not place.ask(place.push(*change)).passes()
    announced = place.push(
        f"version: 1.0.0\ninputs:\n  miles: {{dtype: float32}}\n{change[0]}",
        "version: 2.0.0\ninputs:\n  miles: {dtype: float32}\n",
    )
    answer = place.ask(announced)
    assert answer.passes()
    (gone,) = [f for f in answer.rows[0].findings if f.rule == "input-removed"]
    assert gone.waived == "version 2.0.0 announces it"


def test_under_another_alias_it_replaces_nothing(place: Place) -> None:
    """A consumer that calls the champion is not concerned by a new major version beside it."""
    broken = place.push("  miles: {dtype: float32}", "  miles: {dtype: string}")
    answer = place.ask(broken, "v2")
    assert answer.passes()
    assert [row.replay for row in answer.rows] == ["-", "-", "not concerned"]
    assert answer.rows[0].party.endswith(", stays")


def test_who_calls_the_newest_is_always_concerned(place: Place) -> None:
    """Without a label a new version reaches the consumer wherever it goes."""
    broken = place.push("  miles: {dtype: float32}", "  miles: {dtype: string}")
    answer = place.ask(broken, "v2", ", calls: champion", "")
    assert rules(answer)["app"] == {"consumer-sees-newest", "input-dtype-changed"}


def test_a_consumer_is_held_to_the_contract_it_was_built_against(place: Place) -> None:
    """It may be older than what lives there; where it is unknown, that is an answer, too."""
    newer = (
        "version: 1.0.0\ninputs:\n  miles: {dtype: float32}",
        "version: 2.0.0\ninputs:\n  miles: {dtype: float64}",
    )
    place.live("champion", place.push(*newer, store="prod"))
    answer = place.ask(place.push(*newer))
    assert rules(answer)["@champion:"] == set()
    assert rules(answer)["app"] == {"input-dtype-widened-grpc"}
    moved = place.ask(answer.question.number, "champion", "contract: 1.0.0", "contract: 2.0.0")
    assert moved.passes()
    lost = place.ask(answer.question.number, "champion", "contract: 1.0.0", "contract: 3.0.0")
    assert rules(lost)["app"] == {"consumer-contract-unknown"}


def test_versions_without_a_contract(place: Place) -> None:
    """The version needs one; what lives there without one is a risk, no refusal."""
    assert rules(place.ask(place.push(paper=False))) == {
        f"tips@{place.store().newest().number}": {"deploy-without-contract"}
    }
    place.live("champion", place.push(store="prod", paper=False))
    answer = place.ask(place.push())
    assert rules(answer)["@champion:"] == {"live-without-contract"}
    assert answer.passes()


@pytest.fixture
def recorded(place: Place) -> tuple[str, str]:
    """The consumer has recorded a request: what to replace in the file of environments."""
    folder = place.root / "consumers/app"
    folder.mkdir(parents=True)
    (folder / "one.yaml").write_text(RECORDING)
    return "calls: champion", "calls: champion, recordings: consumers/app"


def replayed(place: Place, version: int, *found: Finding, after: int = 0) -> list[str]:
    """Add what became of the recorded request to a version's papers."""
    known = recordings(place.root / "contract.yaml")
    at = NOON + timedelta(seconds=after)
    return add_replays(place.store(), version, known, found, at=at)


def test_recorded_requests_must_have_been_replayed(place: Place, recorded: tuple[str, str]) -> None:
    """Never, failed, passed, changed since: the last replay of what is recorded now counts."""
    version = place.push()

    def answer() -> tuple[str, set[str]]:
        row = place.ask(version, "champion", *recorded).rows[-1]
        return row.replay, {finding.rule for finding in row.findings}

    assert answer() == ("never", {"replay-never"})
    failed = Finding("replay-value", "app/one:expect.tip", "2 in place of 1", ("app",))
    (path,) = replayed(place, version, failed)
    assert answer() == ("failed", {"replay-failed"})
    assert json.loads(place.store().read_paper(version, path))["findings"][0]["what"] == failed.what
    replayed(place, version, after=1)
    assert answer() == ("passed 2027-01-01 12:00", set())
    (place.root / "consumers/app/two.yaml").write_text(RECORDING)
    assert answer() == ("others, at 2027-01-01 12:00", {"replay-never"})


def test_recorded_requests_are_read_by_the_new_contract(
    place: Place, recorded: tuple[str, str]
) -> None:
    """What the recording lacks in the new contract is told without a server."""
    version = place.push("  hour: {dtype: int64, default: 12}", "  hour: {dtype: int64}")
    assert "recorded-input-missing" in rules(place.ask(version, "champion", *recorded))["app"]


def test_a_damaged_replay_is_told(place: Place) -> None:
    """A paper that is no replay is an error that names it."""
    version = place.push()
    place.store().add_paper(version, "evidence/replay/app/1.json", {"format": "other"})
    with pytest.raises(BadPaper, match=r"evidence/replay/app/1\.json"):
        last_replay(place.store(), version, "app")


def test_every_rule_of_deployment_is_shown() -> None:
    """The tests here meet each rule about deployments."""
    text = Path(__file__).read_text()
    assert [r.id for r in RULES.values() if r.group == "deploy" and f'"{r.id}"' not in text] == []


Ask = Callable[..., Result]


@pytest.fixture
def ask(place: Place, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Type the command in the place."""
    monkeypatch.chdir(place.root)
    place.environments()

    def asked(*words: str) -> Result:
        runner = CliRunner()
        return runner.invoke(cli.app, [*words, "--store", "dev"], catch_exceptions=False)

    return asked


def test_the_command_answers_with_a_table_and_a_code(place: Place, ask: Ask) -> None:
    """Yes is 0; no is 12, with who, why and what to do."""
    version = str(place.push())
    yes = ask("tips", version, "--to", "prod")
    assert yes.exit_code == Exit.OK
    assert yes.output.splitlines()[0] == f"tips@{version} (contract 1.0.0) to prod as champion: yes"
    place.push("  miles: {dtype: float32}", "  miles: {dtype: string}")
    place.store().set_alias("next", place.store().newest().number)
    no = ask("tips", "next", "--to", "prod")
    assert no.exit_code == Exit.CONTRACT
    assert "app calls @champion" in no.output
    assert "no: input-dtype-changed" in no.output
    assert "to do: Keep the type and cast within the model." in no.output
    assert ask("tips", "next", "--to", "prod", "--fail-on", "never").exit_code == Exit.OK
    assert ask("tips", "next", "--to", "staging").exit_code == Exit.OK


def test_json_and_markdown_say_the_same(place: Place, ask: Ask, tmp_path: Path) -> None:
    """JSON has every fact for programs, Markdown is for a comment on a change."""
    place.push("  miles: {dtype: float32}", "  miles: {dtype: string}")
    words = ("tips", str(place.store().newest().number), "--to", "prod", "--format")
    said: dict[str, Any] = json.loads(ask(*words, "json").output)
    assert (said["passes"], said["environment"], said["alias"]) == (False, "prod", "champion")
    assert [row["agrees"] for row in said["rows"]] == [False, True, False]
    assert said["rows"][2]["findings"][0]["rule"] == "input-dtype-changed"
    assert ask(*words, "markdown", "-o", "why.md").exit_code == Exit.CONTRACT
    text = (tmp_path / "why.md").read_text()
    assert "| app calls @champion | 1.0.0 | none recorded | no: input-dtype-changed |" in text
    assert ask(*words, "xml").exit_code == Exit.USAGE


def test_a_waiver_counts_here_too(place: Place, ask: Ask) -> None:
    """A finding that the teams have agreed on does not stop the version."""
    place.push("  miles: {dtype: float32}", "  miles: {dtype: string}")
    entries = [
        {"rule": rule, "where": where, "reason": "Agreed with the app.", "expires": "2999-01-01"}
        for rule, where in (
            ("input-dtype-changed", "inputs.miles.dtype"),
            ("version-too-small", "version"),
        )
    ]
    waivers = {"format": "lockstep.waivers/v1", "waivers": entries}
    (place.root / "waivers.yaml").write_text(json.dumps(waivers, indent=1))
    words = ("tips", str(place.store().newest().number), "--to", "prod")
    assert ask(*words).exit_code == Exit.CONTRACT
    said = ask(*words, "--waivers", "waivers.yaml")
    assert said.exit_code == Exit.OK, said.output
    assert "waived: Agreed with the app." in said.output


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  staging: {}", "  staging: {shop: x}", "no field 'shop'"),
        ("calls: champion", "calls: champoin", "did you mean champion?"),
        ("contract: 1.0.0", "contract: '1.0'", "MAJOR.MINOR.PATCH"),
        ("lockstep.environments/v1", "lockstep.environments/v9", "lockstep.environments/v1"),
        ("live: [champion, v2]", "live: []", "live"),
        ("environments:\n", "environments: [\n", "environments.yaml:"),
    ],
)
def test_a_malformed_file_is_told_with_its_place(
    place: Place, old: str, new: str, said: str
) -> None:
    """What breaks the format is an error that names the line and what was perhaps meant."""
    with pytest.raises(BadContract) as raised:
        environment(place.environments(old, new), "prod")
    assert said in str(raised.value)
    assert "environments.yaml:" in str(raised.value)


def test_an_unknown_environment_or_version_is_told(place: Place, ask: Ask) -> None:
    """Each names what there is."""
    with pytest.raises(UnknownEnvironment, match="did you mean prod"):
        environment(place.environments(), "prd")
    place.push()
    for words in (("tips", "77"), ("tpis", "1"), ("tips", "nobody")):
        with pytest.raises(LockstepError) as raised:
            ask(*words, "--to", "prod")
        assert raised.value.exit_code == Exit.STORE


def test_paths_are_as_seen_from_the_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores and recordings are found from anywhere; addresses stay as they are."""
    file = place.environments("calls: champion", "calls: champion, recordings: consumers/app")
    there = environment(file, "prod")
    assert there.store == str(place.root / "prod")
    assert there.models["tips"].consumers[0].recordings == str(place.root / "consumers/app")
    bucket = environment(place.environments("store: prod", "store: gs://prod/models"), "prod")
    assert bucket.store == "gs://prod/models"
