"""What of the values that tasks are given a target refuses, or hands over otherwise."""

import json
import re
from typing import Final

from ..tasks import Task
from .rule import KFP, VERTEX, Findings, Rule, Subject, container, loops, produced, strings

_OF_THE_JOB: Final = re.compile(r"\{\{\$\.pipeline_\w+\}\}")
_MOST_ARTIFACTS: Final = 100


def _constants(task: Task) -> list[str]:
    fed = (source.get("runtimeValue", {}).get("constant") for source in task.parameters.values())
    return [text for value in fed for text in strings(value)]


def _parameter_type(subject: Subject) -> Findings:
    for path, holder in subject.holders():
        for side in ("inputDefinitions", "outputDefinitions"):
            for name, parameter in holder.get(side, {}).get("parameters", {}).items():
                if "parameterType" not in parameter:
                    yield path, f"parameter {name} has no parameterType"


def _runtime_value(subject: Subject) -> Findings:
    for task in subject.tasks:
        for name, source in task.parameters.items():
            if "constant" not in source.get("runtimeValue", {"constant": None}):
                kinds = ", ".join(source["runtimeValue"]) or "nothing"
                yield task.path, f"{name} is fed with a runtimeValue of {kinds}"


def _schema_uri(subject: Subject) -> Findings:
    for path, holder in subject.holders():
        artifacts = holder.get("outputDefinitions", {}).get("artifacts", {})
        for name, artifact in artifacts.items():
            if "schemaUri" in artifact.get("artifactType", {}):
                yield path, f"artifact {name} names its type by a schemaUri"


def _importer_uri(subject: Subject) -> Findings:
    for task in subject.tasks:
        importer = (task.executor or {}).get("importer", {})
        uri = importer.get("artifactUri", {}).get("constant", "gs://")
        if not re.match(r"\{\{\$|[a-z][a-z0-9+.-]*://", str(uri)):
            yield task.path, f"it imports {uri!r}"


def _absent_artifact(subject: Subject) -> Findings:
    for task in subject.tasks:
        outer = subject.parent(task)
        given = outer.spec.get("inputs", {}).get("artifacts", {}) if outer else {}
        item = outer.spec.get("artifactIterator", {}).get("itemInput") if outer else None
        for name, source in task.spec.get("inputs", {}).get("artifacts", {}).items():
            wanted = source.get("componentInputArtifact")
            if wanted is not None and wanted not in given and wanted != item:
                yield task.path, f"{name} is to be {wanted!r}, which nobody gives"


def _absent_parameter(subject: Subject) -> Findings:
    for task in subject.tasks:
        outer = subject.parent(task)
        item = outer.spec.get("parameterIterator", {}).get("itemInput") if outer else None
        for name, source in task.parameters.items():
            wanted = source.get("componentInputParameter")
            if outer and wanted is not None and wanted not in outer.parameters and wanted != item:
                yield task.path, f"{name} is to be {wanted!r}, which is left out there"


def _final_status(subject: Subject) -> Findings:
    for task in subject.tasks:
        if any("taskFinalStatus" in source for source in task.parameters.values()):
            yield task.path, "it asks for the final status of another task"


def _collected(subject: Subject) -> Findings:
    for task in subject.tasks:
        siblings = subject.siblings(task)
        for name in sorted(produced(task) & siblings.keys()):
            if loops(siblings[name]):
                yield task.path, f"it collects what the loop {name} has made"


def _display_name(subject: Subject) -> Findings:
    for task in subject.tasks:
        own = task.path.rpartition("/")[2]
        shown = task.spec.get("taskInfo", {}).get("name", own)
        used = any(own in produced(other) for other in subject.siblings(task).values())
        if shown != own and used:
            yield task.path, f"it is shown as {shown!r}, and others take its outputs"


def _nested_placeholder(subject: Subject) -> Findings:
    for task in subject.tasks:
        mends_it = task.lockstep_component is not None  # the entrypoint replaces what is left
        if not mends_it and any("{{$.inputs." in text for text in _constants(task)):
            yield task.path, "a text that it is given has another input within it"


def _job_placeholder(subject: Subject) -> Findings:
    for task in subject.tasks:
        mixed = [text for text in _constants(task) if not _OF_THE_JOB.fullmatch(text)]
        for text in [*mixed, *strings(container(task))]:
            if found := _OF_THE_JOB.search(text):
                yield task.path, f"{found[0]} stands within a text or a command"
                break


def _env_placeholder(subject: Subject) -> Findings:
    for task in subject.tasks:
        for variable in container(task).get("env", []):
            if "{{$" in variable.get("value", ""):
                yield task.path, f"the variable {variable['name']} holds a placeholder"


def _collected_artifacts(subject: Subject) -> Findings:
    for task in subject.tasks:
        siblings = subject.siblings(task)
        for name, source in task.spec.get("inputs", {}).get("artifacts", {}).items():
            loop = siblings.get(source.get("taskOutputArtifact", {}).get("producerTask", ""))
            items = loop.spec.get("parameterIterator", {}).get("items", {}) if loop else {}
            if (count := len(json.loads(items.get("raw", "[]")))) > _MOST_ARTIFACTS:
                yield task.path, f"{name} collects {count} artifacts"


RULES: Final = {
    "parameter-type": Rule(
        _parameter_type,
        "a parameter without a parameterType (schema 2.0.0 has a type)",
        "compile again with schema 2.1.0",
        "v2_template.go, validatePipelineJobInputs; resolve.go, resolveInputs",
    ),
    "runtime-value": Rule(
        _runtime_value,
        "a runtimeValue that is not a constant: constantValue, runtimeParameter",
        "make it a constant or a parameter of the pipeline",
        "resolve.go, resolveInputParameter",
    ),
    "schema-uri": Rule(
        _schema_uri,
        "an output whose type is given by a URI",
        "name a type by its schemaTitle",
        "launcher_v2.go, getArtifactSchema",
    ),
    "importer-uri": Rule(
        _importer_uri,
        "an importer of what is no URL: a pod has no such place",
        "import gs://, s3:// or another URL, or make it a parameter of the pipeline",
        "launcher_v2.go, LocalPathForURI",
        (KFP, VERTEX),
    ),
    "absent-artifact": Rule(
        _absent_artifact,
        "an input artifact that a pipeline is to be given from outside, or that an outer task "
        "leaves out: a run takes parameters only, and what is missing is an error even if optional",
        "import it inside the pipeline with dsl.importer, or leave it out where it is used",
        "resolve.go, resolveInputArtifact; driver.go, RootDAG",
    ),
    "absent-parameter": Rule(
        _absent_parameter,
        "a nested pipeline's parameter that is left to its default and used inside",
        "give it where the nested pipeline is called",
        "CHANGELOG.md, 2.14.0 (#11980)",
        (KFP,),
        "2.14",
    ),
    "final-status": Rule(
        _final_status,
        "dsl.PipelineTaskFinalStatus",
        "leave it out, or upgrade Kubeflow Pipelines",
        "CHANGELOG.md, 2.14.0 (#11953)",
        (KFP,),
        "2.14",
    ),
    "collected": Rule(
        _collected,
        "dsl.Collected: the outputs of a loop outside of it",
        "do the rest inside the loop, or upgrade Kubeflow Pipelines",
        "CHANGELOG.md, 2.14.0 (#11725)",
        (KFP,),
        "2.14",
    ),
    "display-name": Rule(
        _display_name,
        "a display name on a task whose outputs others take",
        "leave set_display_name out, or upgrade Kubeflow Pipelines",
        "CHANGELOG.md, 2.14.0 (#11938)",
        (KFP,),
        "2.14",
    ),
    "nested-placeholder": Rule(
        _nested_placeholder,
        "an input within a text (an f-string): now and then it is not replaced",
        "make the text in a step, or upgrade Kubeflow Pipelines",
        "CHANGELOG.md, 2.14.0 (#11925); launcher_v2.go, executeV2",
        (KFP,),
        "2.14",
    ),
    "job-placeholder": Rule(
        _job_placeholder,
        "the name or number of the run within a longer text or a command: it stays as it is",
        "hand it over as an argument of its own, and put the text together in the step",
        "resolve.go, resolveInputParameter; launcher_v2.go, getPlaceholders",
    ),
    "env-placeholder": Rule(
        _env_placeholder,
        "a placeholder in the value of an environment variable: it stays as it is",
        "hand it over as an argument",
        "driver.go, initPodSpecPatch",
    ),
    "collected-artifacts": Rule(
        _collected_artifacts,
        "more than 100 artifacts for one input",
        "loop over fewer items, or collect parameters",
        "kubeflow/kubeflow issue 7513",
        (VERTEX,),
    ),
}
