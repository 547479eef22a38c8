"""The steps that talk to the model store: what is pushed, what is fetched, and when nothing is."""

import json
from pathlib import Path
from typing import Any

import pytest

from lockstep.serving.errors import Exit
from lockstep.serving.store import ModelStore

BASE = "models/taxi"
DESTINATION = {"filesystem": {"base_directory": BASE}}


def make_model(artifact: Path, weights: str = "weights", inside: str = "Format-Serving") -> Any:
    """Write an artifact that holds the files of a SavedModel."""
    variables = artifact / inside / "variables"
    variables.mkdir(parents=True)
    (artifact / inside / "saved_model.pb").write_bytes(b"graph")
    (variables / "variables.data-00000-of-00001").write_text(weights)
    return {"uri": str(artifact), "metadata": {}}


def blessing(blessed: int, **metadata: str) -> Any:
    """An artifact that says whether a model is blessed."""
    return {"uri": "/nowhere", "metadata": {"blessed": float(blessed), **metadata}}


@pytest.fixture
def model(tmp_path: Path) -> Any:
    """A candidate."""
    return make_model(tmp_path / "model")


@pytest.fixture
def store(project: Path) -> ModelStore:
    """The store that the steps push to."""
    return ModelStore(str(project / BASE))


def test_the_first_run_finds_no_champion(run_light: Any, project: Path) -> None:
    """An empty store has none: `found` is false, the model empty, and nothing is created."""
    ran = run_light("champion", base_directory=BASE)
    assert ran.parameters == {"found": False, "digest": ""}
    assert list(ran.path("model").iterdir()) == []
    assert (ran.path("model").parent / "found").read_text() == "false"
    assert (ran.path("model").parent / "digest").read_text() == ""
    assert list(project.iterdir()) == []


def test_what_was_pushed_is_the_next_champion(
    run_light: Any, project: Path, store: ModelStore, model: Any
) -> None:
    """A pushed model lies in the store, whole, and comes back as the newest version."""
    pushed = run_light("pusher", {"model": model}, push_destination=DESTINATION)
    said = pushed.metadata("pushed_model")
    [version] = store.versions()
    assert said == {
        "tfx_type": "PushedModel",
        "pushed": 1.0,
        "pushed_destination": str(project / BASE / str(version.number)),
        "pushed_version": str(version.number),
        "digest": version.digest,
        "reason": "blessed",
    }
    for place in (Path(version.path), pushed.path("pushed_model")):
        assert (place / "saved_model.pb").read_bytes() == b"graph"
    champion = run_light("champion", base_directory=BASE)
    assert champion.parameters == {"found": True, "digest": version.digest}
    assert champion.metadata("model") == {
        "tfx_type": "Model",
        "version": str(version.number),
        "digest": version.digest,
    }
    weights = champion.path("model") / "Format-Serving/variables/variables.data-00000-of-00001"
    assert weights.read_text() == "weights"


def test_the_champion_is_the_alias_s_version(
    run_light: Any, tmp_path: Path, store: ModelStore
) -> None:
    """Without the alias the newest version is the champion; with it, the one it names."""
    for weights in ("old", "new"):
        store.push(make_model(tmp_path / weights, weights)["uri"] + "/Format-Serving")
    first, second = store.versions()
    assert run_light("champion", base_directory=BASE).parameters["digest"] == second.digest
    store.set_alias("champion", first.number)
    assert run_light("champion", base_directory=BASE).parameters["digest"] == first.digest
    other = run_light("champion", base_directory=BASE, alias="challenger")
    assert other.parameters["digest"] == second.digest


@pytest.mark.parametrize("key", ["model_blessing", "infra_blessing", "contract_blessing"])
def test_what_is_not_blessed_is_not_pushed(
    run_light: Any, project: Path, model: Any, key: str
) -> None:
    """The step succeeds, says why nothing was pushed, and does not touch the store."""
    inputs = {"model": model, "model_blessing": blessing(1)}
    inputs |= {key: blessing(0, reason="AUC of Overall is 0.6")}
    ran = run_light("pusher", inputs, push_destination=DESTINATION)
    assert ran.code == Exit.OK
    said = ran.metadata("pushed_model")
    assert said["pushed"] == 0
    assert said["reason"].startswith("not blessed by the ")
    assert said["reason"].endswith(": AUC of Overall is 0.6")
    assert said["reason"] in ran.log
    assert list(ran.path("pushed_model").iterdir()) == []
    assert list(project.iterdir()) == []


def test_the_same_model_is_pushed_once(run_light: Any, store: ModelStore, model: Any) -> None:
    """A second push of the same files, as after a retry, finds the version that is there."""
    first, second = (
        run_light("pusher", {"model": model}, push_destination=DESTINATION) for _ in range(2)
    )
    [version] = store.versions()
    assert second.metadata("pushed_model")["pushed_version"] == str(version.number)
    assert second.metadata("pushed_model")["reason"] == "the store has this very model already"
    assert second.metadata("pushed_model")["digest"] == first.metadata("pushed_model")["digest"]


def test_a_version_carries_its_papers(run_light: Any, store: ModelStore, model: Any) -> None:
    """Where a version comes from, and on what evidence it was let through, lies beside it."""
    inputs = {"model": model, "model_blessing": blessing(1, reason="every threshold is met")}
    run_light(
        "pusher", inputs, push_destination=DESTINATION, custom_config={"ticket": 7, "team": "fares"}
    )
    number = store.newest().number
    assert store.papers(number) == ("evidence/model_blessing.json", "lineage.json")
    evidence = json.loads(store.read_paper(number, "evidence/model_blessing.json"))
    assert evidence == {"blessed": 1, "reason": "every threshold is met"}
    lineage = json.loads(store.read_paper(number, "lineage.json"))
    assert lineage["custom_config"] == {"ticket": 7, "team": "fares"}
    assert lineage["inputs"]["model"]["uri"] == model["uri"]


def test_a_stamped_model_can_be_pushed(run_light: Any, tmp_path: Path, store: ModelStore) -> None:
    """Without a model, the one that infra validation stamped is pushed, its warm-up included."""
    stamped = make_model(tmp_path / "infra", inside="stamped_model")
    stamped["metadata"] = {"blessed": 1.0}
    warm_up = tmp_path / "infra/stamped_model/assets.extra/tf_serving_warmup_requests"
    warm_up.parent.mkdir()
    warm_up.write_bytes(b"requests")
    ran = run_light("pusher", {"infra_blessing": stamped}, push_destination=DESTINATION)
    assert ran.metadata("pushed_model")["pushed"] == 1
    assert store.read_paper(store.newest().number, "tf_serving_warmup_requests") == b"requests"


@pytest.mark.parametrize(
    "destination",
    [
        {},
        {"filesystem": {}},
        {"filesystem": BASE},
        {"filesystem": {"base_dir": BASE}},
        {"filesystem": {"base_directory": BASE, "versions": 3}},
        {"file_system": {"base_directory": BASE}},
        {"filesystem": {"base_directory": BASE}, "cloud": {}},
    ],
)
def test_an_unknown_push_destination_is_refused(
    run_light: Any, project: Path, model: Any, destination: dict[str, Any]
) -> None:
    """A field that is misspelt or unknown is an error, not a push to somewhere else."""
    ran = run_light("pusher", {"model": model}, push_destination=destination)
    assert ran.code == Exit.USAGE
    assert '{"filesystem": {"base_directory": "BASE/MODEL"}}' in ran.error
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        (None, Exit.USAGE, "neither a model nor an infra_blessing with a model"),
        ("empty", Exit.USAGE, "neither a model nor an infra_blessing with a model"),
        ("no model", Exit.STORE, "saved_model.pb"),
    ],
)
def test_what_is_no_model_is_not_pushed(
    run_light: Any, tmp_path: Path, store: ModelStore, name: str | None, code: Exit, says: str
) -> None:
    """Without a whole SavedModel nothing is pushed, and the error says what was missing."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "no model" / "Format-Serving").mkdir(parents=True)
    (tmp_path / "no model" / "Format-Serving" / "notes.txt").touch()
    models = {"model": {"uri": str(tmp_path / name), "metadata": {}}} if name else {}
    ran = run_light("pusher", models, push_destination=DESTINATION)
    assert ran.code == code
    assert says in ran.error
    assert store.versions() == ()
