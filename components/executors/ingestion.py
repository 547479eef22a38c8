"""Executors of the ingest steps: TFX's ExampleGens, with what their drivers do done inside."""

import csv
import glob
import os
from pathlib import Path
from typing import Any

from tfx.components.example_gen import input_processor, utils
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils

from ..errors import BadData
from ..paths import resolve
from ..step import Results, Step
from . import records, tfx_step

_NO_VERSION = -1


def span_resolver(step: Step) -> Results:
    """Find the newest span and version, and fingerprint its files."""
    component = _construct(step, FileBasedExampleGen)
    span, version, fingerprint = _look(component)
    return Results(
        parameters={
            "span": span,
            "version": _NO_VERSION if version is None else version,
            "fingerprint": fingerprint,
        }
    )


def csv_example_gen(step: Step) -> Results:
    """Ingest CSV files with TFX's CsvExampleGen."""
    from tfx.components.example_gen.csv_example_gen.component import CsvExampleGen

    component = _construct(step, CsvExampleGen)
    span, version, fingerprint = _resolve(step, component)
    files = _pin(component, span, version)
    for file in files:
        _check_header(file)
    try:
        return _ingest(step, component, span, version, fingerprint)
    except Exception:
        for file in files:  # only now: reading every row a second time costs
            _check_rows(file)
        raise


def import_example_gen(step: Step) -> Results:
    """Ingest TFRecord files with TFX's ImportExampleGen."""
    from tfx.components.example_gen.import_example_gen.component import ImportExampleGen

    component = _construct(step, ImportExampleGen)
    span, version, fingerprint = _resolve(step, component)
    _pin(component, span, version)
    return _ingest(step, component, span, version, fingerprint)


def parquet_example_gen(step: Step) -> Results:
    """Ingest Parquet files with TFX's FileBasedExampleGen and its Parquet executor."""
    from tfx.components.example_gen.custom_executors import parquet_executor

    component = _construct(
        step,
        FileBasedExampleGen,
        custom_executor_spec=BeamExecutorSpec(parquet_executor.Executor),
    )
    span, version, fingerprint = _resolve(step, component)
    _pin(component, span, version)
    return _ingest(step, component, span, version, fingerprint)


def _construct(step: Step, constructor: type[BaseComponent], **changes: Any) -> BaseComponent:
    base = resolve(step.parameters["input_base"])
    if "://" not in base and not Path(base).is_dir():
        raise BadData(
            given=f"input_base {step.parameters['input_base']!r}: there is no such directory",
            allowed="a directory of files: relative to the project, package:NAME/PATH, or a URL",
            todo=_nearest(base),
        )
    return tfx_step.construct(step, constructor, input_base=base, **changes)


def _look(component: BaseComponent) -> tuple[int, int | None, str]:
    """Resolve span, version and fingerprint as the driver of a TFX ExampleGen does."""
    base = component.spec.exec_properties["input_base"]
    try:
        processor = _processor(component)
        span, version = processor.resolve_span_and_version()
        return span, version, processor.get_input_fingerprint(span, version) or ""
    except (ValueError, RuntimeError) as error:
        raise BadData(
            given=f"in {base}: {error}",
            allowed="files that match "
            + ", ".join(repr(s.pattern) for s in _input_config(component).splits),
            todo=f"look at the patterns of input_config, and at what is there: {_listing(base)}",
        ) from error


def _resolve(step: Step, component: BaseComponent) -> tuple[int, int | None, str]:
    """Take what a span_resolver found, or look."""
    if "fingerprint" not in step.parameters:
        return _look(component)
    version = step.parameters.get("version", _NO_VERSION)
    span = step.parameters.get("span", 0)
    return span, None if version == _NO_VERSION else version, step.parameters["fingerprint"]


def _input_config(component: BaseComponent) -> Any:
    message = example_gen_pb2.Input()  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at import
    return proto_utils.json_to_proto(component.spec.exec_properties["input_config"], message)


def _processor(component: BaseComponent) -> input_processor.FileBasedInputProcessor:
    properties, ranges = component.spec.exec_properties, None
    if text := properties.get("range_config"):
        message = range_config_pb2.RangeConfig()  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at import
        ranges = proto_utils.json_to_proto(text, message)
    return input_processor.FileBasedInputProcessor(
        properties["input_base"], _input_config(component).splits, ranges
    )


def _pin(component: BaseComponent, span: int, version: int | None) -> list[str]:
    """Put span and version into the patterns, and list the local files that match.

    Raises:
        BadData: A split has no file.
    """
    processor, config = _processor(component), _input_config(component)
    base = component.spec.exec_properties["input_base"]
    files: list[str] = []
    for split in config.splits:
        split.pattern = processor.get_pattern_for_span_version(split.pattern, span, version)
        if "://" in base:
            continue
        found = sorted(filter(os.path.isfile, glob.glob(os.path.join(base, split.pattern))))
        if not found:
            raise BadData(
                given=f"no file in {base} matches {split.pattern!r} (split {split.name!r})",
                allowed="at least one file for every split",
                todo=f"mend the pattern in input_config; what is there: {_listing(base)}",
            )
        files += found
    component.spec.exec_properties["input_config"] = proto_utils.proto_to_json(config)
    return files


def _ingest(
    step: Step, component: BaseComponent, span: int, version: int | None, fingerprint: str
) -> Results:
    results = tfx_step.run(step, component)
    metadata = results.metadata["examples"]
    metadata |= {utils.SPAN_PROPERTY_NAME: span, utils.FINGERPRINT_PROPERTY_NAME: fingerprint}
    if version is not None:
        metadata[utils.VERSION_PROPERTY_NAME] = version
    examples = Path(step.outputs["examples"].path)
    splits = artifact_utils.decode_split_names(metadata["split_names"])
    metadata |= {f"count_{split}": records.count(examples / f"Split-{split}") for split in splits}
    if not any(metadata[f"count_{split}"] for split in splits):
        raise BadData(
            given=f"{step.parameters['input_base']!r} has no examples",
            allowed="at least one example",
            todo="look at the input files: is there a row below the header?",
        )
    return results


def _check_header(file: str) -> None:
    with open(file, newline="", encoding="utf-8", errors="replace") as stream:
        rows = csv.reader(stream)
        header, first = next(rows, None), next(rows, None)
    if header is None or first is None:
        raise BadData(
            given=f"{file} is empty" if header is None else f"{file} has a header, but no rows",
            allowed="CSV files with one header line and at least one row",
            todo="look at the export that wrote the file",
        )


def _check_rows(file: str) -> None:
    """Find the first row that has too many or too few cells."""
    with open(file, newline="", encoding="utf-8", errors="replace") as stream:
        rows = csv.reader(stream)
        header = next(rows)
        for row in rows:
            if row and len(row) != len(header):
                raise BadData(
                    given=f"{file}, line {rows.line_num}: {len(row)} cells, "
                    f"but the header has {len(header)}",
                    allowed=f"rows with the header's cells: {', '.join(header)}",
                    todo="mend the row; a cell with a comma in it needs quotes",
                )


def _nearest(path: str) -> str:
    """Say how far a path that is not there can be followed."""
    parent = Path(path)
    while not parent.is_dir():
        parent = parent.parent
    return f"look at what is in {parent}: {_listing(str(parent))}"


def _listing(directory: str, most: int = 8) -> str:
    if "://" in directory:
        return directory
    names = sorted(os.listdir(directory))
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "") or "nothing"
