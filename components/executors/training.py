"""Executors of the steps that train: TFX's Tuner and Trainer."""

import json
import math
from pathlib import Path
from typing import Any

from tfx.components.trainer.component import Trainer
from tfx.components.tuner.component import Tuner

from ..step import Metadata, Results, Step
from . import autograph, keras_export, tfx_step, user_module


def tuner(step: Step) -> Results:
    """Search hyperparameters with TFX's Tuner; show the best trial."""
    module = user_module.find(step, "tuner_fn")
    autograph.leave_libraries_alone()
    results = tfx_step.run(step, tfx_step.construct(step, Tuner, **module))
    trials = json.loads(
        (Path(step.outputs["tuner_results"].path) / "tuner_results.json").read_text()
    )
    results.metadata["tuner_results"]["trials"] = len(trials)
    best: dict[str, Any] = trials[0] if trials else {}
    results.metadata["metrics"] = {k: v for k, v in best.items() if _is_metric(v)}
    step.output("metrics")
    return results


def trainer(step: Step) -> Results:
    """Train with TFX's Trainer; show the last value of every scalar in its logs."""
    module = user_module.find(step, "run_fn")
    keras_export.make_servable()
    autograph.leave_libraries_alone()
    results = tfx_step.run(step, tfx_step.construct(step, Trainer, **module))
    results.metadata["metrics"] = _last_scalars(Path(step.outputs["model_run"].path))
    step.output("metrics")
    return results


def _last_scalars(logs: Path) -> Metadata:
    """Read TensorBoard's event files: `train/loss` -> its last value."""
    import tensorflow as tf
    from tensorflow.python.summary.summary_iterator import summary_iterator

    last: Metadata = {}
    for file in sorted(logs.rglob("events.out.tfevents.*")):
        run = file.parent.relative_to(logs).as_posix()
        for event in summary_iterator(str(file)):
            for value in event.summary.value:
                if value.HasField("tensor") and value.tensor.dtype == tf.float32.as_datatype_enum:
                    scalar = tf.make_ndarray(value.tensor)
                    if scalar.ndim == 0 and _is_metric(float(scalar)) and "_vs_" not in value.tag:
                        last[f"{run}/{value.tag}".removeprefix("./")] = float(scalar)
    return last


def _is_metric(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
