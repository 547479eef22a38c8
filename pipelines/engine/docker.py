"""Steps as containers of a Docker engine, each of the image that its task names.

A container sees the run's files, the project and the volumes where they are on this machine, so a
compiled file means the same as on the host. It runs as whoever started the run, so that its outputs
are theirs. The `docker` command is used, which knows contexts, credentials and podman.
"""

import csv
import io
import json
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from ..errors import BadParameter, CannotRunHere
from .cgroup import Meter
from .launch import Ended, Step, Stopped
from .limits import Guard, Limits
from .values import Json

RUNNER: Final = "docker.json"
"""The file in a run's directory that says what its containers were given."""

_RUN: Final = "lockstep.run"
_ROOT: Final = "lockstep.root"
_ENGINE: Final = "lockstep.engine"
"""Labels of every container, by which it is found when its engine is gone."""

_REAPER: Final = """
cat > /dev/null  # until the engine ends, however it does
for again in 1 2 3; do
    left=$(docker ps --all --quiet --filter "label=$1")
    [ -z "$left" ] || docker rm --force $left
    sleep 1
done
"""


@dataclass(frozen=True)
class Docker:
    """What every container of a run is given besides what its task asks for."""

    volumes: tuple[str, ...] = ()
    """Directories or files to be seen at the same path; read-only, unless `:rw` follows."""
    network: str = ""
    """As `docker run --network` takes it; Docker's own default if empty."""

    def dump(self, directory: Path) -> None:
        """Leave a note in a run's directory, for whoever resumes it."""
        (directory / RUNNER).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> "Docker | None":
        """Read the note; None if the run has no containers."""
        try:
            found = json.loads((directory / RUNNER).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(tuple(found["volumes"]), found["network"])


@dataclass(frozen=True)
class Room:
    """What one run's containers share: its name, its places, and who they run as."""

    run: str
    root: Path
    project: Path
    docker: Docker = field(default_factory=Docker)
    user: str = field(default_factory=lambda: f"{os.getuid()}:{os.getgid()}")
    engine: str = field(default_factory=lambda: secrets.token_hex(6))
    """A name of this process's own: whoever resumes the run has another."""

    def mounts(self) -> dict[Path, bool]:
        """What a container sees of this machine, and whether it may write there."""
        given = [volume.removesuffix(":rw") for volume in self.docker.volumes]
        writable = {path for path in given if f"{path}:rw" in self.docker.volumes}
        named = {Path(path).absolute(): path in writable for path in given}
        return {self.project: False, **named, self.root: True}


def command_line(step: Step, room: Room, name: str) -> list[str]:
    """The `docker run` that one try of a task is.

    As on Kubeflow, a step is not the container's first process, which would ignore signals. Steps
    of lockstep's own work in the project and on a read-only root; other images are used to
    their own directory and to writing into it, as they may on Kubeflow.
    """
    words = step.arguments if not step.module else ("python", "-m", step.module, *step.arguments)
    own = ["--read-only", "--workdir", str(step.directory)] if step.module else []
    labels = {_RUN: room.run, _ROOT: str(room.root), _ENGINE: room.engine}
    scratch = str(step.scratch)
    environment = {"TMPDIR": scratch, "HOME": scratch, **step.environment}
    lent = {Path(place): True for place in step.places}
    mounts = {**lent, **room.mounts(), step.scratch: True}
    return [
        *("docker", "run", "--init", "--name", name, "--log-driver", "none", "--user", room.user),
        *("--security-opt", "no-new-privileges", "--tmpfs", "/tmp:exec,mode=1777", *own),
        *(part for pair in labels.items() for part in ("--label", "=".join(pair))),
        *(part for mount in mounts.items() for part in ("--mount", _mount(*mount))),
        *(part for pair in environment.items() for part in ("--env", "=".join(pair))),
        *(part for name in step.borrowed for part in ("--env", name)),
        *(("--network", room.docker.network) if room.docker.network else ()),
        *(_memory(step.memory) if step.memory else ()),
        *(("--cpus", f"{cores(step.cpu):g}") if step.cpu else ()),
        *("--entrypoint", words[0], step.image, *words[1:]),
    ]


def cores(text: str) -> float:
    """Read a quantity of processors as Kubernetes writes it.

    >>> cores("500m"), cores("2")
    (0.5, 2.0)

    Raises:
        ValueError: it is none.
    """
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def ended(client: int, state: Json | None, seconds: float, meter: Meter) -> Ended:
    """How a container ended, from what the client and then the engine said about it."""
    if state is None or (state["Error"] and not state["OOMKilled"]):
        return Ended(client or 125, seconds, 0, "docker")
    code = int(state["ExitCode"])
    if 128 < code <= 128 + max(signal.valid_signals()):
        code = 128 - code
    breach = "memory" if state["OOMKilled"] and code else ""
    return Ended(code, seconds, meter.peak_memory, breach, meter.cpu)


def identify(image: str, task: str) -> str:
    """The digest of an image that a task names, which is fetched if it is not here.

    Raises:
        CannotRunHere: Docker does not answer, or has no such image.
    """
    look = ("image", "inspect", "--format", "{{.Id}}", image)
    try:
        return _docker(*look)
    except DockerFailed:
        check()
    try:
        _docker("pull", "--quiet", image)
        return _docker(*look)
    except DockerFailed as error:
        raise CannotRunHere(
            given=f"task {task} wants the image {image}, which is not here: {error}",
            allowed="an image that this Docker engine has or can pull",
            todo="build it (make image; docs/runtime-image.md), load it, or name another: --image",
        ) from error


def check() -> None:
    """Make sure that there is a Docker engine.

    Raises:
        CannotRunHere: there is none that answers.
    """
    try:
        _docker("version", "--format", "{{.Server.Version}}")
    except DockerFailed as error:
        raise CannotRunHere(
            given=f"--runner docker: {error}",
            allowed="a `docker` command on the PATH, and an engine that answers it",
            todo="install and start Docker (`docker info` must succeed), name an engine with "
            "DOCKER_HOST, or run without --runner docker",
        ) from error


def check_visible(parameters: Mapping[str, Any], room: Room) -> None:
    """Refuse a volume that is not there, and a parameter that names what no container would see.

    Raises:
        BadParameter: names it, and says how to mount it.
    """
    mounts = room.mounts()
    if gone := [str(path) for path in mounts if not path.exists() and path != room.root]:
        raise BadParameter(
            given=f"--volume {gone[0]}: no such file or directory",
            allowed="an existing directory or file; PATH:rw for writing",
            todo="create it first, or correct the path",
        )
    for name, value in parameters.items():
        if not isinstance(value, str) or not value.startswith("/"):
            continue
        path = Path(value)
        if _is_here(path) and not any(path.is_relative_to(mount) for mount in mounts):
            raise BadParameter(
                given=f"the parameter {name} is {path}, which no container would see",
                allowed="paths below the project, the root of runs or a --volume; URLs",
                todo=f"--volume {path} (to write there: --volume {path}:rw)",
            )


def end_left_behind(root: Path, is_alive: Callable[[str], bool]) -> None:
    """Remove the containers of runs below a root whose engines are gone."""
    try:
        format_ = f'{{{{.Label "{_RUN}"}}}}'
        label = f"label={_ROOT}={root}"
        runs = _docker("ps", "--all", "--filter", label, "--format", format_).split()
        for run in set(runs):
            if not is_alive(run):
                _remove(f"{_RUN}={run}")
    except DockerFailed:  # no engine, so nothing of ours runs there
        return


@dataclass
class Containers:
    """A container for each step; when the engine ends, however it does, all of them end."""

    room: Room
    _running: dict[str, subprocess.Popen[bytes]] = field(
        default_factory=dict[str, "subprocess.Popen[bytes]"]
    )
    _stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Start the process that outlives this one just long enough to clear up."""
        self._reaper = subprocess.Popen(
            ["sh", "-c", _REAPER, "lockstep-reaper", f"{_ENGINE}={self.room.engine}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def expect(self, module: str, arguments: tuple[str, ...]) -> None:
        """Nothing to get ready."""

    def run(self, step: Step) -> Ended:
        """Run a step to its end; what it prints goes to its log."""
        started = time.monotonic()
        name = f"lockstep-{secrets.token_hex(6)}"
        with step.log.open("ab") as log, self._lock:
            if self._stopped:
                raise Stopped
            client = self._running[name] = subprocess.Popen(
                command_line(step, self.room, name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        guard = Guard(Limits(step.timeout), partial(self._signal, name, signal.SIGKILL))
        guard.start(client.pid)
        with Meter(partial(_process_of, name)) as meter:
            client.wait()
        guard.stop()
        result = ended(client.returncode, _state(name), time.monotonic() - started, meter)
        with self._lock:
            del self._running[name]
        _try("rm", "--force", name)
        return replace(result, breach=guard.breach or result.breach)

    def stop(self, grace: float) -> None:
        """Send TERM to every container, and KILL to what is left after `grace`."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for name in running:
            self._signal(name, signal.SIGTERM if grace else signal.SIGKILL)
        if grace:
            clock = threading.Timer(grace, self.stop, (0,))
            clock.daemon = True
            clock.start()

    def imports(self) -> Mapping[str, float]:
        """Nothing is warm: each container imports what it needs."""
        return {}

    def close(self) -> None:
        """End whatever still runs, and the process that would have done so."""
        self._reaper.kill()
        self._reaper.communicate()
        try:
            _remove(f"{_ENGINE}={self.room.engine}")
        except DockerFailed:
            return

    def _signal(self, name: str, number: signal.Signals) -> None:
        """Signal a container; one that cannot be killed, since it is not there yet, never will."""
        if not _try("kill", "--signal", number.name, name) and number == signal.SIGKILL:
            with self._lock:
                if client := self._running.get(name):
                    client.kill()


class DockerFailed(Exception):
    """The `docker` command is not there, or did not do what it was asked for."""


def _docker(*arguments: str) -> str:
    """Ask Docker, and return its answer."""
    try:
        done = subprocess.run(
            ["docker", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
    except FileNotFoundError as error:
        message = "there is no `docker` command on the PATH"
        raise DockerFailed(message) from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise DockerFailed(said[-1])
    return done.stdout.strip()


def _try(*arguments: str) -> bool:
    try:
        _docker(*arguments)
    except DockerFailed:
        return False
    return True


def _remove(label: str) -> None:
    left = _docker("ps", "--all", "--quiet", "--filter", f"label={label}").split()
    if left:
        _docker("rm", "--force", *left)


def _state(name: str) -> Json | None:
    """What Docker knows of how a container ended; None: it knows no such container."""
    try:
        state: Json = json.loads(_docker("inspect", "--format", "{{json .State}}", name))
    except DockerFailed:
        return None
    return state


def _process_of(name: str) -> int:
    """The number of a container's first process on this machine; 0: it has none yet."""
    try:
        return int(_docker("inspect", "--format", "{{.State.Pid}}", name))
    except DockerFailed:
        return 0


def _mount(path: Path, writable: bool) -> str:
    """One mount in Docker's own notation, which is a line of CSV."""
    line = io.StringIO()
    fields = ["type=bind", f"source={path}", f"target={path}"]
    csv.writer(line, lineterminator="").writerow(fields + ([] if writable else ["readonly"]))
    return line.getvalue()


def _memory(limit: int) -> Iterator[str]:
    """A limit of memory, without swapping past it."""
    yield from ("--memory", str(limit), "--memory-swap", str(limit))


def _is_here(path: Path) -> bool:
    """Whether a path names, or might soon name, something on this machine."""
    return path.exists() or (path.parent.exists() and path.parent != Path("/"))
