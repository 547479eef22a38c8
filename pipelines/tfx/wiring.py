"""The pipeline that is being mapped: what its nodes are given, and what they give."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from kfp import dsl

from ...components import tfx_value
from ..errors import NoCounterpart
from .declare import extended
from .parameters import Places, snake
from .placeholders import expression_of
from .plan import Output, Parameter, Plan, RunId, Settings, Task, outputs_in, refuse
from .settings import settings_of
from .standard import without_none

_OWN: Final = ("__main__", "__lockstep_definition__")
"""The names that the pipeline's own file goes by while it is loaded."""


@dataclass
class Wiring:
    """The pipeline that is being mapped."""

    pipeline: Any
    source: Path
    """The file that it comes from."""
    places: Places

    @property
    def plan(self) -> Plan:
        """The tasks so far."""
        return self.places.plan

    def put(
        self, node: Any, name: str, component: Any, arguments: dict[str, Any], title: str = ""
    ) -> None:
        """Append a task of a node, and take it for the node's last."""
        wired = {output.task for output in outputs_in(arguments)}
        waits = {self.plan.last[n.id] for n in node.upstream_nodes if n.id in self.plan.last}
        after = tuple(sorted(waits - wired - self._behind(wired)))
        remote = "://" in str(arguments.get("module_file"))  # its content is in no cache key
        settings = settings_of(node, self.pipeline.enable_cache and not remote)
        contexts = self.contexts(node)
        task = Task(name, component, arguments, title or node.id, after, contexts, settings)
        self._append(node, task)
        self.plan.last[node.id] = name

    def gives(self, node: Any, task: str) -> None:
        """Say that a node's outputs are those of a task."""
        for key in node.outputs:
            self.plan.outputs[node.id, key] = Output(task, key)

    def inputs(self, node: Any) -> dict[str, Output]:
        """Find where a node's input artifacts come from; what is not there is left out."""
        found = {key: self.channel(node, channel) for key, channel in node.inputs.items()}
        for key, output in found.items():
            if output is None and not node.spec.INPUTS[key].optional:
                raise refuse(
                    node,
                    f"needs the input {key}, which the resolver before it does not give",
                    "the champion's model; that it is blessed, goes without saying",
                    f"leave {key} out, or take it from a node of this pipeline",
                )
        return {key: output for key, output in found.items() if output is not None}

    def channel(self, node: Any, channel: Any) -> Output | None:
        """Find the output that a channel stands for."""
        producer = getattr(channel, "producer_component_id", None)
        key = (str(producer), str(getattr(channel, "output_key", None)))
        if key in self.plan.outputs:
            return self.plan.outputs[key]
        _refuse_channel(node, channel)

    def converted(self, node: Any, name: str, value: Any, kind: type) -> Parameter | Output:
        """Give what stands for a RuntimeParameter or a placeholder."""
        from tfx.orchestration.data_types import RuntimeParameter

        if isinstance(value, RuntimeParameter):
            return self.places.runtime(node, value, kind)
        contexts = self.contexts(node)
        return self.evaluated(node, name, value, kind, contexts)

    def contexts(self, node: Any) -> tuple[Any, ...]:
        """Plan the conditions that a node is in, each once, and give them."""
        from tfx.dsl.experimental.conditionals.conditional import CondContext

        registry = self.pipeline.dsl_context_registry
        found: tuple[Any, ...] = ()
        for context in registry.get_contexts(node) if node in registry.all_nodes else ():
            if not isinstance(context, CondContext):
                raise refuse(
                    node,
                    "is inside a ForEach",
                    "conditions (Cond); on Kubeflow Pipelines a loop goes over parameters, and "
                    "here no step gives a list of artifacts",
                    "loop inside one component, or write the loop with kfp's dsl.ParallelFor",
                )
            if context not in self.plan.predicates:
                number = len(self.plan.predicates) + 1
                self.plan.predicates[context] = self.evaluated(
                    node, f"condition_{number}", context.predicate, bool, found
                )
            found = (*found, context)
        return found

    def evaluated(
        self, node: Any, what: str, placeholder: Any, kind: type, contexts: tuple[Any, ...]
    ) -> Output:
        """Plan the step that evaluates a placeholder, and give its output."""
        expression, keys = expression_of(node, what, placeholder)
        artifacts = {keys[channel]: self.channel(node, channel) for channel in keys}
        if missing := [key for key, output in artifacts.items() if output is None]:
            raise refuse(
                node,
                f"uses {what}, which looks at an artifact that is not there ({missing[0]})",
                "artifacts that a task gives",
                "look at the node that the placeholder is made of",
            )
        name = f"{snake(node.id)}_{snake(what)}"
        inputs = {key: (channel.type, False) for channel, key in keys.items()}
        component = extended(node, tfx_value, name, inputs, {}, {"value": dsl.OutputPath(kind)})
        types = {key: self.reference(channel.type) for channel, key in keys.items()}
        asks_for_run = "EXEC_INVOCATION" in str(expression)
        arguments: dict[str, Any] = {"expression": expression} | artifacts
        arguments |= {"types": {"inputs": types}} if types else {}
        arguments |= {"run_id": RunId()} if asks_for_run else {}
        task = Task(name, component, arguments, f"{node.id}: {what}", (), contexts, Settings())
        self._append(node, task)
        return Output(name, "value")

    def reference(self, cls: Any) -> str:
        """Say where a class is found in a step: `MODULE:NAME`, or `FILE.py:NAME` in the project.

        Of an artifact type that TFX has made up, that is the first of its bases with a place.
        """
        found = next(
            base
            for base in cls.__mro__
            if "<locals>" not in base.__qualname__ and base.__module__ != "tfx.types.value_artifact"
        )
        module = found.__module__
        file = Path(*module.split(".")).with_suffix(".py")
        root = self.places.root
        if module in _OWN:
            module = self._relative(self.source)
        elif not (root / file).is_file() and (self.source.parent / file).is_file():
            module = self._relative(self.source.parent / file)
        return f"{module}:{found.__qualname__}"

    def _relative(self, file: Path) -> str:
        if file.is_relative_to(self.places.root):
            return file.relative_to(self.places.root).as_posix()
        raise NoCounterpart(
            given=f"{file} defines nodes, and is outside of the project {self.places.root}",
            allowed="files of the project, which the runtime image holds",
            todo="name the project's root: --project DIR",
        )

    def _append(self, node: Any, task: Task) -> None:
        if any(task.name == known.name for known in self.plan.tasks):
            raise refuse(
                node,
                f"would be the task {task.name}, as another one is already",
                "ids that differ in letters and digits",
                'give it another id: .with_id("...")',
            )
        self.plan.tasks.append(task)

    def _behind(self, tasks: set[str]) -> set[str]:
        """Name all tasks that these depend on."""
        known = {task.name: task for task in self.plan.tasks}
        reached: set[str] = set()
        waiting = list(tasks)
        while waiting:
            task = known[waiting.pop()]
            before = {output.task for output in outputs_in(task.arguments)} | {*task.after}
            waiting += before - reached
            reached |= before
        return reached

    def property(self, node: Any, key: str, value: Any) -> Any:
        """Translate a property of a node that is not one of TFX's own."""
        from google.protobuf import json_format
        from google.protobuf.message import Message
        from tfx.dsl.placeholder.placeholder import Placeholder
        from tfx.orchestration.data_types import RuntimeParameter

        if isinstance(value, RuntimeParameter):
            return self.places.runtime(node, value, value.ptype or str)
        if isinstance(value, Placeholder):
            return self.converted(node, key, value, str)
        if isinstance(value, Message):
            value = json_format.MessageToJson(value, preserving_proto_field_name=True)
        return self.places.anything(node, key, without_none(value))


def _refuse_channel(node: Any, channel: Any) -> NoReturn:
    raise refuse(
        node,
        f"takes a {type(channel).__name__} of {channel.type.TYPE_NAME}",
        "the output of one node of this pipeline: Kubeflow Pipelines hands over single artifacts, "
        "and keeps no store of them to be asked by type",
        "take a node's output, or an Importer's; for the model in service, a Resolver with "
        "LatestBlessedModelStrategy",
    )
