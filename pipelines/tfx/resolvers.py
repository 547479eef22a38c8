"""TFX's Resolvers: the model in service is looked up in the store, other artifacts nowhere."""

import inspect
import json
from typing import Any, Final

from ...components import champion
from .parameters import snake
from .plan import Output, Parameter, refuse
from .standard import standard_of
from .wiring import Wiring

_STORE: Final = "base_directory"


def resolver_tasks(wiring: Wiring, node: Any) -> None:
    """Plan a Resolver: `champion` for the latest blessed model, or the newest one pushed."""
    from tfx.types import standard_artifacts

    strategy = _strategy(node)
    types = {key: channel.type for key, channel in node.outputs.items()}
    if all(issubclass(kind, standard_artifacts.TransformCache) for kind in types.values()):
        for key in types:
            wiring.plan.outputs[node.id, key] = None  # a cache: without it, the result is the same
        return
    models = [key for key, kind in types.items() if issubclass(kind, standard_artifacts.Model)]
    others = [
        key
        for key, kind in types.items()
        if not issubclass(kind, standard_artifacts.Model | standard_artifacts.ModelBlessing)
    ]
    blessed = strategy == "LatestBlessedModelStrategy"
    if others or len(models) != 1 or not (blessed or strategy == "LatestArtifactStrategy"):
        names = ", ".join(kind.TYPE_NAME for kind in types.values())
        raise refuse(
            node,
            f"looks for {names} of earlier runs by {strategy}",
            "the latest blessed Model, or the latest Model: these are in the model store; Kubeflow "
            "Pipelines has no resolver, and keeps no other artifacts to be looked up by type",
            "take the artifact from an Importer or ImportSchemaGen; for a range of spans set "
            "range_config on the ExampleGen; or leave the resolver out",
        )
    arguments: dict[str, Any] = {_STORE: _store(wiring, node)}
    if not blessed:
        arguments["alias"] = "latest"  # which no store has: so the newest version is taken
    name = snake(node.id)
    wiring.put(node, name, champion, arguments)
    for key in node.outputs:
        wiring.plan.outputs[node.id, key] = Output(name, "model") if key in models else None


def _strategy(node: Any) -> str:
    from tfx.dsl.components.common import resolver

    properties = node.exec_properties
    strategy = properties.get(resolver.RESOLVER_STRATEGY_CLASS)
    if strategy is None:
        return "a resolver function"
    config = properties.get(resolver.RESOLVER_CONFIG) or {}
    wanted = config.get("desired_num_of_artifacts", 1)
    bases = [cls.__name__ for cls in strategy.__mro__]
    known = ("LatestBlessedModelStrategy", "LatestArtifactStrategy")
    name: str = next((k for k in known if k in bases), bases[0])
    return name if wanted == 1 else f"{name} ({wanted} artifacts)"


def _store(wiring: Wiring, node: Any) -> Any:
    """Take the directory that the pipeline's Pusher pushes to."""
    found: list[Any] = []
    for pusher in wiring.pipeline.components:
        standard = standard_of(pusher)
        if standard is not None and standard.component == "pusher":
            found.append((pusher, _destination(pusher)))
    if len({str(destination) for _, destination in found}) > 1:
        raise refuse(
            node,
            "could mean either of " + ", ".join(f"{p.id}: {d}" for p, d in found),
            "one Pusher, or several with one destination: the champion is looked up there",
            "make two pipelines of it",
        )
    for pusher, destination in found:
        if isinstance(destination, str):
            return wiring.places.destination(pusher, _STORE, destination)
        raise refuse(
            node,
            f"is blessed models' own, but {pusher.id} takes its destination as a parameter",
            "a push_destination that is written out: its base_directory becomes a parameter",
            "write the PushDestination out",
        )
    name = f"{snake(node.id)}_{_STORE}"
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    wiring.plan.parameters.setdefault(name, inspect.Parameter(name, kind, annotation=str))
    return Parameter(name)


def _destination(pusher: Any) -> Any:
    value = pusher.exec_properties.get("push_destination")
    if not isinstance(value, str):
        return value
    return json.loads(value).get("filesystem", {}).get("base_directory")
