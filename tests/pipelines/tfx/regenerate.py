"""Write the golden files anew: `python tests/pipelines/tfx/regenerate.py`."""

from pathlib import Path

from lockstep.pipelines.compile import compile_pipeline
from lockstep.pipelines.ir import dump

HERE = Path(__file__).parent / "pipelines"

if __name__ == "__main__":
    for source in sorted(HERE.glob("*.py")):
        if source.stem != "module":
            compiled = compile_pipeline(str(source), project_root=HERE)
            source.with_suffix(".yaml").write_text(dump(compiled))
