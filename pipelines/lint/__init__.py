"""The lint: what a target would refuse, or could not repeat, said before anything is sent there.

A target is `kfp`, the newest release of Kubeflow Pipelines that the rules know, `kfp-2.5` for
another one, `vertex` for Vertex AI Pipelines, or `portable` for lockstep's own rules. The rules are
data: docs/kfp.md is their table, with the source of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import DefinitionError, UnknownTarget
from ..ir import CompiledPipeline, Json
from . import inputs, pods, portable, workflow
from .rule import KFP, PORTABLE, VERTEX, Rule, subject

RULES: Final = {**portable.RULES, **workflow.RULES, **inputs.RULES, **pods.RULES}
"""Every rule by its stable id."""

RELEASES: Final = ("2.5", "2.14", "2.15", "2.16", "2.17")
"""The releases of Kubeflow Pipelines that the rules know; there was none between 2.5 and 2.14."""

DEFAULT_TARGETS: Final = (KFP,)
"""What is compiled for when nobody says."""


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

    def __init__(self, name: str, findings: list[Finding], targets: Sequence[str] = ()) -> None:
        """List every finding, one a line."""
        self.findings = findings
        lines = "".join(f"\n  - {finding}" for finding in findings)
        super().__init__(
            given=f"pipeline {name!r} breaks {len(findings)} rule(s):{lines}",
            allowed=f"what {' and '.join(targets or DEFAULT_TARGETS)} runs, and any checkout "
            "compiles to the same digest",
            todo="mend these in the pipeline's source and compile again",
        )


def lint(pipeline: CompiledPipeline | Json, target: str) -> list[Finding]:
    """List what one target refuses of a pipeline.

    Args:
        pipeline: A compiled pipeline, or the JSON of a PipelineSpec or of a PipelineJob.
        target: `kfp`, `kfp-RELEASE`, `vertex`, or `portable` for what no target is asked about.

    Raises:
        UnknownTarget: There is no such target.
        DefinitionError: What is given is no pipeline.
    """
    seen = subject(pipeline)
    return [
        Finding(name, task, what, rule.todo)
        for name, rule in rules_of(target).items()
        for task, what in rule.check(seen)
    ]


def check(
    compiled: CompiledPipeline, targets: Sequence[str] = DEFAULT_TARGETS, *, portable: bool = True
) -> None:
    """Raise `LintError` if any of the targets, or lockstep itself, refuses anything."""
    asked = (*([PORTABLE] if portable else []), *targets)
    findings = list(dict.fromkeys(found for target in asked for found in lint(compiled, target)))
    if findings:
        raise LintError(str(compiled.spec["pipelineInfo"].get("name", "")), findings, targets)


def rules_of(target: str) -> dict[str, Rule]:
    """The rules of one target, by their ids."""
    system, _, release = target.partition("-")
    known = release in RELEASES if release else not target.endswith("-")
    if system not in (PORTABLE, KFP, VERTEX) or not known or (release and system != KFP):
        raise UnknownTarget(
            given=f"the target {target!r}",
            allowed=f"{VERTEX}, {KFP} (that is {KFP}-{RELEASES[-1]}), "
            + ", ".join(f"{KFP}-{known}" for known in RELEASES[:-1]),
            todo=f"name one of these: --target {KFP}",
        )
    at = RELEASES.index(release or RELEASES[-1])
    return {
        name: rule
        for name, rule in RULES.items()
        if system in rule.targets
        and not (rule.before and RELEASES.index(rule.before) <= at and system == KFP)
    }
