"""What a TFX pipeline becomes: tasks, and the pipeline parameters that they ask for. Data only."""

import inspect
from dataclasses import dataclass, field
from typing import Any

from ..errors import NoCounterpart


@dataclass(frozen=True)
class Parameter:
    """Stands in an argument where a parameter of the pipeline will be."""

    name: str


@dataclass(frozen=True)
class Output:
    """Stands in an argument where an output of another task will be."""

    task: str
    key: str


@dataclass(frozen=True)
class RunId:
    """Stands in an argument where the run's id will be."""


@dataclass(frozen=True)
class Settings:
    """How a task is run: what TFX says beside inputs and properties."""

    cached: bool = False
    retries: int = 0
    timeout: int = 0
    cpu_limit: float = 0.0
    memory_limit: float = 0.0
    """In gigabytes, as TFX's `ResourceSpec` has it."""
    accelerator: tuple[str, int] | None = None
    always: bool = False
    """It runs also where an earlier task has failed."""


@dataclass(frozen=True)
class Task:
    """One task: a kfp component, its arguments, what it waits for, and the conditions it is in."""

    name: str
    component: Any
    arguments: dict[str, Any]
    title: str
    """The id of the TFX node."""
    after: tuple[str, ...] = ()
    contexts: tuple[Any, ...] = ()
    """TFX's `CondContext`s, outer before inner."""
    settings: Settings = field(default_factory=Settings)


@dataclass
class Plan:
    """All tasks of a pipeline, in an order in which they can be made."""

    tasks: list[Task] = field(default_factory=list[Task])
    outputs: dict[tuple[str, str], Output | None] = field(
        default_factory=dict[tuple[str, str], Output | None]
    )
    """TFX node and output key -> output of a task; None if there is nothing to hand on."""
    last: dict[str, str] = field(default_factory=dict[str, str])
    """TFX node -> the task that ends it."""
    predicates: dict[Any, Output] = field(default_factory=dict[Any, Output])
    """`CondContext` -> the output that says whether it holds."""
    parameters: dict[str, inspect.Parameter] = field(default_factory=dict[str, inspect.Parameter])
    here: dict[str, str] = field(default_factory=dict[str, str])
    """Values of parameters that are good on this machine only."""
    exit_task: Task | None = None


def outputs_in(value: Any) -> list[Output]:
    """List the outputs that an argument is made of."""
    if isinstance(value, Output):
        return [value]
    if isinstance(value, dict):
        return [output for inner in value.values() for output in outputs_in(inner)]
    return [o for inner in value for o in outputs_in(inner)] if isinstance(value, list) else []


def refuse(node: Any, what: str, allowed: str, todo: str) -> NoCounterpart:
    """Say that a node cannot be mapped, by its name and type."""
    return NoCounterpart(
        given=f"node {node.id} ({type(node).__name__}) {what}", allowed=allowed, todo=todo
    )
