"""Node by node: what each becomes, in tasks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from ... import components
from ...components.catalogue import COMPONENTS
from ..errors import NoCounterpart
from . import containers
from .custom import custom_tasks
from .parameters import Places, snake
from .placeholders import evaluated
from .plan import Output, Parameter, Plan, Settings, Task, refuse
from .resolvers import resolver_tasks
from .standard import Standard, arguments_of, standard_of, without_none

_OWN: Final = ("__main__", "__lockstep_definition__")
"""The names that the pipeline's own file goes by while it is loaded."""

_IN_STEP: Final = ("--direct_", "--runner=DirectRunner", "--runner=direct")
"""Beam's arguments for a runner inside the step, which needs none here."""


@dataclass
class Mapping:
    """The pipeline that is being mapped."""

    pipeline: Any
    source: Path
    """The file that it comes from."""
    places: Places

    @property
    def plan(self) -> Plan:
        """The tasks so far."""
        return self.places.plan

    def add(self, node: Any) -> None:
        """Plan a node's tasks."""
        from tfx.dsl.components.common.importer import Importer
        from tfx.dsl.components.common.resolver import Resolver
        from tfx.orchestration.pipeline import Pipeline

        self.contexts(node)
        if isinstance(node, Pipeline):
            raise refuse(
                node,
                "is a pipeline inside a pipeline",
                "nodes; pipelines are run one by one",
                "add its components to the outer pipeline",
            )
        if isinstance(node, Importer):
            self._importer(node)
        elif isinstance(node, Resolver) or type(node).__name__ == "ResolverNode":
            resolver_tasks(self, node)
        else:
            self._component(node)

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
        self.plan.tasks.append(task)
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
        return evaluated(self, node, name, value, kind, contexts)

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
                self.plan.predicates[context] = evaluated(
                    self, node, f"condition_{number}", context.predicate, bool, found
                )
            found = (*found, context)
        return found

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

    def _importer(self, node: Any) -> None:
        from kfp import dsl
        from tfx.dsl.components.common import importer

        from .declare import artifact_class

        [(key, channel)] = node.outputs.items()
        properties = node.exec_properties
        uri = properties[importer.SOURCE_URI_KEY]
        if not isinstance(uri, str):
            uri = self.converted(node, "source_uri", uri, str)
        arguments: dict[str, Any] = {
            "artifact_uri": self.places.data(node, "source_uri", uri),
            "artifact_class": artifact_class(channel.type),
            "reimport": bool(properties[importer.REIMPORT_OPTION_KEY]),
        }
        metadata = (channel.additional_properties or {}) | (
            channel.additional_custom_properties or {}
        )
        if metadata := without_none(metadata):
            arguments["metadata"] = metadata
        self.put(node, snake(node.id), dsl.importer, arguments)
        self.plan.outputs[node.id, key] = Output(snake(node.id), "artifact")

    def _component(self, node: Any) -> None:
        if standard := standard_of(node):
            if standard.component not in COMPONENTS:
                raise refuse(
                    node,
                    "has no counterpart in this version of lockstep",
                    "any of " + ", ".join(COMPONENTS),
                    "take it out of the pipeline",
                )
            self._standard(node, standard)
        elif hasattr(node.executor_spec, "image"):
            self._container(node)
        else:
            custom_tasks(self, node)

    def _standard(self, node: Any, standard: Standard) -> None:
        component = getattr(components, standard.component)
        declared = component.component_spec.inputs
        arguments = arguments_of(node, standard, component, self.places, self.converted)
        for key, output in self.inputs(node).items():
            arguments[standard.renamed.get(key, key)] = output
        if "beam_pipeline_args" in declared and (beam := beam_arguments(node, standard.component)):
            arguments["beam_pipeline_args"] = self.places.anything(node, "beam", beam)
        name = snake(node.id)
        if standard.looks:
            look = getattr(components, standard.looks).component_spec
            asked = {key: arguments[key] for key in look.inputs if key in arguments}
            title = f"{node.id}: input"
            self.put(node, f"{name}_input", getattr(components, standard.looks), asked, title)
            arguments |= {key: Output(f"{name}_input", key) for key in look.outputs}
        self.put(node, name, component, arguments)
        self.gives(node, name)

    def _container(self, node: Any) -> None:
        arguments: dict[str, Any] = dict(self.inputs(node))
        component = containers.component_of(node)
        for key, value in node.exec_properties.items():
            if value is not None:
                arguments[key] = self.property(node, key, value)
        self.put(node, snake(node.id), component, arguments)
        self.gives(node, snake(node.id))

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


def outputs_in(value: Any) -> list[Output]:
    """List the outputs that an argument is made of."""
    if isinstance(value, Output):
        return [value]
    if isinstance(value, dict):
        return [output for inner in value.values() for output in outputs_in(inner)]
    return [o for inner in value for o in outputs_in(inner)] if isinstance(value, list) else []


def beam_arguments(node: Any, component: str = "") -> list[str]:
    """Give a node's arguments for Beam, less those for a runner inside the step.

    BigQuery reads the project that pays from them, whatever the runner.
    """
    found = getattr(node.executor_spec, "beam_pipeline_args", None) or []
    for argument in found:
        if not isinstance(argument, str):
            raise refuse(
                node,
                "has a placeholder among its beam_pipeline_args",
                "strings",
                "write the value out, or read it from the environment in the component",
            )
    elsewhere = [argument for argument in found if not argument.startswith(_IN_STEP)]
    needed = any(a.startswith("--runner") for a in elsewhere)
    return elsewhere if needed or component == "big_query_example_gen" else []


def settings_of(node: Any, cached: bool) -> Settings:
    """Read resources, retries and timeouts of a node."""
    config, options = getattr(node, "platform_config", None), node.node_execution_options
    given: dict[str, Any] = {"cached": bool(cached)}
    if config is not None:
        if not hasattr(config, "cpu_limit"):
            raise refuse(
                node,
                f"has a platform_config of the kind {type(config).__name__}",
                "KFP's PipelineContainerSpec.ResourceSpec: cpu_limit, memory_limit, accelerator",
                "write the setting with kfp-kubernetes, in a kfp pipeline",
            )
        accelerator = (config.accelerator.type, int(config.accelerator.count))
        given |= {"cpu_limit": config.cpu_limit, "memory_limit": config.memory_limit}
        given["accelerator"] = accelerator if accelerator[0] else None
    if options is not None:
        strategy = int(options.trigger_strategy)  # 1: all upstream succeeded, 2: all completed
        if options.success_optional or options.lifetime_start or strategy > 2:
            raise refuse(
                node,
                f"has execution options that Kubeflow Pipelines does not know: {options}",
                "max_execution_retries, execution_timeout_sec, and the trigger strategies "
                "ALL_UPSTREAM_NODES_SUCCEEDED and ALL_UPSTREAM_NODES_COMPLETED",
                "leave the others out; for what always runs at the end, set an exit handler",
            )
        given |= {"retries": options.max_execution_retries or 0, "always": strategy == 2}
        given["timeout"] = options.execution_timeout_sec
    return Settings(**given)


def _refuse_channel(node: Any, channel: Any) -> NoReturn:
    raise refuse(
        node,
        f"takes a {type(channel).__name__} of {channel.type.TYPE_NAME}",
        "the output of one node of this pipeline: Kubeflow Pipelines hands over single artifacts, "
        "and keeps no store of them to be asked by type",
        "take a node's output, or an Importer's; for the model in service, a Resolver with "
        "LatestBlessedModelStrategy",
    )
