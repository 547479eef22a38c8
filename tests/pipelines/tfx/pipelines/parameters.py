"""Runtime parameters in the places of a proto, a path and a number."""

from tfx import v1 as tfx
from tfx.orchestration.data_types import RuntimeParameter

from lockstep.pipelines.tfx import LockstepDagRunner

gen = tfx.components.CsvExampleGen(
    input_base=RuntimeParameter("data-root", ptype=str, default="/data/trips")
)
trainer = tfx.components.Trainer(
    examples=gen.outputs["examples"],
    module_file="gs://bucket/code/trainer.py",
    train_args=RuntimeParameter("train-args", ptype=str, default='{"num_steps": 5}'),
    eval_args=tfx.proto.EvalArgs(num_steps=1),
    custom_config={"rate": RuntimeParameter("rate", ptype=float, default=0.5)},
)
if __name__ == "__main__":
    pipeline = tfx.dsl.Pipeline(
        "parameters", "gs://b/r", components=[gen, trainer], enable_cache=True
    )
    LockstepDagRunner(output_filename="never_written.yaml").run(pipeline)
    raise SystemExit("the runner's call is the end")
