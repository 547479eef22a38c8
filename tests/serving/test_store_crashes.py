"""What the store promises when a process is killed, a disk is full, or two come at once."""

import errno
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from lockstep.serving.errors import AliasConflict
from lockstep.serving.store import ModelStore, digest

fsspec: Any = import_module("fsspec")  # it ships no types

fork = multiprocessing.get_context("fork")


def make_model(directory: Path, weights: bytes) -> str:
    """Write something that has the files of a SavedModel."""
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "variables" / "variables.data-00000-of-00001").write_bytes(weights)
    return str(directory)


def in_child(work: Callable[[], Any], hook: Callable[[str, tuple[Any, ...]], None]) -> int:
    """Do the work in a fork whose every system-level act passes the hook; 99 if it raised."""
    child = os.fork()
    if child == 0:
        status = 0
        try:
            sys.addaudithook(hook)
            work()
        except OSError as error:
            status = 99 if error.errno == errno.ENOSPC else 98
        except BaseException:
            traceback.print_exc()
            status = 98
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def writes(event: str, arguments: tuple[Any, ...], below: str) -> bool:
    """Whether an audit event changes something below a directory."""
    if not arguments or not isinstance(arguments[0], str) or not arguments[0].startswith(below):
        return False
    opened = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return opened or event in {"os.mkdir", "os.rename", "os.chmod", "os.remove", "os.rmdir"}


def check_whole(store: ModelStore, allowed: set[str]) -> None:
    """Every version is one of the allowed models, whole, and so its record says."""
    for version in store.versions():
        assert version.digest in allowed
        assert digest(version.path) == version.digest
        assert store.papers(version.number) == ("contract.json",)


def test_push_killed_anywhere_leaves_all_or_nothing(tmp_path: Path) -> None:
    """SIGKILL before any write of a push leaves the new version whole or absent.

    The old one stays, and the next push of the same model makes exactly one of it.
    """
    old, new = make_model(tmp_path / "old", b"old"), make_model(tmp_path / "new", b"new")
    both = {digest(old), digest(new)}
    step = 0
    for step in count():
        store = ModelStore.open(str(tmp_path / "stores"), f"m{step}")
        first = store.push(old, {"contract.json": 1}).version
        store.set_alias("champion", first.number)
        left = [step]

        def kill(event: str, arguments: tuple[Any, ...], left: list[int] = left) -> None:
            if writes(event, arguments, str(tmp_path / "stores")):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        status = in_child(partial(store.push, new, {"contract.json": 1}), kill)
        check_whole(store, both)
        assert store.resolve("champion") == store.versions()[0]
        store.push(new, {"contract.json": 1})
        check_whole(store, both)
        assert len(store.versions()) == 2
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert step > 10


def test_disk_that_gets_full_anywhere_leaves_nothing(tmp_path: Path) -> None:
    """From any write of a push on there is no space: the error comes through, and nothing stays."""
    old, new = make_model(tmp_path / "old", b"old"), make_model(tmp_path / "new", b"new")
    step = 0
    for step in count():
        store = ModelStore.open(str(tmp_path / "stores"), f"m{step}")
        store.push(old, {"contract.json": 1})
        before = sorted(os.listdir(store.directory))
        left = [step]

        def fill(event: str, arguments: tuple[Any, ...], left: list[int] = left) -> None:
            creates = event in {"open", "os.mkdir"}
            if creates and writes(event, arguments, str(tmp_path / "stores")):
                left[0] -= 1
                if left[0] < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        status = in_child(partial(store.push, new, {"contract.json": 1}), fill)
        if status == 0:
            break
        assert status == 99
        assert sorted(os.listdir(store.directory)) == before
        assert len(store.versions()) == 1
    assert step > 5


def test_alias_killed_anywhere_is_old_or_new(tmp_path: Path) -> None:
    """SIGKILL before any write of a move: the alias stands where it stood or where it should."""
    model = make_model(tmp_path / "model", b"x")
    store = ModelStore.open(str(tmp_path / "stores"), "taxi")
    number = store.push(model).version.number
    step = 0
    for step in count():
        left = [step]

        def kill(event: str, arguments: tuple[Any, ...], left: list[int] = left) -> None:
            if writes(event, arguments, str(tmp_path / "stores")):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        status = in_child(partial(store.set_alias, f"a{step}", number), kill)
        assert store.alias(f"a{step}") in {None, number}
        if status == 0:
            assert store.alias(f"a{step}") == number
            break
    assert step > 1


def test_abandoned_pushes_are_cleared_away_after_a_day(tmp_path: Path) -> None:
    """What a killed push left aside stays while it may be alive, and goes with a later push."""
    now = [1700000000.0]
    store = ModelStore(str(tmp_path / "taxi"), clock=lambda: now[0])
    aside = tmp_path / "taxi" / ".tmp-dead"
    make_model(aside, b"dead")
    os.utime(aside, (now[0], now[0]))
    store.push(make_model(tmp_path / "a", b"a"))
    assert aside.exists()
    now[0] += 2 * 24 * 3600
    store.push(make_model(tmp_path / "b", b"b"))
    assert not aside.exists()


def test_push_stopped_anywhere_on_an_object_store_is_not_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no rename, what is live is whole after every single write of a push.

    What a stopped push left is neither live nor in the way, and goes with a push a day later.
    """
    old, new = make_model(tmp_path / "old", b"old"), make_model(tmp_path / "new", b"new")
    both = {digest(old), digest(new)}
    now = [1700000000.0]
    store = ModelStore(f"memory://{tmp_path.name}/taxi", clock=lambda: now[0])
    memory: Any = fsspec.filesystem("memory")
    store.push(old, {"contract.json": 1})
    moments: list[dict[str, bytes]] = []
    kind: Any = memory.__class__
    real: Any = kind._open

    def film(self: Any, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if "w" in mode:
            files = memory.find(f"memory://{tmp_path.name}")
            moments.append({path: memory.cat_file(path) for path in files})
        return real(self, path, mode, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "_open", film)
        store.push(new, {"contract.json": 1})
    assert len(moments) > 4
    for moment in moments:
        memory.rm(f"memory://{tmp_path.name}", recursive=True)
        memory.pipe(moment)
        assert len(store.versions()) == 1
        check_whole(store, both)
        now[0] += 2 * 24 * 3600
        store.push(new, {"contract.json": 1})
        check_whole(store, both)
        assert len(store.versions()) == 2
        assert memory.ls(f"memory://{tmp_path.name}/taxi", detail=False) == sorted(
            [f"/{tmp_path.name}/taxi/{v.number}" for v in store.versions()]
            + [f"/{tmp_path.name}/taxi/lockstep.json"]
        )


def race(work: Callable[[int], Any], racers: int = 4) -> list[Any]:
    """Do the same work in several processes, started at one moment; what each of them returned."""
    start, results = fork.Barrier(racers), fork.SimpleQueue()

    def run(number: int) -> None:
        start.wait()
        try:
            results.put(work(number))
        except AliasConflict:
            results.put("conflict")

    processes = [fork.Process(target=run, args=(number,)) for number in range(racers)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return found


def _move(store: ModelStore, versions: list[int], racer: int) -> str:
    store.set_alias("champion", versions[racer], expected=versions[4])
    return "moved"


def _move_many(store: ModelStore, number: int, racer: int) -> None:
    for turn in range(10):
        store.set_alias(f"a{racer}-{turn}", number)


def _push(store: ModelStore, sources: list[str], racer: int) -> tuple[int, bool]:
    pushed = store.push(sources[racer])
    return pushed.version.number, pushed.created


def test_of_racing_moves_exactly_one_wins(tmp_path: Path) -> None:
    """Of processes that expect an alias at one place, one moves it, and the rest are told."""
    store = ModelStore.open(str(tmp_path / "store"), "taxi")
    versions = [
        store.push(make_model(tmp_path / str(i), bytes([i]))).version.number for i in range(5)
    ]
    for turn in range(5):
        store.set_alias("champion", versions[4])
        found = race(partial(_move, store, versions))
        assert sorted(found) == ["conflict", "conflict", "conflict", "moved"]
        assert len(store.history()["champion"]) == 2 * (turn + 1)


def test_racing_moves_of_different_aliases_all_arrive(tmp_path: Path) -> None:
    """No move is lost to another one's write."""
    store = ModelStore.open(str(tmp_path / "store"), "taxi")
    number = store.push(make_model(tmp_path / "m", b"m")).version.number
    race(partial(_move_many, store, number))
    assert len(store.aliases()) == 40


def test_racing_pushes_do_not_collide(tmp_path: Path) -> None:
    """Different models pushed at once get a version each; the same model one for all."""
    store = ModelStore(str(tmp_path / "taxi"), clock=lambda: 1700000000.0)
    sources = [make_model(tmp_path / "models" / str(i), bytes([i // 2])) for i in range(8)]
    found = race(partial(_push, store, sources), 8)
    assert sorted({number for number, _ in found}) == [1700000000 + i for i in range(4)]
    assert sum(created for _, created in found) == 4
    assert {v.digest for v in store.versions()} == {digest(source) for source in sources}
    assert not [name for name in os.listdir(tmp_path / "taxi") if name.startswith(".tmp-")]
