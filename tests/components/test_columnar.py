"""The columnar executors, held against TFX's own."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockstep.components.paths import resolve
from lockstep.pipelines.engine.forks import Template
from lockstep.pipelines.engine.launch import Step
from lockstep.serving.errors import Exit

HERE = Path(__file__).parent
BEAM = ["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"]


@pytest.mark.parametrize("count", [50, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["csv_files", "garbage", "parquet_files", "decoded"])
def test_every_file_gives_what_tfx_makes_of_it(
    warm: Template, tmp_path: Path, name: str, count: int
) -> None:
    """Odd files by the hundred: the same examples, splits and refusals as TFX's own code."""
    log = tmp_path / "log.txt"
    step = Step("columnar_properties", (name, str(count)), {}, HERE, log)
    assert warm.run(step).code == 0, log.read_text()


def test_several_processes_make_one_artifact(warm: Template, tmp_path: Path) -> None:
    """Parts of a file are ingested at once; only the number of files shows it."""
    log = tmp_path / "log.txt"
    step = Step("columnar_properties", ("parts", "1"), {}, HERE, log)
    assert warm.run(step).code == 0, log.read_text()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda data: data[:-1], "trips.gz ends within a record"),
        (lambda data: data[:-1] + b"x", "has a record whose checksum is wrong"),
        (lambda data: data[:12] + b"\xff" * 4 + data[16:], "has a record whose checksum is wrong"),
    ],
)
def test_a_broken_tf_record_is_refused(
    workshop: Any, tmp_path: Path, broken: Callable[[bytes], bytes], says: str
) -> None:
    """A file that was cut or changed on its way: the step names the file, and writes nothing."""
    penguins = Path(resolve("package:tfx/components/testdata/penguin/data/Split-train"))
    [file] = penguins.iterdir()
    directory = workshop.project / tmp_path.name
    directory.mkdir()
    data = broken(gzip.decompress(file.read_bytes()))
    (directory / "trips.gz").write_bytes(gzip.compress(data))
    ran = workshop.run("import_example_gen", input_base=tmp_path.name)
    assert ran.code == Exit.DATA
    assert says in ran.error


@pytest.mark.slow
def test_beam_gives_the_same_artifacts(workshop: Any, tmp_path: Path) -> None:
    """With Beam arguments TFX does the work, and the log says so: examples, statistics, schema."""
    data = {
        "input_base": "package:tfx/components/testdata/external/csv",
        "input_config": {"splits": [{"name": "all", "pattern": "data2.csv"}]},
    }
    made: dict[str, Any] = {}
    for how, beam in (("columnar", {}), ("TFX on Beam", {"beam_pipeline_args": BEAM})):
        examples = workshop.run("csv_example_gen", **data, **beam)
        inputs = {"examples": examples.outputs["examples"]}
        statistics = workshop.run("statistics_gen", inputs, **beam)
        schema = workshop.run("schema_gen", {"statistics": statistics.outputs["statistics"]})
        assert f"csv_example_gen: {how} (" in examples.log
        assert f"statistics_gen: {how} (" in statistics.log
        made[how] = examples, statistics, schema
    (examples, statistics, schema), theirs = made.values()
    assert workshop.examples(examples) == workshop.examples(theirs[0])
    assert examples.metadata("examples") == theirs[0].metadata("examples")
    assert statistics.metadata("statistics") == theirs[1].metadata("statistics")
    texts = [ran.path("schema").joinpath("schema.pbtxt").read_text() for ran in (schema, theirs[2])]
    assert texts[0] == texts[1]
    paths = tuple(str(ran.path("statistics")) for ran in (statistics, theirs[1]))
    log = tmp_path / "log.txt"
    assert workshop.warm.run(Step("same_statistics", paths, {}, HERE, log)).code == 0, (
        log.read_text()
    )
