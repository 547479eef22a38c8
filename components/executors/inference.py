"""Executor of the batch inference step: TFX's BulkInferrer."""

from pathlib import Path

from tfx.components.bulk_inferrer.component import BulkInferrer

from ..step import Results, Step
from . import records, tfx_step


def bulk_inferrer(step: Step) -> Results:
    """Predict for every example with TFX's BulkInferrer."""
    results = tfx_step.run(step, tfx_step.construct(step, BulkInferrer))
    for key in ("inference_result", "output_examples"):
        if key in results.metadata:
            root = Path(step.outputs[key].path)
            folders = {p.parent for p in root.rglob("*") if p.is_file()}
            results.metadata[key]["count"] = sum(map(records.count, folders))
    return results
