"""What a Kubeflow Pipelines API server keeps, and what it lets in (v2beta1).

Written from the public API of kubeflow/pipelines 2.5 to 2.17: `backend/api/v2beta1/*.proto` and the
servers in `backend/src/apiserver/server`. Bodies must be what `kfp_server_api`'s models say.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import kfp_server_api
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from lockstep.pipelines import ir
from lockstep.pipelines.lint import lint

from .kfp_workflow import Workflow

Json = dict[str, Any]

PROTOS: Any = pipeline_spec_pb2
"""Generated, without types."""

_STATES = {
    "Pending": "PENDING",
    "Running": "RUNNING",
    "Succeeded": "SUCCEEDED",
    "Failed": "FAILED",
    "Skipped": "SKIPPED",
}
_KINDS = {
    "STRING": (str,),
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


class Refusal(Exception):
    """What the server says no to, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.status = status


def model(body: Any, name: str) -> Json:
    """Read a body with kfp_server_api's own model, and refuse what is not of it."""
    client: Any = kfp_server_api.ApiClient()
    try:
        read = client.deserialize(SimpleNamespace(data=json.dumps(body)), name)
        known: Json = client.sanitize_for_serialization(read)
    except (ValueError, TypeError, AttributeError) as error:
        raise Refusal(400, f"no {name}: {error}") from error
    if not isinstance(body, dict) or known.keys() != body.keys():
        odd = set(body) ^ set(known) if isinstance(body, dict) else {"no object"}
        raise Refusal(400, f"a {name} has no {sorted(odd)}")
    return body


def now() -> str:
    """The time, as protobuf writes a Timestamp of whole seconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class State:
    """Everything that a server knows."""

    multi_user: bool = False
    fate: Json = field(default_factory=dict[str, Any])
    """How the tasks of runs end that are created from now on (see `Workflow.fate`)."""
    logs: dict[str, str] = field(default_factory=dict[str, str])
    """What a task's pod prints."""
    pod_names: str = "v2"
    execute: Callable[[str, Json, Json, Json], Workflow] | None = None
    """Really executes a run (see `kfp_executed.py`), by name, pipeline, platforms and body."""
    pipelines: dict[str, Json] = field(default_factory=dict[str, Json])
    versions: dict[str, Json] = field(default_factory=dict[str, Json])
    experiments: dict[str, Json] = field(default_factory=dict[str, Json])
    runs: dict[str, Json] = field(default_factory=dict[str, Json])
    recurring_runs: dict[str, Json] = field(default_factory=dict[str, Json])
    workflows: dict[str, Workflow] = field(default_factory=dict[str, Workflow])

    def create_pipeline(self, body: Json) -> Json:
        """Add a pipeline; its name is unique in its namespace."""
        model(body, "V2beta1Pipeline")
        self._named(body, self.pipelines)
        pipeline: Json = {**body, "pipeline_id": str(uuid.uuid4()), "created_at": now()}
        self.pipelines[pipeline["pipeline_id"]] = pipeline
        return pipeline

    def upload_version(self, pipeline_id: str, name: str, text: str) -> Json:
        """Add a version; its name is unique in its pipeline."""
        if pipeline_id not in self.pipelines:
            raise Refusal(400, "Failed to create a pipeline version")
        if any(one["display_name"] == name for one in self.versions_of(pipeline_id)):
            raise Refusal(409, "Failed to create a pipeline version")
        spec = readable(text)
        version: Json = {
            "pipeline_id": pipeline_id,
            "pipeline_version_id": str(uuid.uuid4()),
            "display_name": name,
            "created_at": now(),
            "pipeline_spec": spec,
        }
        self.versions[version["pipeline_version_id"]] = version
        return version

    def versions_of(self, pipeline_id: str) -> list[Json]:
        """All versions of a pipeline."""
        return [one for one in self.versions.values() if one["pipeline_id"] == pipeline_id]

    def create_experiment(self, body: Json) -> Json:
        """Add an experiment; its name is unique in its namespace."""
        model(body, "V2beta1Experiment")
        if self.multi_user != bool(body.get("namespace")):
            raise Refusal(400, "a namespace belongs to, and only to, multi-user mode")
        self._named(body, self.experiments)
        experiment = {**body, "experiment_id": str(uuid.uuid4()), "created_at": now()}
        experiment["storage_state"] = "AVAILABLE"
        self.experiments[experiment["experiment_id"]] = experiment
        return experiment

    def create_run(self, body: Json) -> Json:
        """Start a run of a version that is there."""
        model(body, "V2beta1Run")
        version, experiment = self._sources(body)
        run_id = str(uuid.uuid4())
        run = {**body, "run_id": run_id, "experiment_id": experiment["experiment_id"]}
        run |= {"storage_state": "AVAILABLE", "created_at": now(), "state": "PENDING"}
        run["finished_at"] = "1970-01-01T00:00:00Z"
        run["state_history"] = [{"update_time": now(), "state": "PENDING"}]
        whole = version["pipeline_spec"]
        spec, platform = whole.get("pipeline_spec", whole), whole.get("platform_spec", {})
        name = f"{spec['pipelineInfo']['name']}-{run_id[:5]}"
        if self.execute:
            self.workflows[run_id] = self.execute(name, spec, platform, body)
        else:
            self.workflows[run_id] = Workflow(name, spec, dict(self.fate), self.pod_names)
        self.runs[run_id] = run
        return self.run(run_id)

    def run(self, run_id: str) -> Json:
        """Tell a run with its tasks."""
        run, workflow = self.runs[run_id], self.workflows[run_id]
        tasks = [
            {
                "run_id": run_id,
                "task_id": str(uuid.uuid5(uuid.NAMESPACE_URL, node.name)),
                "display_name": node.display,
                "create_time": run["created_at"],
                "start_time": _stamp(node.started),
                "end_time": _stamp(node.ended),
                **({"state": _STATES[node.phase]} if node.phase in _STATES else {}),
                "child_tasks": [{"pod_name": child} for child in node.children],
            }
            for node in sorted(workflow.nodes.values(), key=lambda one: workflow.id(one.name))
        ]
        return {**run, "run_details": {"task_details": tasks}} if tasks else dict(run)

    def advance(self, run_id: str) -> None:
        """Let a run go on by one step."""
        run, workflow = self.runs[run_id], self.workflows[run_id]
        workflow.advance()
        state = _STATES[workflow.phase]
        if workflow.terminated and workflow.phase == "Running":
            state = "CANCELING"
        if state != run["state"]:
            run["state"] = state
            run["state_history"].append({"update_time": now(), "state": state})
            if workflow.phase in ("Succeeded", "Failed"):
                run["finished_at"] = now()

    def terminate(self, run_id: str) -> None:
        """Cancel a run; one that has ended is not found among those that can be."""
        run = self.runs[run_id]
        if run["state"] not in ("PENDING", "RUNNING", "PAUSED"):
            raise Refusal(400, f"Failed to terminate run {run_id}: it has ended")
        self.workflows[run_id].terminated = True
        run["state"] = "CANCELING"
        run["state_history"].append({"update_time": now(), "state": "CANCELING"})

    def create_recurring_run(self, body: Json) -> Json:
        """Add a recurring run with one trigger."""
        model(body, "V2beta1RecurringRun")
        self._sources(body)
        trigger = model(body.get("trigger") or {}, "V2beta1Trigger")
        if len(trigger) != 1:
            raise Refusal(400, "a trigger is either a cron_schedule or a periodic_schedule")
        cron = (trigger.get("cron_schedule") or {}).get("cron", "0 0 0 * * *")
        if len(cron.split()) not in (5, 6) and not cron.startswith("@"):
            raise Refusal(400, f"Invalid Schedule cron: {cron}")
        if int((trigger.get("periodic_schedule") or {}).get("interval_second", 1)) < 1:
            raise Refusal(400, "interval_second must be at least 1")
        if not 1 <= int(body.get("max_concurrency", 1)) <= 10:
            raise Refusal(400, "The max concurrency of the recurring run must be in range [1, 10]")
        made = {"service_account": "pipeline-runner", **body, "created_at": now()}
        made["recurring_run_id"] = str(uuid.uuid4())
        made |= {"updated_at": now(), "max_concurrency": str(body.get("max_concurrency", 1))}
        made["status"] = "ENABLED" if body.get("mode") == "ENABLE" else "DISABLED"
        self.recurring_runs[made["recurring_run_id"]] = made
        return made

    def _sources(self, body: Json) -> tuple[Json, Json]:
        """Check what a run or recurring run refers to, and its parameters."""
        if not body.get("display_name"):
            raise Refusal(400, "The run name is empty. Please specify a valid name")
        reference = body.get("pipeline_version_reference") or {}
        version = self.versions.get(reference.get("pipeline_version_id", ""))
        if version is None or version["pipeline_id"] != reference.get("pipeline_id"):
            raise Refusal(404, "PipelineVersion not found.")
        experiment = self.experiments.get(body.get("experiment_id", ""))
        if experiment is None:
            raise Refusal(404, f"Experiment {body.get('experiment_id')} not found.")
        if len(body.get("description", "")) > 255:
            raise Refusal(500, "Error 1406: Data too long for column 'Description' at row 1")
        spec = version["pipeline_spec"]
        inputs = spec.get("pipeline_spec", spec)["root"].get("inputDefinitions", {})
        given = (body.get("runtime_config") or {}).get("parameters") or {}
        _check_parameters(inputs.get("parameters", {}), given)
        return version, experiment

    def _named(self, body: Json, others: dict[str, Json]) -> None:
        if not body.get("display_name"):
            raise Refusal(400, "Name is empty. Please specify a valid name.")
        place = (body["display_name"], body.get("namespace", ""))
        if any((o["display_name"], o.get("namespace", "")) == place for o in others.values()):
            raise Refusal(409, f"Already exist error: {body['display_name']} already exists")


def readable(text: str) -> Json:
    """Read an uploaded file as the server does, and refuse what it could not run."""
    try:
        spec, *platforms = [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]
        json_format.ParseDict(spec, PROTOS.PipelineSpec())
        findings = lint(ir.parse(text), "kfp")
    except (yaml.YAMLError, ValueError, json_format.ParseError) as error:
        raise Refusal(400, f"Failed to parse the pipeline: {error}") from error
    if findings:
        raise Refusal(400, "; ".join(map(str, findings)))
    if not platforms:
        return dict(spec)
    return {"pipeline_spec": spec, "platform_spec": platforms[0]}


def _check_parameters(declared: Json, given: Json) -> None:
    if odd := given.keys() - declared.keys():
        raise Refusal(400, f"parameter {sorted(odd)} is not in the pipeline's inputs")
    for name, parameter in declared.items():
        if name not in given:
            if "defaultValue" not in parameter and not parameter.get("isOptional"):
                raise Refusal(400, f"parameter {name} is not optional, yet has no value")
            continue
        value, kind = given[name], parameter["parameterType"]
        if kind == "NUMBER_INTEGER" and isinstance(value, float) and value.is_integer():
            value = int(value)  # a protobuf Struct knows one kind of number only
        if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) != (kind == "BOOLEAN")):
            raise Refusal(400, f"input parameter {name} requires type {kind}")


def _stamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def select(found: Iterable[Json], query: dict[str, str], key: str) -> Json:
    """Filter, sort and cut a list as the API's list methods do."""
    rows = list(found)
    for predicate in json.loads(query.get("filter") or "{}").get("predicates", []):
        model({k: v for k, v in predicate.items() if k != "stringValue"}, "V2beta1Predicate")
        text = predicate.get("string_value", predicate.get("stringValue"))
        name = predicate["key"]
        match predicate["operation"]:
            case "EQUALS" | 1:
                rows = [row for row in rows if row.get(name) == text]
            case "IS_SUBSTRING" | 9:
                rows = [row for row in rows if text in row.get(name, "")]
            case other:
                raise Refusal(400, f"unknown operation {other}")
    by, _, way = (query.get("sort_by") or "created_at").partition(" ")
    rows = [row for _, row in sorted(enumerate(rows), key=lambda p: (p[1].get(by, ""), p[0]))]
    if way == "desc":
        rows.reverse()
    start, size = int(query.get("page_token") or 0), int(query.get("page_size") or 20)
    page: Json = {key: rows[start : start + size], "total_size": len(rows)}
    if start + size < len(rows):
        page["next_page_token"] = str(start + size)
    return page
