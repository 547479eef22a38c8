"""What is recorded of a run, where, and when it counts.

    ROOT/lockstep.db                  runs, executions, artifacts (see `record.sql`)
    ROOT/runs/RUN/pipeline.yaml       what is executed
    ROOT/runs/RUN/lock                held by the engine as long as it lives; its process id
    ROOT/runs/RUN/TASK/log.txt        what a task printed, in all its tries
    ROOT/runs/RUN/TASK/N/...          the outputs of its Nth try

A try writes only into its own, new directory, and the addresses of its artifacts never change.
They count once the database says that the task has succeeded, which it says in one transaction,
when their digests are known: nothing half-written is ever taken for an artifact.
"""

import fcntl
import json
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import RunIsAlive, UnknownRun
from .content import Content
from .database import connect, database_of, transaction
from .failpoint import failpoint
from .key import Key
from .plan import Plan
from .result import State, TaskResult, Values
from .values import Json

RUNS: Final = "runs"
"""The directory under a root that holds one directory for each run."""

LOG: Final = "log.txt"
"""What marks the directory of a task that has been started."""

SCRATCH: Final = "lockstep-"
"""How the name of a try's temporary directory begins; the run's name follows."""


@dataclass(frozen=True)
class Earlier:
    """An execution that has succeeded, and what its outputs looked like then."""

    id: int
    """Of the execution whose process has made the outputs."""
    run: str
    directory: Path
    outputs: Values
    artifacts: tuple[tuple[str, Content | None], ...]
    """Each output artifact's address and content; None if it was out of sight."""


class Vanished(Exception):
    """An earlier execution was removed before its outputs could be taken."""


@dataclass(frozen=True)
class Record:
    """One run's directory and rows, locked against every other engine."""

    root: Path
    run: str
    project: Path
    started: float
    database: sqlite3.Connection
    lock: int

    @property
    def directory(self) -> Path:
        """Where the run's files are."""
        return self.root / RUNS / self.run

    @classmethod
    def create(cls, root: Path, plan: Plan, text: str, parameters: Json, project: Path) -> "Record":
        """Begin a new run of a compiled file; its name sorts by time."""
        root, started = root.absolute(), time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(started))
        run = f"{re.sub(r'[^A-Za-z0-9_-]+', '-', plan.name)}-{stamp}-{secrets.token_hex(3)}"
        database = connect(root)
        with transaction(database):  # whoever clears up waits until the run is locked
            directory = root / RUNS / run
            directory.mkdir(parents=True)
            (directory / "pipeline.yaml").write_text(text, encoding="utf-8")
            lock = take_lock(directory)
            values = (run, plan.name, plan.digest, _json(parameters), str(project), started)
            database.execute(
                "INSERT INTO runs (run, pipeline, digest, parameters, project, started, state)"
                " VALUES (?, ?, ?, ?, ?, ?, 'RUNNING')",
                values,
            )
        return cls(root, run, project, started, database, lock)

    @classmethod
    def reopen(cls, root: Path, run: str) -> "Record":
        """Go on with a run whose engine has ended; what it had not committed is forgotten.

        Raises:
            UnknownRun: there is none of this name.
            RunIsAlive: its engine has not ended.
        """
        root = root.absolute()
        database = open_existing(root)
        find_run(database, root, run)
        lock = take_lock(root / RUNS / run)
        with transaction(database):
            row = find_run(database, root, run)  # nobody has removed it meanwhile
            database.execute("DELETE FROM executions WHERE run=? AND state<>'SUCCEEDED'", (run,))
            database.execute("UPDATE runs SET state='RUNNING', ended=NULL WHERE run=?", (run,))
        return cls(root, run, Path(row["project"]), row["started"], database, lock)

    def close(self) -> None:
        """Let go of the lock."""
        self.database.close()
        os.close(self.lock)

    def finish(self, state: State, outputs: Values) -> None:
        """Say how the run ended."""
        with transaction(self.database):
            self.database.execute(
                "UPDATE runs SET state=?, ended=?, outputs=? WHERE run=?",
                (state.value, time.time(), _json(asdict(outputs)), self.run),
            )

    def task(self, path: str) -> Path:
        """The directory of a task."""
        directory = self.directory / path
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def new_try(self, path: str) -> Path:
        """The new, empty directory of a task's next try."""
        task = self.task(path)
        (task / LOG).touch()
        number = max((int(name) for name in os.listdir(task) if name.isdecimal()), default=0)
        directory = task / str(number + 1)
        directory.mkdir()
        return directory

    def commit(
        self,
        result: TaskResult,
        inputs: Values,
        program: str = "",
        key: Key | None = None,
        contents: Mapping[str, Content | None] | None = None,
        origin: Earlier | None = None,
    ) -> None:
        """Record how a task ended: from here on its outputs count.

        Raises:
            Vanished: its outputs are those of an execution that is not there any more.
        """
        with transaction(self.database):
            if origin and not _is_there(self.database, origin.id):
                raise Vanished
            self.database.execute(
                "DELETE FROM executions WHERE run=? AND task=?", (self.run, result.path)
            )
            row = _row(result, inputs, program, key or Key(), origin)
            row |= {"run": self.run, "directory": self._relative(result.directory)}
            names, places = ", ".join(row), ", ".join("?" * len(row))
            inserted = self.database.execute(
                f"INSERT INTO executions ({names}) VALUES ({places})", tuple(row.values())
            )
            failpoint("recording")
            if origin is None:
                self.database.executemany(
                    "INSERT INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    _artifacts(inserted.lastrowid, result.outputs, contents or {}),
                )
        failpoint("recorded")

    def committed(self) -> dict[str, Earlier]:
        """What of this run counts already, by task."""
        rows = self.database.execute(
            "SELECT * FROM executions WHERE run=? AND state='SUCCEEDED'", (self.run,)
        ).fetchall()
        return {row["task"]: self._earlier(row) for row in rows}

    def find(self, column: str, digest: str | None) -> Iterator[Earlier]:
        """The executions with this key (or key `alone`) whose outputs may serve, newest first."""
        if digest is None:
            return
        rows = self.database.execute(
            f"SELECT * FROM executions WHERE {column}=? AND state='SUCCEEDED' ORDER BY id DESC",
            (digest,),
        ).fetchall()
        seen: set[int] = set()
        for row in rows:
            if (made := row["origin"] or row["id"]) not in seen:
                seen.add(made)
                yield self._earlier(row)

    def known_content(self, uri: str, stamp: str) -> Content | None:
        """What was read at an address before, if it looks as it did then."""
        row = self.database.execute(
            "SELECT digest, stamp, bytes FROM artifacts WHERE uri=? AND stamp=?", (uri, stamp)
        ).fetchone()
        return Content(*row) if row else None

    def has_run(self, program: str) -> bool:
        """Whether this program has ever succeeded here: if not, no cache can serve."""
        query = "SELECT 1 FROM executions WHERE program=? AND state='SUCCEEDED' LIMIT 1"
        return self.database.execute(query, (program,)).fetchone() is not None

    def _earlier(self, row: sqlite3.Row) -> Earlier:
        made = row["origin"] or row["id"]
        artifacts = self.database.execute(
            "SELECT uri, digest, stamp, bytes FROM artifacts WHERE execution=?", (made,)
        )
        run = self.database.execute("SELECT run FROM executions WHERE id=?", (made,)).fetchone()
        return Earlier(
            id=made,
            run=run["run"],
            directory=self.root / row["directory"],
            outputs=values_of(row["outputs"]),
            artifacts=tuple(
                (uri, Content(digest, stamp, size) if digest else None)
                for uri, digest, stamp, size in artifacts
            ),
        )

    def _relative(self, directory: Path | None) -> str:
        return str(directory.relative_to(self.root)) if directory else ""


def values_of(text: str) -> Values:
    """Read inputs or outputs as they are recorded."""
    return Values(**json.loads(text))


def open_existing(root: Path) -> sqlite3.Connection:
    """Open the database of a root that has one.

    Raises:
        UnknownRun: nothing has ever run here.
    """
    if not database_of(root).exists():
        raise UnknownRun(
            given=f"there are no runs under {root}",
            allowed="the root that runs are kept in",
            todo="name it: --root DIR",
        )
    return connect(root)


def find_run(database: sqlite3.Connection, root: Path, run: str) -> sqlite3.Row:
    """The row of a run.

    Raises:
        UnknownRun: there is none of this name.
    """
    row: sqlite3.Row | None = database.execute("SELECT * FROM runs WHERE run=?", (run,)).fetchone()
    if row is not None:
        return row
    newest = database.execute("SELECT run FROM runs ORDER BY started DESC LIMIT 5").fetchall()
    raise UnknownRun(
        given=f"no run {run!r} under {root}",
        allowed="the newest are: " + (", ".join(one["run"] for one in newest) or "none"),
        todo="choose one of the allowed names, or name another --root",
    )


def take_lock(directory: Path) -> int:
    """Lock a run for this process: an open file, which the system closes when the process ends.

    Raises:
        RunIsAlive: another process holds it.
    """
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise RunIsAlive(
            given=f"the run {directory.name} is being executed",
            allowed="a run whose engine has ended",
            todo="wait until it ends, or: "
            f"lockstep runs cancel {directory.name} --root {directory.parents[1]}",
        ) from error
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock


def engine_of(directory: Path) -> int:
    """The process id of the engine that is executing the run of this directory, or 0."""
    return int((directory / "lock").read_text() or 0) if is_alive(directory) else 0


def is_alive(directory: Path) -> bool:
    """Whether an engine is executing the run of this directory."""
    with suppress(FileNotFoundError):
        try:
            os.close(take_lock(directory))
        except RunIsAlive:
            return True
    return False


def _is_there(database: sqlite3.Connection, execution: int) -> bool:
    query = "SELECT 1 FROM executions WHERE id=? AND key IS NOT NULL"
    return database.execute(query, (execution,)).fetchone() is not None


def _row(
    result: TaskResult, inputs: Values, program: str, key: Key, origin: Earlier | None
) -> dict[str, Any]:
    return {
        "task": result.path,
        "program": program,
        "state": result.state.value,
        "message": result.message,
        "origin": origin.id if origin else None,
        "key": key.digest,
        "alone": key.alone,
        "parts": _json(key.parts),
        "why": key.why,
        "started": result.started,
        "ended": time.time(),
        "waited": round(result.waited, 3),
        "seconds": round(result.seconds, 3),
        "cpu": round(result.cpu, 3),
        "memory": result.peak_memory,
        "tries": result.tries,
        "code": result.code,
        "inputs": _json(asdict(inputs)),
        "outputs": _json(asdict(result.outputs)),
    }


def _artifacts(
    execution: int | None, outputs: Values, contents: Mapping[str, Content | None]
) -> Iterator[tuple[Any, ...]]:
    for name, artifacts in outputs.artifacts.items():
        for artifact in artifacts:
            content = contents.get(artifact["uri"])
            kind = artifact.get("type", {}).get("schemaTitle", "")
            metadata = _json(artifact.get("metadata", {}))
            look = (content.digest, content.stamp, content.size) if content else (None,) * 3
            yield execution, name, artifact["uri"], kind, metadata, *look


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
