"""What the outputs of a task depend on: the key under which a later run finds them again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ...components.catalogue import COMPONENTS, ENTRYPOINT, Component
from ...serving.errors import BadModel
from .admit import Program
from .code import code_in_image, code_of
from .content import Content, place_of
from .plan import Task
from .resolve import Placeholders, fill
from .result import Values
from .values import Json, wire

NEVER: Final = "never cached: it looks at, or changes, what its inputs do not show"
OFF: Final = "the pipeline says that it is not to be cached"
"""Why a task has no key."""


@dataclass
class Key:
    """The parts that outputs depend on, by name; a task without a digest is never cached."""

    parts: Json = field(default_factory=dict[str, Any])
    digest: str | None = None
    alone: str | None = None
    """The key of the same task without its rival, if the rival is the very model in question."""
    why: str = ""
    """Why there is no digest, or why it did not help."""


def key_of(
    task: Task,
    program: Program,
    known: Placeholders,
    contents: Mapping[str, Content | None],
    project: Path,
) -> Key:
    """Say what a task's outputs depend on; `contents` holds what lies at each input's address."""
    parts = _parts(task, program, known, project)
    for name, artifacts in known.inputs.artifacts.items():
        seen = [(contents[artifact["uri"]], artifact) for artifact in artifacts]
        unseen = [artifact["uri"] for content, artifact in seen if content is None]
        if unseen:
            return Key(parts, why=f"the content of its input {name} is out of sight: {unseen[0]}")
        parts[f"input {name}"] = [
            {"content": content.digest, "metadata": wire(artifact.get("metadata", {}))}
            for content, artifact in seen
            if content
        ]
    if not task.cached:
        return Key(parts, why=NEVER if task.looks_outside else OFF)
    rival = _rival(program)
    rest = {name: part for name, part in parts.items() if name != f"input {rival}"}
    return Key(parts, _digest(parts), _digest(rest) if rival else None)


def is_its_own_rival(program: Program, inputs: Values, project: Path) -> bool:
    """Whether the two models that a step would compare are one: the champion is the candidate."""
    component = _component(program)
    if component is None or component.rival is None:
        return False
    first, second = (inputs.artifacts.get(name, []) for name in component.rival)
    claimed = second[0].get("metadata", {}).get("digest") if second else None
    place = place_of(first[0]["uri"], project) if first else None
    if not claimed or place is None:
        return False
    from ...components.executors.model_store import SERVING_MODEL  # filesystems take a while
    from ...serving.model_files import digest

    try:
        return bool(digest(str(place / SERVING_MODEL)) == claimed)
    except BadModel:
        return False


def _parts(task: Task, program: Program, known: Placeholders, project: Path) -> Json:
    """Everything but the artifacts."""
    inputs = known.inputs
    if program.image_id:
        code = code_in_image(program.module, program.image_id, inputs.parameters, project)
    else:
        code = code_of(program.module, program.source, inputs.parameters, project)
    used = {
        fact: value
        for fact, value in known.facts.items()
        if any(f"{{{{$.{fact}}}}}" in argument for argument in program.arguments)
    }
    return {
        "program": " ".join((program.module, *program.arguments)).strip(),
        "outputs": wire(task.outputs),
        **{f"code {name}": version for name, version in code.items()},
        **{f"parameter {name}": wire(value) for name, value in inputs.parameters.items()},
        **{f"environment {name}": fill(value, known) for name, value in program.environment},
        **{f"run {fact}": value for fact, value in used.items()},
        **({"cache key": task.cache_key} if task.cache_key else {}),
    }


def _component(program: Program) -> Component | None:
    return COMPONENTS[program.arguments[0]] if program.module == ENTRYPOINT[-1] else None


def _rival(program: Program) -> str | None:
    component = _component(program)
    return component.rival[1] if component and component.rival else None


def _digest(parts: Json) -> str:
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
