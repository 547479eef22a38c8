"""A run as OpenLineage tells it (spec 2-0-2): an event for each start and each end."""

import json
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from .database import connect
from .history import to_json
from .result import State, TaskResult
from .values import Json

_PRODUCER: Final = "urn:lockstep:engine"
_SPEC: Final = "https://openlineage.io/spec"
_ENDS: Final = {
    State.SUCCEEDED: "COMPLETE",
    State.FAILED: "FAIL",
    State.CANCELLED: "ABORT",
}
_JOB: Final = {"processingType": "BATCH", "integration": "LOCKSTEP"}
_TIMEOUT: Final = 10.0


class Events:
    """Tells one run's events to a file, a JSON in each line, or POSTs them to a URL, in order.

    Without a file or URL it tells nothing. A receiver that does not answer is told once on stderr,
    and the run goes on.
    """

    def __init__(self, target: str, root: Path, run: str, pipeline: str) -> None:
        """Get ready; nothing is sent yet."""
        self._target, self._root, self._run, self._pipeline = target, root, run, pipeline
        self._sender = ThreadPoolExecutor(1)
        self._lost = threading.Event()

    def __enter__(self) -> "Events":
        """Say that the run has started."""
        self._tell("START", "")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Wait until everything is sent."""
        if error:
            self._tell("FAIL", "", message=str(error))
        self._sender.shutdown()

    def listen(self, result: TaskResult) -> None:
        """Tell what has become of a task."""
        if not self._target:
            return
        if result.state is State.RUNNING:
            if result.tries == 1:
                self._tell("START", result.path)
        elif result.state in _ENDS:
            if not result.tries:
                self._tell("START", result.path)
            datasets = self._datasets(result.path)
            self._tell(_ENDS[result.state], result.path, datasets, result.message)

    def end(self, state: State) -> None:
        """Say how the run has ended."""
        self._tell(_ENDS[state], "")

    def _tell(
        self, kind: str, task: str, datasets: dict[str, list[Json]] | None = None, message: str = ""
    ) -> None:
        if not self._target:
            return
        run_facets: Json = {}
        if task:
            parent = {"run": {"runId": self._id("")}, "job": self._job("")}
            run_facets["parent"] = _facet("1-0-1/ParentRunFacet", **parent)
        if message and kind == "FAIL":
            error = {"message": message, "programmingLanguage": "PYTHON"}
            run_facets["errorMessage"] = _facet("1-0-1/ErrorMessageRunFacet", **error)
        job_type = _facet("2-0-3/JobTypeJobFacet", **_JOB, jobType="TASK" if task else "PIPELINE")
        event = {
            "eventType": kind,
            "eventTime": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"),
            "run": {"runId": self._id(task), "facets": run_facets},
            "job": {**self._job(task), "facets": {"jobType": job_type}},
            "inputs": (datasets or {}).get("inputs", []),
            "outputs": (datasets or {}).get("outputs", []),
            "producer": _PRODUCER,
            "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        }
        self._sender.submit(self._send, event)

    def _send(self, event: Json) -> None:
        if self._lost.is_set():
            return
        try:
            if self._target.startswith(("http://", "https://")):
                import httpx

                httpx.post(self._target, json=event, timeout=_TIMEOUT).raise_for_status()
            else:
                with open(self._target, "a", encoding="utf-8") as file:
                    file.write(json.dumps(event, ensure_ascii=False) + "\n")
        except Exception as error:  # whatever it is, the run matters more
            self._lost.set()
            said = f"warning: OpenLineage events are lost from here on: {self._target}: {error}"
            print(said, file=sys.stderr)  # noqa: T201 - the run's own log

    def _job(self, task: str) -> Json:
        return {"namespace": "lockstep", "name": f"{self._pipeline}.{task}".rstrip(".")}

    def _id(self, task: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"lockstep:{self._run}:{task}"))

    def _datasets(self, task: str) -> dict[str, list[Json]]:
        """What a task has read and made, as it is recorded."""
        with closing(connect(self._root)) as database:
            query = "SELECT inputs, outputs FROM executions WHERE run=? AND task=?"
            row = database.execute(query, (self._run, task)).fetchone()
            values = to_json(row) if row else {"inputs": {}, "outputs": {}}
            digests = {
                uri: digest
                for lists in values.values()
                for uris in lists.get("artifacts", {}).values()
                for (uri, digest) in database.execute(
                    f"SELECT uri, digest FROM artifacts WHERE uri IN ({','.join('?' * len(uris))})",
                    [one["uri"] for one in uris],
                )
            }
        return {
            way: [
                _dataset(one["uri"], digests.get(one["uri"]))
                for uris in lists.get("artifacts", {}).values()
                for one in uris
            ]
            for way, lists in values.items()
        }


def _dataset(uri: str, digest: str | None) -> Json:
    scheme, separator, rest = uri.partition("://")
    bucket, _, path = rest.partition("/")
    place = (
        {"namespace": f"{scheme}://{bucket}", "name": path}
        if separator
        else {"namespace": "file", "name": uri}
    )
    version = _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=f"sha256:{digest}")
    return {**place, "facets": {"version": version} if digest else {}}


def _facet(schema: str, **content: Any) -> Json:
    name = schema.rpartition("/")[2]
    return {
        "_producer": _PRODUCER,
        "_schemaURL": f"{_SPEC}/facets/{schema}.json#/$defs/{name}",
        **content,
    }
