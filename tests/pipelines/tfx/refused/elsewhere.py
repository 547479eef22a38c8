"""A module file outside of the project."""

from tfx import v1 as tfx

gen = tfx.components.CsvExampleGen(input_base="gs://bucket/data")
trainer = tfx.components.Trainer(
    examples=gen.outputs["examples"],
    module_file="/somewhere/else/trainer.py",
    train_args=tfx.proto.TrainArgs(num_steps=1),
    eval_args=tfx.proto.EvalArgs(num_steps=1),
)
pipeline = tfx.dsl.Pipeline("elsewhere", "gs://b/r", components=[gen, trainer])
