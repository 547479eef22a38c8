"""Loading a pipeline's source: what is found, what is said of what is broken, what is left."""

import sys
import warnings
from pathlib import Path

import pytest

from lockstep.pipelines.definition import load_pipeline, split_source
from lockstep.pipelines.errors import DefinitionError

ONE = """
from kfp import dsl

@dsl.component(base_image="python:3.11")
def step(number: int = 1):
    pass

@dsl.pipeline(name="one")
def one():
    step()
"""
TWO = (
    ONE
    + """
@dsl.pipeline(name="two")
def two():
    step()
"""
)


def write(folder: Path, text: str) -> str:
    """Write a pipeline's source."""
    path = folder / "source.py"
    path.write_text(text)
    return str(path)


def test_a_source_may_name_its_pipeline() -> None:
    """FILE.py:NAME is taken apart; anything else is a path."""
    assert split_source("a/b.py:train") == (Path("a/b.py"), "train")
    assert split_source("a/b.py") == (Path("a/b.py"), None)
    assert split_source("a:b/c.py") == (Path("a:b/c.py"), None)


def test_the_only_pipeline_is_found(tmp_path: Path) -> None:
    """One pipeline needs no name, and a second name for it is no second pipeline."""
    source = write(tmp_path, ONE + "alias = one\n")
    assert load_pipeline(source, tmp_path).name == "one"


def test_one_of_several_is_found_by_name(tmp_path: Path) -> None:
    """A file may hold several pipelines if the source says which."""
    assert load_pipeline(write(tmp_path, TWO) + ":two", tmp_path).name == "two"


@pytest.mark.parametrize(
    ("text", "suffix", "says"),
    [
        (TWO, "", "holds 2 pipelines: one, two"),
        (TWO, ":tow", r"no pipeline is called 'tow'(.|\n)*did you mean .*source.py:two\?"),
        (ONE, ":step", r"no pipeline is called 'step'(.|\n)*a pipeline of this file: one"),
        ("x = 1\n", "", "holds 0 pipelines"),
        ("x = 1\ndef f(:\n", "", r"source\.py:2: SyntaxError: .*\n    def f\(:"),
        ("x = '\x00'\n", "", r"source\.py:1: SyntaxError"),
        ("import nowhere_to_be_found\n", "", r"source\.py:1: ModuleNotFoundError"),
        ("\n\ndef f():\n    1 / 0\n\nf()\n", "", r"source\.py:4: ZeroDivisionError"),
        ("import sys\nsys.exit(3)\n", "", r"source\.py:2: SystemExit: 3\n    sys\.exit"),
        (ONE + "    step(numbr=2)\n", "", r"source\.py:11: TypeError(.|\n)*step\(numbr=2\)"),
        ("import helper\n", "", r"helper\.py:1: SyntaxError"),
        ("import other\nother.fail()\n", "", r"source\.py:2: KeyError(.|\n)*other\.py:2"),
    ],
)
def test_a_broken_source_is_told_with_its_line(
    text: str, suffix: str, says: str, tmp_path: Path
) -> None:
    """Each mistake is a definition error that names the user's file and line."""
    (tmp_path / "helper.py").write_text("def (\n")
    (tmp_path / "other.py").write_text("def fail():\n    {}['x']\n")
    with pytest.raises(DefinitionError, match=says):
        load_pipeline(write(tmp_path, text) + suffix, tmp_path)


@pytest.mark.parametrize("name", ["nowhere.py", "folder.py", "one.yaml"])
def test_what_is_no_python_file_is_refused(name: str, tmp_path: Path) -> None:
    """A path that is missing, a folder or another kind of file is named."""
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "one.yaml").write_text("a: 1")
    with pytest.raises(DefinitionError, match=name):
        load_pipeline(str(tmp_path / name), tmp_path)


def test_loading_leaves_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Import path and modules are as before, no bytecode is written, stdout is kept clean."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "names.py").write_text("NAME = 'one'\n")
    load_pipeline(write(tmp_path, ONE), tmp_path)  # kfp's own modules stay
    source = write(tmp_path, f"import parts.names\nprint(parts.names.NAME)\n{ONE}")
    before, path, flag = set(sys.modules), list(sys.path), sys.dont_write_bytecode
    load_pipeline(source, tmp_path)
    assert set(sys.modules) == before
    assert (sys.path, sys.dont_write_bytecode) == (path, flag)
    assert not [*tmp_path.rglob("*.pyc")]
    assert capsys.readouterr() == ("", "one\n")


def test_each_loading_is_fresh(tmp_path: Path) -> None:
    """A file, or a module it imports, that has changed is read again in the same process."""
    names = tmp_path / "names.py"
    text = ONE.replace('"one"', "names.NAME")
    for name in ("first", "the-second"):
        names.write_text(f"NAME = {name!r}\n")
        assert load_pipeline(write(tmp_path, f"import names\n{text}"), tmp_path).name == name


def test_the_users_warnings_are_heard_and_kfps_are_not(tmp_path: Path) -> None:
    """A warning of the user's code goes through; kfp's about its own defaults do not."""
    text = ONE.replace('(base_image="python:3.11")', "")
    source = write(tmp_path, f"import warnings\nwarnings.warn('mine')\n{text}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_pipeline(source, tmp_path)
    assert [str(warning.message) for warning in caught] == ["mine"]
