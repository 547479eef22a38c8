"""The columnar executors, held against TFX's own."""

from pathlib import Path

import pytest

from lockstep.pipelines.engine.forks import Template
from lockstep.pipelines.engine.launch import Step

HERE = Path(__file__).parent


@pytest.mark.parametrize("count", [50, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["csv_files", "garbage", "parquet_files", "decoded"])
def test_every_file_gives_what_tfx_makes_of_it(
    warm: Template, tmp_path: Path, name: str, count: int
) -> None:
    """Odd files by the hundred: the same examples, splits and refusals as TFX's own code."""
    log = tmp_path / "log.txt"
    step = Step("columnar_properties", (name, str(count)), {}, HERE, log)
    assert warm.run(step).code == 0, log.read_text()
