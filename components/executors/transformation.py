"""Executor of the transform step: TFX's Transform."""

from pathlib import Path

from tfx.components.transform.component import Transform
from tfx.types import artifact_utils

from ..step import Results, Step
from . import pages, records, tfx_step, user_module


def transform(step: Step) -> Results:
    """Transform every split with TFX's Transform."""
    module = user_module.find(step, "preprocessing_fn")
    component = tfx_step.construct(step, Transform, **module)
    results = tfx_step.run(step, component)
    examples = results.metadata.get("transformed_examples")
    if examples:
        root = Path(step.outputs["transformed_examples"].path)
        for split in artifact_utils.decode_split_names(examples["split_names"]):
            examples[f"count_{split}"] = records.count(root / f"Split-{split}")
    statistics = Path(step.outputs["post_transform_stats"].path) / "FeatureStats.pb"
    files = {"after transform": statistics} if statistics.exists() else {}
    pages.write_statistics(step.output_as_file("html"), files)
    return results
