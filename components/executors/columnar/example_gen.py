"""A TFX ExampleGen's work without Beam: which steps can have it, and the artifact they leave."""

import glob
import os
from collections import Counter
from collections.abc import Callable, Container
from itertools import accumulate
from pathlib import Path
from typing import Any

from tfx.components.example_gen import utils, write_split
from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

from ...step import Results, Step
from .. import tfx_step
from . import choice
from .ingest import Source
from .splits import Splits, name_parts

Ingest = Callable[[Source, Path], Counter[str]]

_pb2: Any = example_gen_pb2  # protobuf makes what is in it at import


def objection(
    step: Step,
    component: BaseComponent,
    payloads: Container[int] = (_pb2.FORMAT_TF_EXAMPLE,),
    packed: tuple[str, ...] = (),
) -> str | None:
    """Say why a step needs Beam, if it does.

    `payloads` are the payload formats that can be written without; `packed` ends the names of
    files that can only be read with it.
    """
    properties = component.spec.exec_properties
    if why := choice.objection(step):
        return why
    if "://" in properties["input_base"]:
        return "the files are behind a URL"
    if any(
        file.lower().endswith(packed) for source in _sources(component) for file in source.files
    ):
        return "files are compressed"
    if properties["output_data_format"] not in payloads:
        return f"the payload format is {properties['output_data_format']}"
    if properties["output_file_format"] != _pb2.FORMAT_TFRECORDS_GZIP:
        return f"the file format is {properties['output_file_format']}"
    return None


def run(step: Step, component: BaseComponent, ingest: Ingest) -> Results:
    """Ingest every input split; give the metadata that TFX's executor gives, and the counts."""
    properties = component.spec.exec_properties
    root = step.output("examples")
    sources = _sources(component)
    counts = sum((ingest(source, root) for source in sources), Counter[str]())
    names = [name for source in sources for name in source.splits.names]
    name_parts(root, names)
    examples = standard_artifacts.Examples()
    examples.split_names = artifact_utils.encode_split_names(names)
    examples_utils.set_payload_format(examples, properties["output_data_format"])
    file_format = write_split.to_file_format_str(properties["output_file_format"])
    examples_utils.set_file_format(examples, file_format)
    metadata = tfx_step.to_metadata(examples)
    return Results({"examples": metadata | {f"count_{name}": counts[name] for name in names}})


def _sources(component: BaseComponent) -> list[Source]:
    """Read from the component's configuration which files go to which splits."""
    properties = component.spec.exec_properties
    config = proto_utils.json_to_proto(properties["input_config"], _pb2.Input())
    output = proto_utils.json_to_proto(properties["output_config"], _pb2.Output())
    names = utils.generate_output_split_names(config, output)
    if not output.split_config.splits:
        dealt = [Splits((name,)) for name in names]
    else:
        bounds = tuple(accumulate(s.hash_buckets for s in output.split_config.splits))
        feature = output.split_config.partition_feature_name or None
        dealt = [Splits(tuple(names), bounds, feature)]
    return [
        Source(_files(properties.get("input_base"), split.pattern), splits)
        for split, splits in zip(config.splits, dealt, strict=True)
    ]


def _files(base: str | None, pattern: str) -> list[str]:
    if base is None:
        return [pattern]  # a query
    return sorted(filter(os.path.isfile, glob.glob(os.path.join(base, pattern))))
