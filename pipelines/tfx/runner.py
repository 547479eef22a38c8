"""A TFX runner: compiles a `tfx.dsl.Pipeline` for Kubeflow, or runs it on this machine."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...components.catalogue import DEFAULT_IMAGE
from ..errors import RunError
from .taken import Captured, take

if TYPE_CHECKING:
    from ..ir import CompiledPipeline


@dataclass(frozen=True)
class LockstepDagRunnerConfig:
    """What stands in place of KubeflowV2DagRunnerConfig and LocalDagRunner's settings."""

    image: str = DEFAULT_IMAGE
    """The runtime image that the steps run in."""
    project_root: Path | None = None
    """Where module files are looked up; the current directory if None."""
    local: bool = False
    """Run on this machine, in place of writing a file."""
    root: Path = Path(".lockstep")
    """Where local runs are kept."""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    """Values of the pipeline's parameters, for a local run."""


class LockstepDagRunner:
    """Drop-in for TFX's KubeflowV2DagRunner and LocalDagRunner.

        LockstepDagRunner(output_filename="taxi.yaml").run(pipeline)
        LockstepDagRunner(LockstepDagRunnerConfig(local=True)).run(pipeline)

    Under `lockstep compile|run|submit FILE.py` the command decides what is done with the pipeline.
    """

    def __init__(
        self,
        config: LockstepDagRunnerConfig | None = None,
        output_dir: str | None = None,
        output_filename: str | None = None,
    ) -> None:
        """Take the same arguments as KubeflowV2DagRunner; the file is YAML, `pipeline.yaml`."""
        self._config = config or LockstepDagRunnerConfig()
        self._output = Path(output_dir or ".") / (output_filename or "pipeline.yaml")
        self._exit_handler: Any = None

    def set_exit_handler(self, exit_handler: Any) -> None:
        """Set the component that runs at the end, whatever happens."""
        self._exit_handler = exit_handler

    def run(self, pipeline: Any) -> "CompiledPipeline":
        """Compile the pipeline, and write the file or run it.

        Raises:
            LockstepError: It cannot be mapped, breaks a rule of the lint, or a step failed.
        """
        take(pipeline, self._exit_handler)
        from ..compile import compile_loaded
        from ..ir import dump

        root = (self._config.project_root or Path.cwd()).resolve()
        source = Path(getattr(sys.modules["__main__"], "__file__", None) or root / "pipeline.py")
        found = Captured(pipeline, self._exit_handler)
        compiled = compile_loaded(found, source.resolve(), self._config.image, root)
        if self._config.local:
            self._run_here(compiled, root)
            return compiled
        self._output.parent.mkdir(parents=True, exist_ok=True)
        self._output.write_text(dump(compiled), encoding="utf-8")
        return compiled

    def _run_here(self, compiled: "CompiledPipeline", root: Path) -> None:
        from ..engine.engine import run
        from ..engine.result import State

        values = {**compiled.here, **self._config.parameters}
        result = run(compiled, values, project=root, root=self._config.root)
        if result.state is State.SUCCEEDED:
            return
        failed = [task for task in result.tasks if task.state is State.FAILED]
        raise RunError(
            given=f"the run {result.run} has not succeeded: "
            + "; ".join(f"{task.path}: {task.message}" for task in failed),
            allowed="a run in which every step ends well",
            todo=f"see the steps' logs in {result.directory}",
        )
