"""What a task asks of Kubernetes, on this machine: kept, borrowed, told or refused."""

import os
from pathlib import Path
from typing import Any

import pytest

from lockstep.pipelines import ir
from lockstep.pipelines.engine.admit import admit
from lockstep.pipelines.engine.plan import plan
from lockstep.pipelines.engine.platform import Granted, grant
from lockstep.pipelines.errors import CannotRunHere
from lockstep.pipelines.lint.pods import SETTINGS

GOLDEN = Path(__file__).parents[2] / "golden" / "on_kubernetes.yaml"


def golden_settings() -> ir.Json:
    """What the golden pipeline asks Kubernetes for: one of everything."""
    platform = ir.load(GOLDEN).platform["platforms"]["kubernetes"]
    settings: ir.Json = platform["deploymentSpec"]["executors"]["exec-step"]
    return settings


def test_everything_that_can_be_asked_for_has_an_answer() -> None:
    """With its variables and paths on this machine, a task runs, and is told what differs."""
    granted = grant(
        "step", golden_settings(), dict.fromkeys(("TOKEN", "LEVEL", "POD"), "x"), lambda _: True
    )
    assert granted == Granted(
        timeout=60,
        borrowed=("TOKEN", "LEVEL", "POD"),
        places=("/certificates", "/settings", "/data", "/cache", "/scratch"),
        notes=(
            "imagePullPolicy means nothing on this machine",
            "imagePullSecret means nothing on this machine",
            "nodeSelector means nothing on this machine",
            "podMetadata means nothing on this machine",
            "tolerations means nothing on this machine",
            "TOKEN is the caller's own variable, not that of the secret",
            "LEVEL is the caller's own variable, not that of the config map settings",
            "POD is the caller's own variable, not that of the pod's metadata.name",
            "/certificates is this machine's own, not that of the secret certificates",
            "/settings is this machine's own, not that of the config map settings",
            "/data is this machine's own, not that of the volume claim",
            "/cache is this machine's own, not that of the volume cache",
            "/scratch is this machine's own, not that of the directory scratch",
        ),
    )


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_that_the_lint_knows_is_known_here(key: str) -> None:
    """None is refused because nobody has thought of it."""
    empty: dict[str, Any] = {"activeDeadlineSeconds": "1", "imagePullPolicy": "Always"}
    assert grant("step", {key: empty.get(key, [])})


@pytest.mark.parametrize(
    ("setting", "what", "todo"),
    [
        (
            {"secretAsEnv": [{"secretName": "t", "keyToEnv": [{"secretKey": "k", "envVar": "T"}]}]},
            "T from the secret t",
            "export T=...",
        ),
        (
            {"pvcMount": [{"constant": "claim", "mountPath": "/data"}]},
            "the volume claim claim at /data",
            "make /data here",
        ),
        (
            {"fieldPathAsEnv": [{"name": "POD", "fieldPath": "metadata.name"}]},
            "POD from the pod's metadata.name",
            "export POD=...",
        ),
    ],
)
def test_what_is_not_here_is_refused_with_a_way_to_put_it_here(
    setting: ir.Json, what: str, todo: str
) -> None:
    """Before anything starts: a step without its secret would only fail later, or not at all."""
    with pytest.raises(CannotRunHere) as caught:
        grant("train", setting, {}, lambda _: False)
    assert caught.value.given == f"task train needs {what}, which only its cluster has"
    assert caught.value.todo.startswith(todo)


def test_a_volume_claim_cannot_be_made_here() -> None:
    """The refusal says so, instead of naming an image that nobody has."""
    with pytest.raises(CannotRunHere, match="task createpvc makes or removes a volume claim"):
        admit(plan(ir.load(GOLDEN)))


def test_what_may_be_missing_is_missed() -> None:
    """An optional secret or map is no reason to refuse the run."""
    settings = golden_settings()
    optional = {key: settings[key] for key in ("configMapAsVolume",)}
    optional["secretAsEnv"] = [{**settings["secretAsEnv"][0], "optional": True}]
    granted = grant("step", optional, {}, lambda _: False)
    assert granted.borrowed == ()
    assert granted.notes == (
        "TOKEN is not set: the secret may be missing",
        "/settings is not there: the config map settings may be missing",
    )


def test_this_machine_is_the_default() -> None:
    """Variables and paths are looked for where the run was called."""
    name = next(iter(os.environ))
    settings = {
        "configMapAsEnv": [{"keyToEnv": [{"configMapKey": "k", "envVar": name}]}],
        "configMapAsVolume": [{"mountPath": str(Path(__file__).parent)}],
    }
    assert grant("step", settings).borrowed == (name,)
