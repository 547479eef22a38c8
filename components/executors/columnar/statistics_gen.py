"""TFX's StatisticsGen without Beam: which steps can have it, and the artifact they leave."""

import json
from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from tfx.components.statistics_gen import executor
from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils, json_utils

from ...step import Results, Step
from .. import tfx_step
from . import choice, splits, statistics

_pb2: Any = example_gen_pb2  # protobuf makes what is in it at import


def objection(step: Step, component: BaseComponent) -> str | None:
    """Say why a step needs Beam, if it does."""
    if why := choice.objection(step):
        return why
    examples = _examples(step)
    payload = examples_utils.get_payload_format(examples)
    if payload != _pb2.FORMAT_TF_EXAMPLE:
        return f"the payload format is {payload}"
    if examples_utils.get_file_format(examples) != "tfrecords_gzip":
        return "the examples are in other files than TFRecord"
    if examples.has_custom_property(examples_utils.CUSTOM_SPLIT_PATTERN_PROPERTY_NAME):
        return "the splits have patterns of their own"
    return statistics.objection(_options(component))


def run(step: Step, component: BaseComponent) -> Results:
    """Compute statistics of every split; give the metadata that TFX's executor gives."""
    properties = component.spec.exec_properties
    excluded: list[str] = json.loads(properties["exclude_splits"]) or []
    examples, options = _examples(step), _options(component)
    if step.inputs.get("schema") and step.inputs["schema"].is_there:
        file = io_utils.get_only_uri_in_dir(step.inputs["schema"].path)
        options.schema = io_utils.SchemaReader().read(file)
    every = artifact_utils.decode_split_names(examples.split_names)
    names = [name for name in every if name not in excluded]
    root = Path(examples.uri)
    files = {name: sorted(splits.directory(root, name).iterdir()) for name in names}
    found = statistics.generate(files, options)
    output = step.output("statistics")
    for name in names:
        directory = splits.directory(output, name)
        directory.mkdir()
        (directory / executor.DEFAULT_FILE_NAME).write_bytes(found[name].SerializeToString())
    artifact = standard_artifacts.ExampleStatistics()
    artifact.split_names = artifact_utils.encode_split_names(names)
    artifact.span = examples.span
    artifact.set_string_custom_property(executor.STATS_DASHBOARD_LINK, "")
    artifact.set_json_value_custom_property(
        executor.SAMPLE_RATE_BY_SPLIT_PROPERTY_NAME, json_utils.dumps(dict.fromkeys(names, 1.0))
    )
    return Results({"statistics": tfx_step.to_metadata(artifact)})


def _examples(step: Step) -> Any:
    return tfx_step.to_tfx(step.inputs["examples"], standard_artifacts.Examples)


def _options(component: BaseComponent) -> tfdv.StatsOptions:
    text = component.spec.exec_properties.get("stats_options_json")
    return tfdv.StatsOptions.from_json(text) if text else tfdv.StatsOptions()
