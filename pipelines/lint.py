r"""The lint: what a cluster would refuse, or could not repeat, said before it is sent there.

The rules stand in one table at the end. A path counts as absolute when its first character says
so (`/data/x.csv`, `~/x`, `C:\x`, `file:///x`), also behind `--flag=`; a lone `/`, a versioned URL
route (`/v1/models`) and what looks like a regular expression do not. Commands and source text are
not looked at: they name places in their image, not on this machine.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from .errors import DefinitionError
from .ir import CompiledPipeline, Json
from .tasks import Constant, Task, constants, leaves, parts, walk

_ABSOLUTE: Final = re.compile(
    r"""(--[\w-]+=)?(
        file:/ | ~[\w.-]*/ | \\\\\w | [A-Za-z]:(\\|/(?!/))    # URL, home, share, drive
      | /(?!/|v\d+(/|$))[^\s^$|\\()\[\]?]+$                     # POSIX
    )""",
    re.VERBOSE,
)
_NAME: Final = re.compile(r"[a-z0-9][-a-z0-9]{0,127}")
_PLACEHOLDER: Final = re.compile(
    r"""\{\{\$\.(inputs|outputs)\.(parameters|artifacts)\[\\*['"]([^'"\\]+)\\*['"]\]"""
)
_LIMIT: Final = 2**53


@dataclass(frozen=True)
class Finding:
    """One broken rule: which, in which task, what is wrong, what to do."""

    rule: str
    task: str
    what: str
    todo: str

    def __str__(self) -> str:
        """One line for a terminal."""
        return f"{self.task}: {self.what} [{self.rule}]; {self.todo}"


class LintError(DefinitionError):
    """A compiled pipeline breaks rules."""

    def __init__(self, name: str, findings: list[Finding]) -> None:
        """List every finding, one a line."""
        self.findings = findings
        lines = "".join(f"\n  - {finding}" for finding in findings)
        super().__init__(
            given=f"pipeline {name!r} breaks {len(findings)} rule(s):{lines}",
            allowed="what Kubeflow Pipelines runs, and any checkout compiles to the same digest",
            todo="mend these in the pipeline's source and compile again",
        )


Check = Callable[[CompiledPipeline, list[Task]], Iterator[tuple[str, str]]]
"""A rule: it yields the task's path and what is wrong there."""


@dataclass(frozen=True)
class Rule:
    """One line of the table: the check and what its findings ask for."""

    check: Check
    todo: str


def lint(compiled: CompiledPipeline) -> list[Finding]:
    """Check a compiled pipeline against every rule."""
    tasks = walk(compiled)
    return [
        Finding(name, task, what, rule.todo)
        for name, rule in RULES.items()
        for task, what in rule.check(compiled, tasks)
    ]


def check(compiled: CompiledPipeline) -> None:
    """Raise `LintError` if there is any finding."""
    findings = lint(compiled)
    if findings:
        raise LintError(str(compiled.spec["pipelineInfo"].get("name", "")), findings)


def _pipeline_name(compiled: CompiledPipeline, _: list[Task]) -> Iterator[tuple[str, str]]:
    name = compiled.spec["pipelineInfo"].get("name", "")
    if not _NAME.fullmatch(name):
        yield "root", f"the pipeline's name is {name!r}"


def _dangling(_: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        if task.component is None:
            yield task.path, "it names a component that the file does not hold"
        elif task.executor is None and "dag" not in task.component:
            yield task.path, "it has neither an executor nor a dag"


def _executor_kind(_: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        kinds = sorted(set(task.executor or {"container"}))
        if kinds not in (["container"], ["importer"]):
            yield task.path, f"its executor is {' and '.join(kinds) or 'empty'}"


def _lifecycle(_: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        if "lifecycle" in _container(task):
            yield task.path, "its container has a lifecycle hook, which Kubeflow ignores"


def _command(_: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        if "container" in (task.executor or {}) and not _container(task).get("command"):
            yield task.path, "its container has no command, and Kubeflow does not use the image's"


def _artifact_type(compiled: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    holders = [("root", compiled.spec["root"]), *((t.path, t.component or {}) for t in tasks)]
    found = [
        (path, name, artifact.get("artifactType", {}))
        for path, holder in holders
        for side in ("inputDefinitions", "outputDefinitions")
        for name, artifact in holder.get(side, {}).get("artifacts", {}).items()
    ]
    for task in tasks:
        importer = (task.executor or {}).get("importer")
        if importer is not None:
            found.append((task.path, "import", importer.get("typeSchema", {})))
    for path, name, artifact_type in found:
        title = artifact_type.get("schemaTitle", "")
        if not title.startswith(("system.", "google.")):
            yield path, f"artifact {name} has type {title!r}"


def _absolute_path(compiled: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for constant, leaf in _scalars(compiled, tasks):
        if isinstance(leaf, str) and _ABSOLUTE.match(leaf):
            yield constant.task, f"{constant.name} holds the absolute path {leaf!r}"


def _module_path(_: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        for name in ("module_file", "schema_file") if task.lockstep_component else ():
            value = task.parameters.get(name, {}).get("runtimeValue", {}).get("constant", "")
            if ".." in str(value).split("/"):
                yield task.path, f"{name} {value!r} leads out of the project"


def _cached_effect(_: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        component = task.lockstep_component
        if task.cached and component is not None and component.looks_outside:
            yield task.path, "it is cached, but looks at what its inputs do not show"


def _cached_ingest(_: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        component = task.lockstep_component
        if task.cached and task.must_not_be_cached and component and component.cached_with:
            yield task.path, f"it is cached, but {component.cached_with} comes from no task"


def _null(compiled: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for constant, leaf in _scalars(compiled, tasks):
        if leaf is None:
            yield constant.task, f"{constant.name} holds None"


def _large_integer(compiled: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for constant, leaf in _scalars(compiled, tasks):
        exact = constant.kind != "NUMBER_DOUBLE" and isinstance(leaf, int | float)
        if exact and abs(leaf) >= _LIMIT:
            yield constant.task, f"{constant.name} holds {leaf}, beyond what a double counts to"


def _channel(compiled: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        if "{{channel:" in json.dumps([task.spec, task.executor]):
            yield task.path, "it holds a {{channel:...}} that the compiler did not replace"
    if "{{channel:" in json.dumps(compiled.platform):
        yield "root", "the platform document holds a {{channel:...}}"


def _unknown_input(_: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        component = task.component or {}
        fed = [source.get("runtimeValue", {}) for source in task.parameters.values()]
        for text in _strings([fed, _container(task)]):
            for side, kind, name in _PLACEHOLDER.findall(text):
                known = component.get(f"{side[:-1]}Definitions", {}).get(kind, {})
                given = task.spec.get(side, {}).get(kind, {})
                if name not in known and name not in given:
                    yield task.path, f"a placeholder names {side}.{kind} {name!r}"


def _container(task: Task) -> Json:
    container: Json = (task.executor or {}).get("container", {})
    return container


def _scalars(compiled: CompiledPipeline, tasks: list[Task]) -> Iterator[tuple[Constant, Any]]:
    """List every scalar of every constant, each with the constant that holds it."""
    for constant in constants(compiled, tasks):
        for leaf in leaves(constant.value):
            yield constant, leaf


def _strings(value: Any) -> Iterator[str]:
    """List every string in a JSON value."""
    if isinstance(value, str):
        yield value
    for inner in parts(value):
        yield from _strings(inner)


RULES: Final = {
    "pipeline-name": Rule(
        _pipeline_name, "name it with a-z, 0-9 and -, at most 128: @dsl.pipeline(name=...)"
    ),
    "dangling-reference": Rule(_dangling, "compile again from the source"),
    "executor-kind": Rule(
        _executor_kind, "use a container or an importer; for a resolver, use champion"
    ),
    "container-lifecycle": Rule(_lifecycle, "do the work inside the step"),
    "container-command": Rule(_command, "give the ContainerSpec its command"),
    "artifact-type": Rule(
        _artifact_type, "use a type of KFP's: system.Dataset, system.Model, system.Artifact, ..."
    ),
    "absolute-path": Rule(
        _absolute_path, "make it relative to the project, a URL, or a runtime parameter"
    ),
    "module-path": Rule(_module_path, "keep the file inside the project (--project)"),
    "cached-effect": Rule(_cached_effect, "task.set_caching_options(False)"),
    "cached-ingest": Rule(
        _cached_ingest, "feed it from span_resolver, or task.set_caching_options(False)"
    ),
    "null-constant": Rule(_null, "leave the key out"),
    "large-integer": Rule(_large_integer, "write it as a string, or keep it below 2**53"),
    "unresolved-channel": Rule(_channel, "hand the value over as an argument of its own"),
    "unknown-input": Rule(_unknown_input, "name an input or output that the task has"),
}
"""Every rule by its stable id."""
