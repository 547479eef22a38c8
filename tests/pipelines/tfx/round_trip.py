"""Turn each node's arguments back into properties, as the step does: `python round_trip.py OUT`.

OUT becomes JSON: node -> property -> [what TFX's constructor made, what the step's makes].
"""

import json
import sys
from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from google.protobuf.message import Message

from lockstep.components.executors import tfx_step
from lockstep.components.step import Artifact, Step
from lockstep.pipelines.definition import load_pipeline
from lockstep.pipelines.tfx.nodes import add
from lockstep.pipelines.tfx.parameters import Places, snake
from lockstep.pipelines.tfx.plan import Parameter, Plan, outputs_in
from lockstep.pipelines.tfx.standard import standard_of
from lockstep.pipelines.tfx.wiring import Wiring

SOURCE = Path(__file__).parent / "pipelines/standard.py"


def main() -> None:
    """Compare every node that has a counterpart."""
    found = load_pipeline(str(SOURCE), SOURCE.parent)
    plan = Plan()
    wiring = Wiring(found.pipeline, SOURCE, Places(SOURCE.parent, plan))
    for node in found.pipeline.components:
        add(wiring, node)
    arguments = {task.name: task.arguments for task in plan.tasks}
    compared = {
        node.id: compare(node, arguments[snake(node.id)])
        for node in found.pipeline.components
        if standard_of(node)
    }
    Path(sys.argv[1]).write_text(json.dumps(compared))


def compare(node: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Construct TFX's component from the arguments, and compare all properties but parameters."""
    known = {k: filled(v) for k, v in arguments.items() if not outputs_in(v)}
    if "stats_options" in known:  # the executor of statistics_gen reads it so
        given = known["stats_options"]
        known["stats_options"] = tfdv.StatsOptions()
        known["stats_options"].__dict__.update(given)
    there = {k: Artifact(k, str(SOURCE)) for k, v in arguments.items() if outputs_in(v)}
    inputs = {k: a for k, a in there.items() if k not in ("span", "version", "fingerprint")}
    step = Step(snake(node.id), known, inputs, {}, {}, "")
    made = tfx_step.construct(step, type(node)).spec.exec_properties
    return {
        key: [plain(value), plain(made.get(key))]
        for key, value in node.exec_properties.items()
        if value is not None and not (isinstance(value, str) and "/" in value[:9])
    }


def filled(value: Any) -> Any:
    """Put a parameter's name where its value will be."""
    if isinstance(value, Parameter):
        return "gs://" + value.name
    return {k: filled(v) for k, v in value.items()} if isinstance(value, dict) else value


def plain(value: Any) -> Any:
    """Read what TFX keeps as JSON."""
    if isinstance(value, Message):
        return str(value)
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


if __name__ == "__main__":
    main()
