"""Everything that a step in the runtime image may import: runs inside it, and says "all there"."""

from importlib import import_module

from lockstep.components.catalogue import COMPONENTS, ENTRYPOINT, WARM

modules = {f"{ENTRYPOINT[-1]}.executors.{component.module}" for component in COMPONENTS.values()}
for module in (WARM, *sorted(modules)):
    import_module(module)
for module in (  # what users' modules and kfp's lightweight components start with
    "tfx.v1",
    "tensorflow_transform.beam",
    "tensorflow_model_analysis",
    "tensorflow_data_validation",
    "keras_tuner",
    "tensorboard.summary",
    "kfp.dsl.executor_main",
    "apache_beam.io.gcp.gcsio",
    "pandas",
    "sklearn.ensemble",
    "scipy.stats",
):
    import_module(module)
print("all there")  # noqa: T201 - the answer
