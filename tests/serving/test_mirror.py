"""What the mirror promises to the TF Serving beside it."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lockstep.serving.errors import BadModel, Exit, UnknownVersion
from lockstep.serving.mirror import Mirror, main
from lockstep.serving.place import Place, open_place
from lockstep.serving.store import ModelStore, digest


def model(directory: Path, weights: bytes) -> str:
    """Something that has the files of a SavedModel, a warm-up request among them."""
    (directory / "variables").mkdir(parents=True)
    (directory / "assets.extra").mkdir()
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "variables" / "variables.index").write_bytes(weights)
    (directory / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"warm")
    return str(directory)


def pin(file: Path, *versions: int) -> Path:
    """A models.config that serves these versions."""
    specific = " ".join(f"versions: {version}" for version in versions)
    file.write_text(
        'model_config_list { config { name: "taxi" base_path: "/models/taxi" '
        f'model_platform: "tensorflow" model_version_policy {{ specific {{ {specific} }} }} }} }}'
    )
    return file


@pytest.fixture(params=["local", "memory"])
def mirror(request: pytest.FixtureRequest, tmp_path: Path) -> Mirror:
    """A store with versions 1 and 2, of which 2 is pinned; memory:// is as an object store is."""
    base = str(tmp_path / "store") if request.param == "local" else f"memory://{uuid4().hex}"
    store = ModelStore.open(base, "taxi")
    for number in (1, 2):
        made = model(tmp_path / f"made{number}", bytes([number]))
        store.push(made, {"contract.json": {}}, number=number)
    return Mirror(store, pin(tmp_path / "models.config", 2), tmp_path / "models")


def names(directory: Path) -> set[str]:
    """What TF Serving would find."""
    return {one.name for one in directory.iterdir()}


def test_what_is_pinned_is_copied_whole_and_only_once(mirror: Mirror) -> None:
    """The model, its papers and its warm-up requests; nothing that is not pinned."""
    assert mirror.bring() == (2,)
    here = mirror.to / "taxi"
    assert names(here) == {"2"}
    assert digest(str(here / "2")) == mirror.store.version(2).digest
    assert names(here / "2" / "assets.extra") == {"contract.json", "tf_serving_warmup_requests"}
    assert mirror.bring() == ()


def test_what_arrives_late_is_brought_and_what_is_here_stays(
    mirror: Mirror, tmp_path: Path
) -> None:
    """A sidecar looks again: at the configuration and at the store."""
    mirror.bring()
    pin(mirror.config, 2, 7)
    assert mirror.bring() == ()
    mirror.store.push(model(tmp_path / "late", b"7"), number=7)
    assert mirror.bring() == (7,)
    assert names(mirror.to / "taxi") == {"2", "7"}


def test_a_version_that_is_nowhere_is_said(mirror: Mirror) -> None:
    """A pod whose only version is not in the store does not start."""
    pin(mirror.config, 9)
    with pytest.raises(UnknownVersion, match="taxi 9"):
        mirror.bring()


def test_a_copy_that_breaks_off_leaves_nothing(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a version nor something that is left aside; the next look brings it."""
    write = Place.write

    def broken(self: Place, relative: str, chunks: Any) -> None:
        if relative.endswith(".index"):
            raise OSError("connection lost")
        write(self, relative, chunks)

    with monkeypatch.context() as patch:
        patch.setattr(Place, "write", broken)
        with pytest.raises(OSError, match="connection lost"):
            mirror.bring()
    assert names(mirror.to / "taxi") == set()
    assert mirror.bring() == (2,)


def test_a_damaged_version_is_not_served(mirror: Mirror) -> None:
    """What differs from the digest on record never gets a version's name."""
    open_place(mirror.store.directory).write("2/saved_model.pb", [b"other"])
    with pytest.raises(BadModel):
        mirror.bring()
    assert names(mirror.to / "taxi") == set()


def words(mirror: Mirror) -> list[str]:
    """Its command line, as the manifests have it."""
    return [
        f"--store={mirror.store.directory.rpartition('/')[0]}",
        *("--model=taxi", f"--config={mirror.config}", f"--to={mirror.to}"),
    ]


def test_the_init_container_ends_with_a_code(
    mirror: Mirror, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 and what it brought; or the store's code and the three parts of a mistake."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main([*words(mirror), "--once"]) == 0
    assert capsys.readouterr().out.startswith("taxi 2 is here, ")
    pin(mirror.config, 9)
    assert main([*words(mirror), "--once"]) == Exit.STORE
    assert "allowed: " in capsys.readouterr().err


@pytest.mark.parametrize("mirror", ["local"], indirect=True)
def test_the_sidecar_ends_at_once_when_it_is_told(mirror: Mirror) -> None:
    """SIGTERM is not left to the kubelet's patience; until then it goes on whatever happens."""
    pin(mirror.config, 9)
    command = [sys.executable, "-m", "lockstep.serving.mirror", *words(mirror), "--interval=0.05"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline().startswith("not yet: taxi 9")
        pin(mirror.config, 2)
        assert process.stdout.readline().startswith("taxi 2 is here")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
