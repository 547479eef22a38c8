"""This machine's own runs, asked as a service is asked."""

import os
import shlex
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...serving.errors import one_of
from ..engine.history import read_run, to_json
from ..engine.record import LOG, RUNS, engine_of, find_run, is_alive, open_existing
from ..errors import UnknownRun
from ..ir import Json
from .service import Run, State, TaskState


class Local:
    """The runs under one root, as `Runs`."""

    def __init__(self, root: Path) -> None:
        """Name the root."""
        self.root = root.absolute()

    def newest(self, limit: int) -> Iterator[Run]:
        """Give the newest runs."""
        with closing(open_existing(self.root)) as database:
            rows: list[sqlite3.Row] = database.execute(
                "SELECT * FROM runs ORDER BY started DESC LIMIT ?", (limit,)
            ).fetchall()
        return (self._run(to_json(row)) for row in rows)

    def get(self, run: str) -> Run:
        """Give a run with its tasks, those included that are running.

        Raises:
            UnknownRun: There is none of this name.
        """
        recorded = read_run(self.root, run)
        alive = is_alive(self._directory(run))
        rows = sorted(recorded["tasks"].items(), key=lambda item: item[1]["started"])
        begun = [name for name in self._logged(run) if name not in recorded["tasks"]]
        running = State.RUNNING if alive else State.CANCELLED
        tasks = [_task(name, row) for name, row in rows]
        tasks += [TaskState(name, running, id=name) for name in begun]
        return self._run(recorded, tuple(tasks))

    def cancel(self, run: str) -> Run:
        """Ask the engine to end, as Ctrl-C does; it ends its steps first."""
        with closing(open_existing(self.root)) as database:
            find_run(database, self.root, run)
        engine = engine_of(self._directory(run))
        if not engine:
            return self.get(run)
        with suppress(ProcessLookupError):  # it is gone, and its steps are about to be
            os.kill(engine, signal.SIGTERM)
        found = self.get(run)
        return found if found.state.ended else replace(found, state=State.CANCELLING)

    def logs(self, run: str, task: str = "") -> Iterator[str]:
        """Give what a task printed in all its tries, or what all did.

        Raises:
            UnknownRun: There is no such run, or it has not started such a task.
        """
        logged = set(self._logged(run))
        started = [one.name for one in self.get(run).tasks if one.name in logged]
        if task and task not in started:
            raise UnknownRun(
                given=f"the run {run} has no log of {task!r}",
                allowed=one_of(started, task),
                todo="name one of these; what was cached, skipped or not started has no log",
            )
        for name in [task] if task else started:
            log, before = self._directory(run) / name / LOG, "" if task else f"{name}: "
            with log.open(encoding="utf-8", errors="replace") as lines:
                yield from (f"{before}{line}".rstrip("\n") for line in lines)

    def _directory(self, run: str) -> Path:
        return self.root / RUNS / run

    def _logged(self, run: str) -> list[str]:
        """The tasks that have been started, by name."""
        directory = self._directory(run)
        return sorted(str(log.parent.relative_to(directory)) for log in directory.rglob(LOG))

    def _run(self, row: Json, tasks: tuple[TaskState, ...] = ()) -> Run:
        state, message = State(row["state"]), ""
        if state is State.RUNNING and not is_alive(self._directory(row["run"])):
            go_on = ["lockstep", "run", "--resume", row["run"], "--root", str(self.root)]
            state, message = State.CANCELLED, f"its engine has died; to go on: {shlex.join(go_on)}"
        return Run(
            id=row["run"],
            name=row["pipeline"],
            state=state,
            created=_time(row["started"]),
            ended=_time(row["ended"]),
            url=str(self._directory(row["run"])),
            labels={"digest": row["digest"]},
            parameters=row["parameters"],
            message=message,
            tasks=tasks,
            blessed=_blessed(row.get("tasks", {})),
        )


def _task(name: str, row: Json) -> TaskState:
    message = "cached" if row["origin"] else row["message"]
    started, ended = _time(row["started"]), _time(row["ended"])
    return TaskState(name, State(row["state"]), message, started, ended, name)


def _blessed(tasks: Json) -> bool | None:
    """Whether every pusher has pushed; None if there is none."""
    pushed = [
        bool(artifact["metadata"].get("pushed"))
        for task in tasks.values()
        for artifacts in task["outputs"]["artifacts"].values()
        for artifact in artifacts
        if artifact["metadata"].get("tfx_type") == "PushedModel"
    ]
    return all(pushed) if pushed else None


def _time(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, timezone.utc) if seconds else None
