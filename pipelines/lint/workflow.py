"""What of a pipeline's shape a target refuses: names, executors, loops, exit tasks, conditions."""

import json
import re
from typing import Final

from .rule import KFP, VERTEX, Findings, Rule, Subject, container, loops, unknown_field, upstream

_NAME: Final = re.compile(r"[a-z0-9][-a-z0-9]{0,127}")
_STRING: Final = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")
_WITHOUT_A_POD: Final = ("argostub/createpvc", "argostub/deletepvc")
"""Images of tasks that the driver does itself, those of kfp-kubernetes."""
_COMPLETED: Final = "ALL_UPSTREAM_TASKS_COMPLETED"
_TOO_LARGE: Final = 3 * 2**19
"""Bytes of a request that etcd refuses."""


def _pipeline_job(subject: Subject) -> Findings:
    if subject.job:
        yield "root", "the file holds a PipelineJob, and the pipeline spec only within it"


def _schema_version(subject: Subject) -> Findings:
    version = subject.compiled.spec.get("schemaVersion", "missing")
    if version != "2.1.0":
        yield "root", f"the schemaVersion is {version}"


def _pipeline_name(subject: Subject) -> Findings:
    name = subject.compiled.spec["pipelineInfo"].get("name", "")
    if not _NAME.fullmatch(name):
        yield "root", f"the pipeline's name is {name!r}"


def _unknown_field(subject: Subject) -> Findings:
    if problem := unknown_field(subject.raw):
        yield "root", problem


def _dangling(subject: Subject) -> Findings:
    for task in subject.tasks:
        if task.component is None:
            yield task.path, "it names a component that the file does not hold"
        elif task.executor is None and "dag" not in task.component:
            yield task.path, "it has neither an executor nor a dag"
        for missing in sorted(upstream(task) - subject.siblings(task).keys()):
            yield task.path, f"it depends on {missing!r}, which is not there"


def _executor_kind(subject: Subject) -> Findings:
    for task in subject.tasks:
        kinds = sorted(set(task.executor or {"container"}))
        if kinds not in (["container"], ["importer"]):
            yield task.path, f"its executor is {' and '.join(kinds) or 'empty'}"


def _lifecycle(subject: Subject) -> Findings:
    for task in subject.tasks:
        if "lifecycle" in container(task):
            yield task.path, "its container has a lifecycle hook, which is ignored"


def _command(subject: Subject) -> Findings:
    for task in subject.tasks:
        silent = "container" in (task.executor or {}) and not container(task).get("command")
        if silent and container(task).get("image") not in _WITHOUT_A_POD:
            yield task.path, "its container has no command, and the image's is not used"


def _argo_name(subject: Subject) -> Findings:
    name = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*")
    for task in subject.tasks:
        component = str(task.spec.get("componentRef", {}).get("name"))
        own = task.path.rpartition("/")[2]
        longest = f"{component}-{own}-iterator" if loops(task) else f"{own}-driver"
        if not name.fullmatch(own) or len(longest) > 128:
            yield task.path, f"{own!r} is no name for a task"
        inner = "dag" in (task.component or {})
        if component == "root" or not (name if inner else re.compile(r"[-\w]+")).fullmatch(
            component
        ):
            yield task.path, f"{component!r} is no name for a component"


def _empty_dag(subject: Subject) -> Findings:
    for path, holder in subject.holders():
        tasks = holder.get("dag", {}).get("tasks", {}).values()
        if "dag" in holder and all(
            task.get("triggerPolicy", {}).get("strategy") == _COMPLETED for task in tasks
        ):
            yield path, "it holds no task that is not an exit task"


def _artifact_iterator(subject: Subject) -> Findings:
    for task in subject.tasks:
        if "artifactIterator" in task.spec:
            yield task.path, "it is repeated for each artifact of a list"


def _shared_loop(subject: Subject) -> Findings:
    seen: dict[str, int] = {}
    for task in filter(loops, subject.tasks):
        component = str(task.spec.get("componentRef", {}).get("name"))
        if seen.setdefault(component, id(task.spec)) != id(task.spec):
            yield task.path, f"another loop runs its component {component}, too"


def _shared_container(subject: Subject) -> Findings:
    seen: dict[str, tuple[str, str]] = {}
    for task in subject.tasks:
        if "container" in (task.executor or {}):
            sides = [
                (task.component or {}).get(f"{side}Definitions") for side in ("input", "output")
            ]
            interface = json.dumps(sides, sort_keys=True)
            key = json.dumps(container(task), sort_keys=True)
            known, first = seen.setdefault(key, (interface, task.path))
            if known != interface:
                yield task.path, f"its container is that of {first}, its inputs or outputs are not"


def _importer_condition(subject: Subject) -> Findings:
    for task in subject.tasks:
        conditional = task.spec.get("triggerPolicy", {}).get("condition")
        if conditional and "importer" in (task.executor or {}):
            yield task.path, "it is an importer with a condition of its own"


def _condition(subject: Subject) -> Findings:
    for task in subject.tasks:
        condition = task.spec.get("triggerPolicy", {}).get("condition", "")
        rest = _STRING.sub("\0", condition)
        if re.search(r"""['"]|\0\s*[\w\0]""", rest) and not re.search(r"\0\s*in\s*\[", rest):
            yield task.path, f"its condition is no expression: {condition}"


def _exit_task(subject: Subject) -> Findings:
    claimed: dict[tuple[str, str], str] = {}
    for task in subject.tasks:
        if task.spec.get("triggerPolicy", {}).get("strategy") != _COMPLETED:
            continue
        place, siblings = task.path.rpartition("/")[0], subject.siblings(task)
        before = sorted(upstream(task))
        if len(before) != 1:
            yield task.path, f"it is to run when {len(before)} tasks have ended"
        for name in before:
            first = claimed.setdefault((place, name), task.path)
            other = siblings.get(name)
            if first != task.path:
                yield task.path, f"it is to run when {name} has ended, and so is {first}"
            elif other and (loops(other) or "importer" in (other.executor or {})):
                yield task.path, f"it is to run when {name} has ended, a loop or an importer"


def _after_exit_task(subject: Subject) -> Findings:
    for task in subject.tasks:
        siblings = subject.siblings(task)
        for name in sorted(upstream(task) & siblings.keys()):
            if siblings[name].spec.get("triggerPolicy", {}).get("strategy") == _COMPLETED:
                yield task.path, f"it comes after {name}, which runs whatever comes before"


def _size(subject: Subject) -> Findings:
    size = len(json.dumps(subject.raw))
    if size > _TOO_LARGE:
        yield "root", f"the pipeline spec has {size} bytes"


RULES: Final = {
    "pipeline-job": Rule(
        _pipeline_job,
        "a PipelineJob (what TFX's KubeflowV2DagRunner writes) in place of a pipeline spec",
        "take what stands under pipelineSpec",
        "template.go, isPipelineSpec",
    ),
    "schema-version": Rule(
        _schema_version,
        "a schema other than 2.1.0",
        "compile again with kfp 2, or with TFX's use_pipeline_spec_2_1",
        "v2_template.go, NewV2SpecTemplate",
    ),
    "pipeline-name": Rule(
        _pipeline_name,
        "no name, or one with other characters than a-z, 0-9 and -, or over 128 of them",
        "name it with a-z, 0-9 and -, at most 128: @dsl.pipeline(name=...)",
        "argo.go:84; v2_template.go, NewV2SpecTemplate; constants/pipeline.py:36",
        (KFP, VERTEX),
    ),
    "unknown-field": Rule(
        _unknown_field,
        "a field that the message PipelineSpec has not",
        "compile it with a kfp that is no newer than the server",
        "template.go, isPipelineSpec",
    ),
    "dangling-reference": Rule(
        _dangling,
        "a component, an executor or a task that the file does not hold",
        "compile again from the source",
        "visitor.go:141, 178, 201; dag.go, addImplicitDependencies",
        (KFP, VERTEX),
    ),
    "executor-kind": Rule(
        _executor_kind,
        "an executor that is neither a container nor an importer: resolver, customJob",
        "use a container or an importer; for a resolver, use champion",
        "visitor.go:174; dag.go:347",
    ),
    "container-lifecycle": Rule(
        _lifecycle,
        "a container's lifecycle hook (TFX's drivers of ExampleGen): it never runs",
        "do the work inside the step",
        "container.go, Container; driver.go, initPodSpecPatch",
    ),
    "container-command": Rule(
        _command,
        "a container without a command: the launcher takes the place of the image's",
        "give the ContainerSpec its command",
        "driver.go, initPodSpecPatch; launcher_v2.go:97",
    ),
    "argo-name": Rule(
        _argo_name,
        "a task or component whose name is none for Argo: letters, digits and -, a letter first, "
        "at most 128 with Argo's suffixes; and a component called root",
        "rename it",
        "validate.go, isValidWorkflowFieldName, validateDAG; visitor.go:65",
    ),
    "empty-dag": Rule(
        _empty_dag,
        "a dag without a task that is not an exit task",
        "put a task into it, or leave it out",
        "dag.go:141",
    ),
    "artifact-iterator": Rule(
        _artifact_iterator,
        "a loop over artifacts",
        "hand the list to one step that goes through it, or loop over a parameter",
        "dag.go:67; resolve.go, resolveInputs",
    ),
    "shared-loop": Rule(
        _shared_loop,
        "two loops over one and the same component: Argo's templates would have one name",
        "give each loop a component of its own",
        "dag.go, iterationItemTask; argo.go, addTemplate",
    ),
    "shared-container": Rule(
        _shared_container,
        "equal containers behind different interfaces: the first one's interface is used for both",
        "make the commands differ, if only by an argument",
        "argo.go, hashComponentContainer, saveProtoToArguments",
    ),
    "importer-condition": Rule(
        _importer_condition,
        "a condition on an importer itself",
        "put the importer inside dsl.If",
        "dag.go:337",
    ),
    "condition": Rule(
        _condition,
        "a condition that is no CEL, as kfp writes it when a constant holds a quote",
        "compare with a constant without quotes and backslashes",
        "expression.go, Condition; pipeline_spec_builder.py:998",
        (KFP, VERTEX),
    ),
    "exit-task": Rule(
        _exit_task,
        "a task that runs whatever comes before it (ExitHandler, ignore_upstream_failure) and "
        "waits for none or several tasks, for a loop or an importer, or for one that another such "
        "task waits for: it would never run, or several times",
        "wrap what comes before in one dsl.ExitHandler",
        "dag.go:89, 245, 342",
    ),
    "after-exit-task": Rule(
        _after_exit_task,
        "a task after one that runs whatever comes before it: Argo knows no such dependency",
        "do the work in the exit task itself",
        "dag.go:71; validate.go, validateDAG",
    ),
    "spec-size": Rule(
        _size,
        "a spec of more than 1.5 MiB: it becomes one Kubernetes object",
        "move source text and constants into files that the steps read",
        "argo.go, saveProtoToArguments; etcd.io, system limits",
    ),
}
