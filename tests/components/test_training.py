"""What the steps that train do for every model."""

from pathlib import Path

from lockstep.pipelines.engine.forks import Template
from lockstep.pipelines.engine.launch import Step


def test_only_the_users_code_is_rewritten(warm: Template, tmp_path: Path) -> None:
    """AutoGraph rewrites a user's own Keras 2 layer, and leaves Keras 2 itself as it is."""
    step = Step("trace_layers", (), {}, Path(__file__).parent, tmp_path / "log.txt", timeout=120)
    assert warm.run(step).code == 0, step.log.read_text()
