"""What came of a run that has ended: its exit code, and why nothing was pushed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lockstep.components.executors.model_store import pusher
from lockstep.components.step import Artifact, Step
from lockstep.pipelines import ir
from lockstep.pipelines.errors import NotFound
from lockstep.pipelines.remote.follow import pushers, verdict
from lockstep.pipelines.remote.service import Run, State
from lockstep.serving.errors import Exit

from .conftest import GOLDEN

PIPELINE = ir.load(GOLDEN / "ingest_and_push.yaml")
ENDED = Run("1", "run", State.SUCCEEDED)


@dataclass(frozen=True)
class Logs:
    """Whoever keeps runs, as far as verdicts ask it: the lines of every task."""

    lines: tuple[str, ...] = ()

    def logs(self, run: str, task: str = "") -> Iterator[str]:
        """Give the pusher's lines."""
        assert (run, task) == ("1", "pusher")
        return iter(self.lines)

    def newest(self, limit: int) -> Iterator[Run]:
        """Refuse: a verdict asks for no run."""
        raise AssertionError

    def get(self, run: str) -> Run:
        """Refuse: a verdict asks for no run."""
        raise AssertionError

    cancel = get


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.SUCCEEDED, Exit.OK),
        (State.FAILED, Exit.STEP_FAILED),
        (State.CANCELLED, Exit.CANCELLED),
    ],
)
def test_a_state_is_an_exit_code(state: State, code: Exit) -> None:
    """The same as that of a run on this machine."""
    assert verdict(Logs(), replace(ENDED, state=state), PIPELINE) == (code, "")


@pytest.mark.parametrize(
    ("blessed", "code"),
    [(True, Exit.OK), (False, Exit.NOT_BLESSED), (None, Exit.OK)],
)
def test_what_a_service_says_of_the_blessing_counts(blessed: bool | None, code: Exit) -> None:
    """With or without a word in the log."""
    assert verdict(Logs(), replace(ENDED, blessed=blessed), PIPELINE) == (code, "")


def test_the_pusher_s_own_words_are_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the real pusher prints about a model that is not blessed is what is looked for."""
    model = tmp_path / "model" / "Format-Serving"
    model.mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"graph")
    inputs = {
        "model": Artifact("model", str(model.parent)),
        "model_blessing": Artifact("blessing", "/nowhere", {"blessed": 0, "reason": "auc 0.6"}),
    }
    destination = {"filesystem": {"base_directory": str(tmp_path / "store/taxi")}}
    outputs = {"pushed_model": Artifact("pushed", str(tmp_path / "pushed"))}
    step = Step("pusher", {"push_destination": destination}, inputs, outputs, {}, "")
    pusher(step)
    printed = tuple(capsys.readouterr().out.splitlines())
    code, reason = verdict(Logs(printed), ENDED, PIPELINE)
    assert (code, reason) == (Exit.NOT_BLESSED, "not blessed by the evaluation: auc 0.6")


def test_pushers_are_known_by_what_they_run() -> None:
    """Whatever their tasks are called."""
    assert pushers(PIPELINE) == ["pusher"]
    assert pushers(ir.load(GOLDEN / "loops.yaml")) == []


def test_a_log_that_cannot_be_read_is_not_taken_for_a_blessing() -> None:
    """Whoever asks is told that it is not known."""

    class Silent(Logs):
        def logs(self, run: str, task: str = "") -> Iterator[str]:
            """Refuse."""
            raise NotFound(given="no log", allowed="a log", todo="look")

    with pytest.raises(NotFound):
        verdict(Silent(), ENDED, PIPELINE)
