"""What compare-and-swap promises on each kind of filesystem."""

import errno
import threading
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lockstep.serving.place import Place, Seen, open_place

fsspec: Any = import_module("fsspec")  # it ships no types


class _ServiceError(Exception):
    """How botocore carries a refusal's code."""

    def __init__(self, code: str) -> None:
        self.response = {"Error": {"Code": code}}


class _Numbered:
    """A memory filesystem of its own that counts how often each file has been written."""

    def __init__(self) -> None:
        of_its_own = {"store": {}, "pseudo_dirs": [""]}
        memory = fsspec.get_filesystem_class("memory")
        self.memory: Any = type("Memory", (memory,), of_its_own)(skip_instance_cache=True)
        self.counts: dict[str, int] = {}
        self.lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.memory, name)

    def info(self, path: str) -> dict[str, Any]:
        """Add the marks of both services."""
        count = str(self.counts.get(path, 0))
        return {**self.memory.info(path), "generation": count, "ETag": f'"{count}"'}

    def write_if(self, path: str, data: bytes, wanted: str | None) -> bool:
        """Write if the file has been written so often (None: never)."""
        with self.lock:
            if str(self.counts.get(path, 0)) != (wanted or "0"):
                return False
            self.memory.pipe_file(path, data)
            self.counts[path] = self.counts.get(path, 0) + 1
            return True


class FakeGs(_Numbered):
    """Answers an upload as Google does through gcsfs: 412 is a FileExistsError."""

    protocol = ("gs", "gcs")
    base = "https://storage.example/storage/v1/"

    def call(self, method: str, address: str, bucket: str, **query: Any) -> None:
        """Take `objects.insert` with `ifGenerationMatch`."""
        path = urlsplit(address.format(bucket)).path
        assert (method, query["uploadType"]) == ("POST", "media")
        assert path == f"/upload/storage/v1/b/{bucket}/o"
        if not self.write_if(
            f"{bucket}/{query['name']}", query["data"], query["ifGenerationMatch"]
        ):
            raise FileExistsError(query["name"])


class FakeS3(_Numbered):
    """Answers `put_object` as S3 does through s3fs: an OSError caused by botocore's error."""

    protocol = ("s3", "s3a")
    refusal = "PreconditionFailed"

    def pipe_file(self, path: str, value: bytes, **query: Any) -> None:
        """Take `IfMatch`, or `IfNoneMatch="*"`."""
        wanted = query["IfMatch"].strip('"') if query.get("IfNoneMatch") != "*" else None
        if not self.write_if(path, value, wanted):
            raise OSError(errno.EINVAL, "no") from _ServiceError(self.refusal)


@pytest.fixture(params=["local", "memory", "gs", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place of each kind."""
    if request.param == "local":
        return open_place(str(tmp_path / "place"))
    if request.param == "memory":
        return open_place(f"memory://{tmp_path.name}")
    return Place(FakeGs() if request.param == "gs" else FakeS3(), "bucket/place")


def swap(place: Place, seen: Seen, data: bytes) -> bool:
    """Swap as the store does it."""
    with place.exclusive():
        return place.swap("file.json", seen, data)


def test_swap_creates_and_replaces_what_was_seen(place: Place) -> None:
    """A file that is as it was seen is replaced; one that was not there is created."""
    assert place.see("file.json") == Seen(None)
    assert swap(place, Seen(None), b"1")
    assert place.see("file.json").data == b"1"
    assert swap(place, place.see("file.json"), b"2")
    assert place.read("file.json") == b"2"


def test_swap_refuses_what_has_changed(place: Place) -> None:
    """A file that somebody else has written since is left as it is."""
    if place.local:
        return  # there a lock keeps everybody else out instead
    assert swap(place, Seen(None), b"1")
    seen = place.see("file.json")
    assert not swap(place, Seen(None), b"2")
    assert swap(place, seen, b"3")
    assert not swap(place, seen, b"4")
    assert place.read("file.json") == b"3"


def test_a_refusal_that_is_no_lost_race_comes_through() -> None:
    """Access denied is not a reason to try again for ever."""
    fs = FakeS3()
    fs.refusal = "AccessDenied"
    place = Place(fs, "bucket/place")
    place.swap("f", Seen(None), b"1")
    with pytest.raises(OSError, match="no"):
        place.swap("f", Seen(None), b"2")


def test_threads_lose_no_update(place: Place) -> None:
    """Counting up in threads, each by read and swap, ends at the sum."""

    def count() -> None:
        for _ in range(10):
            while True:
                with place.exclusive():
                    seen = place.see("file.json")
                    if place.swap("file.json", seen, str(int(seen.data or 0) + 1).encode()):
                        break

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert place.read("file.json") == b"40"


def test_failed_replacement_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the new bytes cannot be put in place, the old ones stay and nothing lies about."""
    place = open_place(str(tmp_path))
    swap(place, Seen(None), b"1")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", fail)
        with pytest.raises(OSError, match="broken"):
            swap(place, place.see("file.json"), b"2")
    assert place.read("file.json") == b"1"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lockstep.lock", "file.json"]
