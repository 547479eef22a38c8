"""What makes the house a house: layers, packages, lightness and size."""

import ast
import doctest
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from lockstep.components.catalogue import COMPONENTS

ROOT = Path(__file__).parents[1]
FLOORS = ("pipelines", "components", "serving")
EXAMPLES = {Path("pipelines/taxi")}
"""Folders that are users' code: they import `lockstep` as users do, and do not ship."""
HEAVY = (
    "tensorflow",
    "tfx",
    "tensorflow_data_validation",
    "apache_beam",
    "google.cloud.aiplatform",
    "rfc3987_syntax",  # a grammar of 3 CPU-seconds, which pyproject.toml leaves out
)
MAX_FILE, MAX_BODY = 400, 40
TOO_LARGE: dict[str, str] = {}
"""`path` or `path:function` that may exceed these, and why."""


def library_files() -> list[Path]:
    """Every Python file of the three floors, relative to the root."""
    files = (f.relative_to(ROOT) for floor in FLOORS for f in (ROOT / floor).rglob("*.py"))
    return sorted(f for f in files if f.parent not in EXAMPLES)


MAPPERS = (
    *("containers", "custom", "declare", "graph", "mapping", "nodes", "resolvers"),
    *("standard_tasks", "wiring"),
)
"""Of `pipelines/tfx`, what is loaded only when there is a TFX pipeline to be mapped."""


def light_modules() -> list[str]:
    """Every module that must load without TensorFlow: all but the executors."""
    return [
        ".".join(("lockstep", *path.with_suffix("").parts)).removesuffix(".__init__")
        for path in library_files()
        if path.parts[:2] != ("components", "executors") and path.name != "__main__.py"
    ]


def declarations() -> set[str]:
    """The light modules that declare components, and so may import kfp."""
    modules = {component.module for component in COMPONENTS.values()} | {"container"}
    declared = {f"lockstep.components.{module}" for module in modules}
    return declared | {f"lockstep.pipelines.tfx.{module}" for module in MAPPERS}


def tracked_files() -> list[Path]:
    """Every file that is, or is about to be, under version control."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, nested ones included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many lines a function's body has, less its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def python(code: str, *arguments: str) -> str:
    """Run code in a process of its own and return what it prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_imports_only_go_down() -> None:
    """No floor imports a floor above it."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_package_ships() -> None:
    """The packages in pyproject.toml are those in the tree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = {".".join(("lockstep", *f.parent.parts)) for f in library_files()}
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(
        found | {"lockstep", "lockstep.manifests"}
    )


def test_every_folder_with_code_is_a_package() -> None:
    """No module of the library lies in a folder without `__init__.py`."""
    assert not [f for f in library_files() if not (ROOT / f.parent / "__init__.py").exists()]


def test_the_root_holds_no_module() -> None:
    """The root's one module is an empty `__init__.py`, and `tests` is no package."""
    assert [f.name for f in ROOT.glob("*.py")] == ["__init__.py"]
    assert len(ast.parse((ROOT / "__init__.py").read_text()).body) == 1
    assert not list((ROOT / "tests").rglob("__init__.py"))


def newly_loaded(modules: list[str], watched: list[str]) -> dict[str, list[str]]:
    """Import modules one after the other in a fresh process; say which first load a watched one."""
    code = (
        "import importlib, json, sys\n"
        "modules, watched = json.loads(sys.argv[1])\n"
        "seen, guilty = set(), {}\n"
        "for module in modules:\n"
        "    importlib.import_module(module)\n"
        "    if new := [w for w in watched if w in sys.modules and w not in seen]:\n"
        "        guilty[module] = new\n"
        "        seen.update(new)\n"
        "print(json.dumps(guilty))\n"
    )
    loaded: dict[str, list[str]] = json.loads(python(code, json.dumps([modules, watched])))
    return loaded


def test_light_modules_load_nothing_heavy() -> None:
    """Importing anything but an executor loads no TensorFlow, TFX, Beam or cloud SDK."""
    assert newly_loaded(light_modules(), list(HEAVY)) == {}


def test_only_declarations_load_kfp() -> None:
    """The entrypoint, the engine, the store and the command line load without kfp."""
    lightest = [module for module in light_modules() if module not in declarations()]
    assert newly_loaded(lightest, [*HEAVY, "kfp"]) == {}


def test_help_is_light() -> None:
    """`lockstep --help` loads neither kfp nor anything heavier."""
    code = (
        "import sys\n"
        "from lockstep.pipelines.cli import main\n"
        "sys.argv = ['lockstep', '--help']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "print('\\n' + '\\n'.join(sys.modules))\n"
    )
    assert not {*HEAVY, "kfp", "kubernetes", "grpc"} & set(python(code).splitlines())


@pytest.mark.parametrize("module", light_modules())
def test_examples_in_docstrings_run(module: str) -> None:
    """What a docstring shows is what happens."""
    assert doctest.testmod(import_module(module)).failed == 0


def test_nothing_grows_too_large() -> None:
    """A file stays under 400 lines and a function's body under 40, or says why not."""
    large = set()
    for path in library_files():
        if len((ROOT / path).read_text().splitlines()) > MAX_FILE:
            large.add(str(path))
        large |= {f"{path}:{f.name}" for f in functions(ROOT / path) if body_lines(f) > MAX_BODY}
    assert large == set(TOO_LARGE)


def test_every_test_states_its_promise() -> None:
    """Each test has a docstring."""
    assert not [
        f"{path.relative_to(ROOT)}:{function.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]


def test_nothing_knows_the_machine_it_was_made_on() -> None:
    """No file names this checkout, this home directory or a package index other than PyPI."""
    here = "|".join(re.escape(f"{path}/") for path in (ROOT, Path.home()) if path.name)
    machine = re.compile(rf"{here}|pythonhosted\.org|pypi\.|(?:index|links) *= *.http")
    own = [Path(__file__), ROOT / "uv.lock"]
    named = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked_files()
        if path not in own
        and (match := machine.search(path.read_text(encoding="utf-8", errors="ignore")))
    ]
    assert not named
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts <= {"pypi.org", "files.pythonhosted.org"}
