"""What the model store promises, on a local and on a memory filesystem alike."""

import errno
import json
import os
import stat
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lockstep.serving import errors
from lockstep.serving.push import Parcel
from lockstep.serving.store import ANY, ModelStore, digest, models

fsspec: Any = import_module("fsspec")  # it ships no types


def make_model(directory: Path, weights: bytes = b"weights") -> str:
    """Write something that has the files of a SavedModel."""
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "variables" / "variables.data-00000-of-00001").write_bytes(weights)
    return str(directory)


def read(address: str) -> bytes:
    """A file's bytes, wherever it is."""
    with fsspec.open(address, "rb") as file:
        return bytes(file.read())


@pytest.fixture(params=["local", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty store."""
    if request.param == "local":
        yield str(tmp_path / "store")
        return
    address = f"memory://{uuid4().hex}"
    yield address
    memory: Any = fsspec.filesystem("memory")
    if memory.exists(address):
        memory.rm(address, recursive=True)


@pytest.fixture
def store(base: str) -> ModelStore:
    """The store of a model that has no version yet."""
    return ModelStore.open(base, "taxi")


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A directory to push."""
    return make_model(tmp_path / "model")


def test_layout_is_tf_servings(store: ModelStore, model: str) -> None:
    """A pushed model lies at BASE/MODEL/VERSION, its papers in assets.extra, whole."""
    version = store.push(model, {"contract.json": {"a": 1}, "evidence/x.bin": b"\x00"}).version
    found = fsspec.open_files(f"{version.path}/**", "rb")
    names = {file.path.split(f"/{version.number}/")[1] for file in found}
    assert names == {
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "assets.extra/contract.json",
        "assets.extra/evidence/x.bin",
    }
    assert digest(version.path) == version.digest == digest(model)


def test_number_is_unix_seconds_or_one_more_than_the_last(base: str, tmp_path: Path) -> None:
    """Versions are numbered as TFX numbers them, and never twice the same in one second."""
    store = ModelStore(f"{base}/taxi", clock=lambda: 1700000000.7)
    pushed = [
        store.push(make_model(tmp_path / str(i), bytes([i]))).version.number for i in range(3)
    ]
    assert pushed == [1700000000, 1700000001, 1700000002]
    assert [v.number for v in store.versions()] == pushed
    assert store.newest().number == pushed[-1]


def test_same_model_is_pushed_once(store: ModelStore, model: str, tmp_path: Path) -> None:
    """A second push of the same bytes returns the first version, whatever the papers."""
    first = store.push(model, {"contract.json": 1})
    second = store.push(make_model(tmp_path / "copy"), {"contract.json": 2})
    assert first.created
    assert not second.created
    assert second.version == first.version
    assert json.loads(store.read_paper(first.version.number, "contract.json")) == 1


def test_version_zero_is_a_version(base: str, model: str) -> None:
    """The number 0 is as good as any other: it is found, and its twin is not pushed."""
    store = ModelStore(f"{base}/taxi", clock=lambda: 0.0)
    assert store.push(model).version.number == 0
    assert not store.push(model).created
    store.set_alias("champion", 0, expected=None)
    assert store.resolve("champion").number == 0


def test_papers_do_not_change_the_digest(tmp_path: Path) -> None:
    """Warm-up requests and all else in assets.extra leave a model's digest as it is."""
    before = digest(make_model(tmp_path / "model"))
    extra = tmp_path / "model" / "assets.extra"
    extra.mkdir()
    (extra / "tf_serving_warmup_requests").write_bytes(b"x")
    assert digest(str(tmp_path / "model")) == before


def test_digest_sees_names_sizes_and_bytes(tmp_path: Path) -> None:
    """A moved boundary between two files, or another name, is another model."""
    directories: list[str] = []
    for name, files in {
        "a": {"x": b"1", "y": b"23"},
        "b": {"x": b"12", "y": b"3"},
        "c": {"z": b"1", "y": b"23"},
    }.items():
        directory = Path(make_model(tmp_path / name))
        for file, data in files.items():
            (directory / file).write_bytes(data)
        directories.append(str(directory))
    assert len({digest(directory) for directory in directories}) == 3


def test_source_brings_its_own_papers_and_new_ones_win(store: ModelStore, model: str) -> None:
    """A promoted copy keeps its papers; a paper given to the push replaces the source's."""
    extra = Path(model) / "assets.extra"
    extra.mkdir()
    (extra / "old.json").write_text("1")
    (extra / "both.json").write_text("1")
    number = store.push(model, {"both.json": 2}).version.number
    assert store.papers(number) == ("both.json", "old.json")
    assert store.read_paper(number, "both.json") == b"2\n"


def test_version_can_be_pushed_into_another_store(base: str, store: ModelStore, model: str) -> None:
    """Promotion is a push of a version's own path: same bytes, same digest."""
    version = store.push(model, {"contract.json": 1}).version
    promoted = ModelStore.open(f"{base}-prod", "taxi").push(version.path)
    assert promoted.version.digest == version.digest
    assert ModelStore.open(f"{base}-prod", "taxi").papers(promoted.version.number) == (
        "contract.json",
    )


def test_later_papers_are_added_but_never_replaced(store: ModelStore, model: str) -> None:
    """A later paper joins those of the push; the same one again is nothing, another is refused."""
    number = store.push(model, {"contract.json": 1}).version.number
    store.add_paper(number, "evidence/experiment.json", {"verdict": "promote"})
    store.add_paper(number, "evidence/experiment.json", {"verdict": "promote"})
    store.add_paper(number, "contract.json", 1)
    with pytest.raises(errors.BadPaper):
        store.add_paper(number, "evidence/experiment.json", {"verdict": "roll back"})
    with pytest.raises(errors.BadPaper):
        store.add_paper(number, "contract.json", 2)
    assert store.papers(number) == ("contract.json", "evidence/experiment.json")
    assert json.loads(store.read_paper(number, "evidence/experiment.json"))["verdict"] == "promote"
    assert [v.number for v in store.versions()] == [number]
    with pytest.raises(errors.BadPaper, match=r"did you mean contract\.json"):
        store.read_paper(number, "contrakt.json")


@pytest.mark.parametrize(
    "path", ["", ".", "/etc/x", "../x", "a/../x", "a//b", "a\\b", "a/", "./a", "\0"]
)
def test_paper_stays_where_papers_lie(store: ModelStore, model: str, path: str) -> None:
    """A paper's path that leads elsewhere is refused before anything is written."""
    with pytest.raises(errors.BadPaper):
        store.push(model, {path: 1})
    assert store.versions() == ()


@pytest.mark.parametrize("value", [float("nan"), object(), {"a": {1, 2}}])
def test_paper_without_json_is_refused(store: ModelStore, model: str, value: object) -> None:
    """A value that JSON cannot hold is refused before anything is written."""
    with pytest.raises(errors.BadPaper):
        store.push(model, {"x.json": value})
    assert store.versions() == ()


def test_what_is_no_model_is_refused(store: ModelStore, tmp_path: Path) -> None:
    """A missing or empty directory, one without a graph, and one with a linked directory."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "model.keras").write_bytes(b"")
    real = make_model(tmp_path / "real")
    linked = Path(make_model(tmp_path / "linked"))
    (linked / "assets").symlink_to(f"{real}/variables")
    for name in ("missing", "empty", "keras", "linked"):
        with pytest.raises(errors.BadModel, match=name):
            store.push(str(tmp_path / name))
    assert models(str(tmp_path)) == []
    assert store.versions() == ()


def test_linked_files_are_pushed_as_files(store: ModelStore, tmp_path: Path) -> None:
    """A model of links into a cache is stored as the files themselves."""
    real = make_model(tmp_path / "real")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "saved_model.pb").symlink_to(f"{real}/saved_model.pb")
    version = store.push(str(tmp_path / "links")).version
    assert read(f"{version.path}/saved_model.pb") == b"graph"
    assert not os.path.islink(f"{version.path}/saved_model.pb")


def test_text_graph_is_a_model_too(store: ModelStore, tmp_path: Path) -> None:
    """TF Serving reads saved_model.pbtxt as well."""
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "saved_model.pbtxt").write_text("graph")
    assert store.push(str(tmp_path / "text")).created


def test_alias_moves_and_remembers(store: ModelStore, model: str, tmp_path: Path) -> None:
    """An alias stands where it was moved last; who, when, from where and why is kept."""
    one = store.push(model).version.number
    two = store.push(make_model(tmp_path / "two", b"2")).version.number
    assert store.alias("champion") is None
    store.set_alias("champion", one, expected=None, reason="first", by="ci")
    store.set_alias("champion", two, expected=one, reason="better", by="ci")
    store.set_alias("champion", two, reason="again")
    assert store.alias("champion") == two
    assert store.aliases() == {"champion": two}
    assert store.resolve("champion").aliases == ("champion",)
    moves = store.history()["champion"]
    assert [(m.previous, m.version, m.reason, m.by) for m in moves] == [
        (None, one, "first", "ci"),
        (one, two, "better", "ci"),
    ]
    assert all(move.at.utcoffset() is not None for move in moves)
    store.set_alias("champion", None, expected=two)
    assert store.aliases() == {}


def test_alias_elsewhere_than_expected_is_a_conflict(store: ModelStore, model: str) -> None:
    """Nothing moves if the alias does not stand where the caller expected it."""
    number = store.push(model).version.number
    with pytest.raises(errors.AliasConflict, match="it is at no version"):
        store.set_alias("champion", number, expected=number)
    store.set_alias("champion", number, expected=ANY)
    with pytest.raises(errors.AliasConflict, match=f"it is at version {number}"):
        store.set_alias("champion", number, expected=None)
    assert len(store.history()["champion"]) == 1


@pytest.mark.parametrize("name", ["", "7", "-x", "a b", "a/b", "a:b", "a@b"])
def test_alias_has_a_name_that_no_version_has(store: ModelStore, model: str, name: str) -> None:
    """An alias that would read as a version, or break a reference, is refused."""
    number = store.push(model).version.number
    with pytest.raises(errors.BadName):
        store.set_alias(name, number)


@pytest.mark.parametrize("name", ["", ".", "..", ".tmp-1", "a/b", "a:b", "a@b", "-x", "a\n"])
def test_model_has_a_name_that_a_url_can_hold(base: str, name: str) -> None:
    """A model's name never leaves the store's directory, nor breaks TF Serving's URLs."""
    with pytest.raises(errors.BadName):
        ModelStore.open(base, name)


def test_unknown_names_suggest_what_was_meant(store: ModelStore, base: str, model: str) -> None:
    """An unknown model, version or alias has its own error, with what there is."""
    number = store.push(model).version.number
    store.set_alias("champion", number)
    with pytest.raises(errors.UnknownModel, match="did you mean taxi"):
        ModelStore.open(base, "taxy").newest()
    with pytest.raises(errors.UnknownVersion, match=str(number)):
        store.version(5)
    with pytest.raises(errors.UnknownVersion):
        store.set_alias("champion", 5)
    with pytest.raises(errors.UnknownAlias, match="did you mean champion"):
        store.resolve("champoin")
    with pytest.raises(errors.UnknownModel):
        ModelStore.open(base, "none").set_alias("champion", None)
    assert models(base) == ["taxi"]


@pytest.mark.parametrize(
    "record", ["", "{", "[]", '{"format": 2}', '{"versions": {"x": 1}}', '{"aliases": {"a": []}}']
)
def test_corrupt_record_is_left_alone(
    store: ModelStore, model: str, tmp_path: Path, record: str
) -> None:
    """A `lockstep.json` that cannot be read is named, and never overwritten."""
    number = store.push(model).version.number
    path = f"{store.directory}/lockstep.json"
    with fsspec.open(path, "w") as file:
        file.write(record)
    other = make_model(tmp_path / "other", b"2")
    for act in (
        store.versions,
        lambda: store.push(other),
        lambda: store.set_alias("champion", number),
        lambda: store.alias("champion"),
    ):
        with pytest.raises(errors.CorruptRecord, match=r"lockstep\.json"):
            act()
    assert read(path) == record.encode()


def test_only_decimal_names_are_versions(tmp_path: Path) -> None:
    """Of a local directory that others wrote, what TF Serving would serve is a version."""
    for name in ("7", "008", "v9", "-1", ".tmp-1", "papers", "10", str(2**63), "٣"):
        make_model(tmp_path / "taxi" / name, name.encode())
    (tmp_path / "taxi" / "11").mkdir()
    store = ModelStore.open(str(tmp_path), "taxi")
    assert [version.number for version in store.versions()] == [7, 8, 10]
    assert store.version(8).path.endswith("/008")


def test_numbers_end(tmp_path: Path, model: str) -> None:
    """Beyond the highest number TF Serving can count there is an error, not a dead version."""
    make_model(tmp_path / "taxi" / str(2**63 - 1), b"last")
    with pytest.raises(errors.StoreError, match="highest number"):
        ModelStore.open(str(tmp_path), "taxi").push(model)


def test_strays_are_adopted_by_the_next_change(tmp_path: Path, model: str) -> None:
    """A local version that another tool wrote counts at once, and is then recorded."""
    stray = make_model(tmp_path / "taxi" / "7", b"stray")
    store = ModelStore.open(str(tmp_path), "taxi")
    assert not (tmp_path / "taxi" / "lockstep.json").exists()
    assert store.push(stray).version.number == 7
    store.set_alias("champion", 7)
    assert list(json.loads((tmp_path / "taxi" / "lockstep.json").read_text())["versions"]) == ["7"]


def test_removed_version_is_gone_but_its_number_is_not_reused(tmp_path: Path, model: str) -> None:
    """Deleting a version's directory takes it from the list; the same model gets a new number."""
    store = ModelStore(str(tmp_path / "taxi"), clock=lambda: 7.0)
    store.push(model)
    store.set_alias("champion", 7)
    os.rename(tmp_path / "taxi" / "7", tmp_path / "gone")
    assert store.versions() == ()
    pushed = store.push(model)
    assert pushed.created
    assert pushed.version.number == 8
    with pytest.raises(errors.UnknownVersion):
        store.resolve("champion")


def test_everybody_can_read_what_is_pushed(tmp_path: Path, model: str) -> None:
    """TF Serving runs as another user: a strict umask does not lock it out."""
    before = os.umask(0o077)
    try:
        store = ModelStore.open(str(tmp_path / "store"), "taxi")
        number = store.push(model, {"evidence/a.json": 1}).version.number
        store.add_paper(number, "b.json", 1)
    finally:
        os.umask(before)
    for folder, _, files in os.walk(tmp_path / "store"):
        assert stat.S_IMODE(os.stat(folder).st_mode) & 0o555 == 0o555, folder
        for file in files:
            mode = stat.S_IMODE(os.stat(f"{folder}/{file}").st_mode)
            assert file == ".lockstep.lock" or mode & 0o444 == 0o444, file


def test_missing_filesystem_is_named(tmp_path: Path) -> None:
    """An address whose filesystem is not installed says which package is missing."""
    with pytest.raises(errors.UnreachableStore, match="nonsense"):
        ModelStore.open("nonsense://bucket", "taxi").versions()


def test_model_that_changes_while_it_is_copied_is_refused(
    store: ModelStore, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored is what the digest says, or nothing."""
    real = Parcel.copy

    def late(parcel: Parcel, *where: Any) -> None:
        (Path(model) / "saved_model.pb").write_bytes(b"other")
        real(parcel, *where)

    monkeypatch.setattr(Parcel, "copy", late)
    with pytest.raises(errors.BadModel, match="changed while it was copied"):
        store.push(model)
    assert store.versions() == ()


def test_full_disk_on_a_memory_store_leaves_nothing(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no rename, a failed copy gives its number back and removes its files."""
    address = f"memory://{uuid4().hex}"
    store = ModelStore.open(address, "taxi")
    memory: Any = fsspec.filesystem("memory")
    kind: Any = memory.__class__
    real: Any = kind._open

    def full(self: Any, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if "variables" in path and "w" in mode:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, path, mode, **kwargs)

    monkeypatch.setattr(kind, "_open", full)
    with pytest.raises(OSError, match="No space"):
        store.push(model)
    assert [os.path.basename(path) for path in memory.find(address)] == ["lockstep.json"]
    assert json.loads(memory.cat(f"{address}/taxi/lockstep.json"))["claims"] == {}
