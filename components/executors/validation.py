"""Executors of the steps that look at data: TFX's StatisticsGen, SchemaGen, ExampleValidator."""

import json
from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.schema_gen.component import SchemaGen
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.types import artifact_utils

from ..errors import AnomalousData, BadArgument, BadData
from ..paths import resolve
from ..step import Results, Step
from . import pages, tfx_step
from .columnar import choice, statistics_gen as columnar_statistics


def statistics_gen(step: Step) -> Results:
    """Compute statistics as TFX's StatisticsGen does, or with it, and draw them as a page."""
    changes: dict[str, Any] = {}
    if options := step.parameters.get("stats_options"):
        changes["stats_options"] = _stats_options(options)
    component = tfx_step.construct(step, StatisticsGen, **changes)
    is_columnar = choice.is_columnar(step, columnar_statistics.objection(step, component))
    run = columnar_statistics.run if is_columnar else tfx_step.run
    results = run(step, component)
    splits = artifact_utils.decode_split_names(results.metadata["statistics"]["split_names"])
    statistics = Path(step.outputs["statistics"].path)
    pages.write_statistics(
        step.output_as_file("html"),
        {s: statistics / f"Split-{s}" / "FeatureStats.pb" for s in splits},
    )
    return results


def _stats_options(options: dict[str, Any]) -> tfdv.StatsOptions:
    """Read what `StatsOptions.to_json` writes, or as much of it as differs from the defaults."""
    defaults: dict[str, Any] = json.loads(tfdv.StatsOptions().to_json())
    try:
        if unknown := options.keys() - defaults.keys():
            raise ValueError(", ".join(sorted(unknown)))
        return tfdv.StatsOptions.from_json(json.dumps(defaults | options))
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise BadArgument(
            given=f"stats_options: {error}",
            allowed="the object in tfdv.StatsOptions.to_json(): " + ", ".join(defaults),
            todo="write the options with TFDV, or leave them out",
        ) from error


def schema_gen(step: Step) -> Results:
    """Infer a schema with TFX's SchemaGen."""
    return tfx_step.run(step, tfx_step.construct(step, SchemaGen))


def import_schema_gen(step: Step) -> Results:
    """Take a schema from a file with TFX's ImportSchemaGen."""
    name = step.parameters["schema_file"]
    path = resolve(name)
    if "://" not in path and not Path(path).is_file():
        raise BadData(
            given=f"schema_file {name!r}: there is no file {path}",
            allowed="a schema.pbtxt: relative to the project, package:NAME/PATH, or a URL",
            todo="run schema_gen once, review its schema.pbtxt and keep it with the code",
        )
    try:
        return tfx_step.run(step, tfx_step.construct(step, ImportSchemaGen, schema_file=path))
    except text_format.ParseError as error:
        raise BadData(
            given=f"schema_file {name!r}: {error}",
            allowed="the text of a tensorflow.metadata.v0.Schema",
            todo="mend the line, or start from a schema.pbtxt that schema_gen has written",
        ) from error


def example_validator(step: Step) -> Results:
    """Validate with TFX's ExampleValidator, and refuse anomalous data."""
    results = tfx_step.run(step, tfx_step.construct(step, ExampleValidator))
    splits = artifact_utils.decode_split_names(results.metadata["anomalies"]["split_names"])
    directory = Path(step.outputs["anomalies"].path)
    found = {s: _anomalies(directory / f"Split-{s}" / "SchemaDiff.pb") for s in splits}
    pages.write_anomalies(step.output_as_file("html"), found)
    count = sum(map(len, found.values()))
    results.metadata["anomalies"]["anomalies"] = count
    if count and step.parameters.get("fail_on_anomalies", True):
        raise AnomalousData(
            given="the data does not fit its schema:\n"
            + "\n".join(
                f"    {feature} (split {split}): {short}: {description}"
                for split, features in found.items()
                for feature, (short, description) in features.items()
            ),
            allowed="data without anomalies; fail_on_anomalies=False records them and goes on",
            todo="mend the data, or, if it is right, the schema",
        )
    return results


def _anomalies(file: Path) -> dict[str, tuple[str, str]]:
    """Read an Anomalies message: feature -> what is wrong, in short and at length."""
    message = anomalies_pb2.Anomalies()  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at import
    message.ParseFromString(file.read_bytes())
    found = {
        (info.path.step and ".".join(info.path.step)) or name: (
            info.short_description,
            info.description,
        )
        for name, info in message.anomaly_info.items()
    }
    if message.HasField("dataset_anomaly_info"):
        info = message.dataset_anomaly_info
        found["(whole data set)"] = (info.short_description, info.description)
    return dict(sorted(found.items()))
