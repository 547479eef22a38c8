"""A directory on any fsspec filesystem, with what it lacks: durable writes, compare-and-swap."""

import os
import shutil
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from .errors import UnreachableStore

_LOCK_FILE: Final = ".lockstep.lock"
_ASIDE: Final = ".lockstep.tmp"  # one is enough: whoever writes it holds the lock
_THREADS: Final = threading.RLock()
_LOST_ON_S3: Final = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}


@dataclass(frozen=True)
class Seen:
    """A file as it was read: its bytes, and the mark by which a swap knows that it is unchanged."""

    data: bytes | None
    mark: str | None = None


@dataclass(frozen=True)
class Place:
    """A directory; every path that its methods take is relative to it, with `/` between names."""

    fs: Any
    root: str

    @property
    def local(self) -> bool:
        """Whether this is a directory of this machine, where a rename is atomic."""
        return "file" in self.fs.protocol

    def path(self, relative: str = "") -> str:
        """The path as the filesystem itself writes it."""
        return f"{self.root}/{relative}".rstrip("/")

    def url(self, relative: str = "") -> str:
        """The path as others are told it: with the protocol, absolute if it is local."""
        path = self.path(relative)
        return path if self.local else str(self.fs.unstrip_protocol(path))

    def directories(self, relative: str = "") -> list[str]:
        """Names of the sub-directories, sorted; none if there is no such directory."""
        self.fs.invalidate_cache()
        try:
            entries = self.fs.ls(self.path(relative), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = {e["name"].rstrip("/").rpartition("/")[2] for e in entries if _is_directory(e)}
        return sorted(found)

    def files(self, relative: str = "") -> dict[str, dict[str, Any]]:
        """Every file below a directory by its path relative to it, sorted, with fsspec's facts."""
        self.fs.invalidate_cache()
        start = self.path(relative)
        found = self.fs.find(start, detail=True)
        return {path[len(start) + 1 :]: found[path] for path in sorted(found) if path != start}

    def exists(self, relative: str) -> bool:
        """Whether there is a file or directory."""
        self.fs.invalidate_cache()
        return bool(self.fs.exists(self.path(relative)))

    def chunks(self, relative: str, size: int = 1 << 20) -> Iterator[bytes]:
        """A file's bytes, piece by piece."""
        with self.fs.open(self.path(relative), "rb") as file:
            while chunk := file.read(size):
                yield chunk

    def read(self, relative: str) -> bytes:
        """A file's bytes.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return bytes(self.fs.cat_file(self.path(relative)))

    def write(self, relative: str, chunks: Iterable[bytes]) -> None:
        """Write a file; on this machine it is on the disk, and everybody may read it."""
        path = self.path(relative)
        if not self.local:
            with self.fs.open(path, "wb") as file:
                file.writelines(chunks)
            return
        make_readable_directories(os.path.dirname(path))
        with open(path, "wb") as file:
            os.chmod(path, os.stat(path).st_mode | 0o444)
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())

    def remove(self, relative: str) -> None:
        """Remove a directory and everything in it, if it is there."""
        if self.local:
            shutil.rmtree(self.path(relative), ignore_errors=True)
        elif self.exists(relative):
            self.fs.rm(self.path(relative), recursive=True)

    @contextmanager
    def exclusive(self) -> Generator[None, None, None]:
        """Keep every other process of this machine (elsewhere: thread of this process) out.

        The lock is flock(2) on a file in the directory: the kernel lets go of it however its
        holder dies, so that no stale lock can block a store, which a lock made by creating a file
        could. Readers need none: what they read is replaced by a rename.
        """
        if not self.local:
            with _THREADS:
                yield
            return
        import fcntl  # not on every platform; a store on an object store needs none

        make_readable_directories(self.root)
        descriptor = os.open(self.path(_LOCK_FILE), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def see(self, relative: str) -> Seen:
        """Read a file for a later `swap`; the mark is taken first, so it is never too new."""
        self.fs.invalidate_cache()
        try:
            mark = self._mark(relative)
            return Seen(self.read(relative), mark)
        except FileNotFoundError:
            return Seen(None)

    def swap(self, relative: str, seen: Seen, data: bytes) -> bool:
        """Replace a file (or create it) if it still is what was seen; whether that was so.

        - local: an atomic rename; call it within `exclusive`, where nobody else writes.
        - gs: Google's generation match. s3: `If-Match` on the ETag, `If-None-Match` to create.
        - others: compared, then written. That is atomic between the threads of one process
          (within `exclusive`), and best effort between processes.
        """
        if self.local:
            self._replace(relative, data)
            return True
        if _speaks(self.fs, "gs"):
            return self._swap_gs(relative, seen, data)
        if _speaks(self.fs, "s3"):
            return self._swap_s3(relative, seen, data)
        if self.see(relative) != seen:
            return False
        self.fs.pipe_file(self.path(relative), data)
        return True

    def rename(self, source: str, target: str) -> None:
        """Rename a local directory atomically, with all that is in it on the disk."""
        for folder, _, _ in os.walk(self.path(source)):
            sync_directory(folder)
        os.rename(self.path(source), self.path(target))
        sync_directory(self.root)

    def _replace(self, relative: str, data: bytes) -> None:
        target = self.path(relative)
        make_readable_directories(os.path.dirname(target))
        try:
            self.write(_ASIDE, [data])
            os.replace(self.path(_ASIDE), target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(self.path(_ASIDE))
            raise
        sync_directory(os.path.dirname(target))

    def _mark(self, relative: str) -> str | None:
        key = "generation" if _speaks(self.fs, "gs") else "ETag" if _speaks(self.fs, "s3") else None
        return str(self.fs.info(self.path(relative))[key]) if key else None

    def _swap_gs(self, relative: str, seen: Seen, data: bytes) -> bool:
        bucket, _, key = self.path(relative).partition("/")
        address = self.fs.base.replace("/storage/v1/", "/upload/storage/v1/") + "b/{}/o"
        conditions = {"uploadType": "media", "name": key, "ifGenerationMatch": seen.mark or "0"}
        try:
            self.fs.call("POST", address, bucket, data=data, **conditions)
        except FileExistsError:  # this is how gcsfs says 412
            return False
        return True

    def _swap_s3(self, relative: str, seen: Seen, data: bytes) -> bool:
        match = {"IfMatch": seen.mark} if seen.mark else {"IfNoneMatch": "*"}
        try:
            self.fs.pipe_file(self.path(relative), data, **match)
        except OSError as error:
            response: Mapping[str, Any] = getattr(error.__cause__, "response", {})
            if response.get("Error", {}).get("Code") not in _LOST_ON_S3:
                raise
            return False
        return True


def open_place(directory: str, storage_options: Mapping[str, Any] | None = None) -> Place:
    """The place that an address (`path`, `gs://...`, `s3://...`, `memory://...`) stands for.

    Raises:
        UnreachableStore: fsspec knows no such protocol, or its package is not installed.
    """
    fsspec: Any = import_module("fsspec.core")  # untyped, and not light
    try:
        fs, root = fsspec.url_to_fs(directory, **(storage_options or {}))
    except (ImportError, ValueError) as error:
        raise UnreachableStore(
            given=f"{directory}: {error}",
            allowed="a path, or an address whose fsspec filesystem is installed",
            todo="install the package that it names (gs:// is gcsfs, s3:// is s3fs)",
        ) from error
    return Place(fs, str(root).rstrip("/"))


def make_readable_directories(path: str) -> None:
    """Make a local directory and its parents; everybody may read them, whatever the umask."""
    if os.path.isdir(path):
        return
    make_readable_directories(os.path.dirname(path))
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    os.chmod(path, os.stat(path).st_mode | 0o555)


def sync_directory(path: str) -> None:
    """Be sure that a local directory's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _speaks(fs: Any, protocol: str) -> bool:
    return protocol in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def _is_directory(entry: Mapping[str, Any]) -> bool:
    return entry["type"] == "directory" or (
        bool(entry.get("islink")) and os.path.isdir(entry["name"])
    )
