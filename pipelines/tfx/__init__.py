"""TFX pipelines: mapped, node by node, onto lockstep's components.

    from lockstep.pipelines.tfx import LockstepDagRunner

    LockstepDagRunner(output_filename="taxi.yaml").run(create_pipeline(...))

`lockstep compile|run|submit FILE.py` takes a file that makes a `tfx.dsl.Pipeline` as it is.
"""

from .runner import LockstepDagRunner, LockstepDagRunnerConfig

__all__ = ["LockstepDagRunner", "LockstepDagRunnerConfig"]
