"""What every pipeline service is asked and answers, whether Kubeflow Pipelines or Vertex AI.

A `Submission` becomes `Request`s (the dry run), and the same requests are then sent. `Runs` is what
this machine's own record answers, too; `Service` adds what only a service far away does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final, Protocol

from ..ir import CompiledPipeline, Json, dump


class State(str, Enum):
    """Where a run or a task stands; the words of the local engine, and those that it lacks."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    PAUSED = "PAUSED"
    UNKNOWN = "UNKNOWN"
    """The service says nothing, or a word that this lockstep does not know."""

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self in ENDED


ENDED: Final = frozenset({State.SUCCEEDED, State.FAILED, State.SKIPPED, State.CANCELLED})


@dataclass(frozen=True)
class Submission:
    """A compiled pipeline and everything that one run of it needs to be told."""

    pipeline: CompiledPipeline
    """As it is sent: where no cache is wanted, every task already says `enableCache: false`."""
    name: str
    """The run's, and of no other run: who submits it again finds the run that is already there."""
    parameters: Json = field(default_factory=dict[str, Any])
    """Typed, and only those that are given: the service fills in the defaults."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """Such as `commit`, `digest` and `why`."""
    experiment: str = ""
    pipeline_root: str = ""
    service_account: str = ""

    @property
    def text(self) -> str:
        """The pipeline's file, as it is uploaded."""
        return dump(self.pipeline)


@dataclass(frozen=True)
class Request:
    """One request that changes something, as it is sent: what a dry run shows.

    A text `${NAME.FIELD}` stands for what the service will have answered to the request NAME, such
    as an id that only it can give.
    """

    name: str
    method: str
    path: str
    """Below the service's address; with its query."""
    body: Json | str
    """JSON, or the text of an uploaded file."""


@dataclass(frozen=True)
class TaskState:
    """One task of a run, as the service tells it."""

    name: str
    state: State
    message: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    id: str = ""
    """The service's own, for its logs: a pod's name on Kubeflow."""


@dataclass(frozen=True)
class Run:
    """One run, as the service tells it; without tasks where several are listed."""

    id: str
    name: str
    state: State
    created: datetime | None = None
    ended: datetime | None = None
    url: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    parameters: Json = field(default_factory=dict[str, Any])
    message: str = ""
    tasks: tuple[TaskState, ...] = ()
    blessed: bool | None = None
    """False: its model was not blessed, and so not pushed. None: the service does not say."""


class Runs(Protocol):
    """Whoever keeps runs: this machine's record, Kubeflow Pipelines, Vertex AI.

    Every method raises the errors of `..errors` (`UnknownRun`, `ServiceError` and below), and
    nothing that a client library has thrown.
    """

    def newest(self, limit: int) -> Iterator[Run]:
        """Give the newest runs, newest first, at most `limit`."""
        ...

    def get(self, run: str) -> Run:
        """Give one run by its id, with its tasks."""
        ...

    def cancel(self, run: str) -> Run:
        """Ask for a run to be stopped; one that has ended stays as it is."""
        ...

    def logs(self, run: str, task: str = "") -> Iterator[str]:
        """Give the lines of one task, or of every task, each behind its name."""
        ...


class Service(Runs, Protocol):
    """A pipeline service far away. What schedules add stands in `schedule.py`."""

    def plan(self, submission: Submission) -> tuple[Request, ...]:
        """Give the requests that `submit` sends, in order; nothing is sent, nothing is asked."""
        ...

    def submit(self, submission: Submission) -> Run:
        """Start a run: twice the same submission starts one run."""
        ...
