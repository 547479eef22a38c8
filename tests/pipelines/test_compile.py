"""`lockstep compile`: the command, what it writes, and what it leaves alone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.pipelines import ir
from lockstep.pipelines.compile import compile_pipeline
from lockstep.pipelines.errors import DefinitionError
from lockstep.serving.errors import Exit

PROJECT = Path(__file__).parents[2]
GOLDEN = PROJECT / "tests" / "golden"
LOOPS = GOLDEN / "loops.py"
HEAVY = re.compile(r"tensorflow|tfx|apache_beam|google\.cloud\.\w+")
TRAIN = """
from kfp import dsl
from lockstep.components import csv_example_gen, trainer

@dsl.pipeline(name="train")
def train(data: str):
    trainer(examples=csv_example_gen(input_base=data).output, module_file="MODULE")
"""


def lockstep(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    code = "from lockstep.pipelines.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_compile_writes_the_file_and_prints_its_digest(tmp_path: Path) -> None:
    """The output file reads back as what was compiled; its digest and path are all that is said."""
    done = lockstep("compile", LOOPS, "-o", "out.yaml", cwd=tmp_path)
    compiled = ir.load(tmp_path / "out.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"sha256:{compiled.digest}  out.yaml\n"
    assert compiled.digest == ir.load(GOLDEN / "loops.yaml").digest
    assert [path.name for path in tmp_path.iterdir()] == ["out.yaml"]
    assert (tmp_path / "out.yaml").stat().st_mode & 0o777 == 0o644


def test_compile_to_stdout_writes_nothing_else_there(tmp_path: Path) -> None:
    """`-o -` can be piped: the user's prints and the digest go to stderr."""
    source = tmp_path / "talks.py"
    source.write_text(f"print('hello')\n{LOOPS.read_text()}")
    done = lockstep("compile", "talks.py", "-o", "-", cwd=tmp_path)
    assert ir.parse(done.stdout).name == "loops"
    assert done.stderr == f"hello\nsha256:{ir.parse(done.stdout).digest}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["talks.py"]


def test_without_an_output_the_file_lies_beside_its_source(tmp_path: Path) -> None:
    """`lockstep compile x.py` writes x.yaml."""
    (tmp_path / "x.py").write_text(LOOPS.read_text())
    assert lockstep("compile", "x.py:loops", cwd=tmp_path).returncode == Exit.OK
    assert ir.load(tmp_path / "x.yaml").name == "loops"


def test_findings_are_listed_and_nothing_is_written(tmp_path: Path) -> None:
    """A pipeline that breaks rules ends in its exit code; an older output stays as it was."""
    (tmp_path / "x.py").write_text(LOOPS.read_text().replace("[10, 20]", "['/a', '/b']"))
    (tmp_path / "x.yaml").write_text("older")
    done = lockstep("compile", "x.py", cwd=tmp_path)
    assert done.returncode == Exit.DEFINITION
    assert "root/for-loop-5/for-loop-7: loop items holds the absolute path '/a'" in done.stderr
    assert "'/b'" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "x.yaml").read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.py", "x.yaml"]


@pytest.mark.parametrize("output", ["nowhere/x.yaml", "folder"])
def test_an_output_that_cannot_be_written_is_an_error(output: str, tmp_path: Path) -> None:
    """A folder that is missing, or in the way, is named; no temporary file is left."""
    (tmp_path / "folder").mkdir()
    done = lockstep("compile", LOOPS, "-o", output, cwd=tmp_path)
    assert done.returncode == Exit.DEFINITION
    assert f"{output} cannot be written" in done.stderr
    assert [*tmp_path.rglob("*")] == [tmp_path / "folder"]


def test_the_image_is_replaced_where_it_is_lockstep_s_own() -> None:
    """`--image` is for lockstep's components; the user's own containers keep theirs."""
    source = f"{GOLDEN / 'ingest_and_push.py'}:ingest_and_push"
    compiled = compile_pipeline(source, "eu.gcr.io/me/mine:7", PROJECT)
    executors = compiled.spec["deploymentSpec"]["executors"].values()
    assert {executor["container"]["image"] for executor in executors} == {"eu.gcr.io/me/mine:7"}
    own = compile_pipeline(str(LOOPS), "eu.gcr.io/me/mine:7")
    assert own.digest == ir.load(GOLDEN / "loops.yaml").digest


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("modle.py", "did you mean 'model.py'?"),
        ("near.py", "did you mean 'sub/near.py'?"),
        ("no/such/thing.py", "create it, or name another --project"),
    ],
)
def test_a_module_file_that_the_project_lacks_is_an_error(
    module: str, says: str, tmp_path: Path
) -> None:
    """A module file is looked for at compile time, below the project's root."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "model.py").touch()
    (tmp_path / "sub" / "near.py").touch()
    source = tmp_path / "sub" / "train.py"
    source.write_text(TRAIN.replace("MODULE", module))
    with pytest.raises(DefinitionError) as caught:
        compile_pipeline(str(source), project_root=tmp_path)
    assert f"root/trainer: module_file {module!r}" in caught.value.given
    assert caught.value.todo == says


@pytest.mark.parametrize("module", ["model.py", "package:tfx/model.py"])
def test_a_module_file_of_the_project_or_a_package_is_taken(module: str, tmp_path: Path) -> None:
    """A path that is there passes; one inside a package is looked up where the step runs."""
    (tmp_path / "model.py").touch()
    (tmp_path / "train.py").write_text(TRAIN.replace("MODULE", module))
    assert compile_pipeline(str(tmp_path / "train.py"), project_root=tmp_path).name == "train"


def test_what_no_file_can_hold_is_an_error(tmp_path: Path) -> None:
    """A constant that JSON has no word for is refused with the source's name."""
    source = tmp_path / "x.py"
    source.write_text(LOOPS.read_text().replace("double(number=constant)", "double(number=1e999)"))
    with pytest.raises(DefinitionError, match=r"x\.py"):
        compile_pipeline(str(source), project_root=tmp_path)


def test_compiling_loads_nothing_heavy() -> None:
    """To compile the taxi pipeline, no TensorFlow, TFX, Beam or cloud SDK is imported."""
    code = (
        "import sys; from lockstep.pipelines.compile import compile_pipeline;"
        "compile_pipeline('pipelines/taxi/pipeline.py');"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "kfp" in loaded
    assert not [name for name in loaded if HEAVY.fullmatch(name)]


def test_help_and_light_modules_load_no_kfp() -> None:
    """The command's help and the light modules start without kfp."""
    code = (
        "import sys; from lockstep.pipelines import ir, tasks, lint, definition, compile, cli;"
        "sys.argv = ['lockstep', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "compile" in done.stdout
    loaded = done.stderr.split()
    assert "typer" in loaded
    assert not [name for name in loaded if name == "kfp" or HEAVY.fullmatch(name)]
