"""Compile every golden pair anew: python tests/golden/regenerate.py."""

from pathlib import Path
from typing import Final

from lockstep.pipelines import ir
from lockstep.pipelines.compile import compile_pipeline

GOLDEN: Final = Path(__file__).parent
PROJECT: Final = GOLDEN.parent.parent

SOURCES: Final = {
    "branches": "tests/golden/branches.py",
    "comparing": "tests/golden/comparing.py",
    "exit_handler": "tests/golden/exit_handler.py",
    "importing": "tests/golden/importing.py",
    "ingest_and_push": "tests/golden/ingest_and_push.py:ingest_and_push",
    "loops": "tests/golden/loops.py",
    "nested": "tests/golden/nested.py:nested",
    "on_kubernetes": "tests/golden/on_kubernetes.py",
    "optional_inputs": "tests/golden/optional_inputs.py",
    "policies": "tests/golden/policies.py",
    "taxi": "pipelines/taxi/pipeline.py",
}
"""What each NAME.yaml in this folder is compiled from."""


def compile_golden(name: str) -> ir.CompiledPipeline:
    """Compile the source of one pair."""
    return compile_pipeline(str(PROJECT / SOURCES[name]), project_root=PROJECT)


if __name__ == "__main__":
    for name in SOURCES:
        (GOLDEN / f"{name}.yaml").write_text(ir.dump(compile_golden(name)), encoding="utf-8")
