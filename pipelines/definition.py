"""Loading a pipeline's source: run the user's file and find its pipeline, or the line at fault.

A file of TFX's is taken as it is: its pipeline is found by name, or where it is given to a runner.
"""

import contextlib
import difflib
import importlib
import importlib.util
import inspect
import linecache
import re
import sys
import traceback
import types
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

from .errors import DefinitionError

_MODULE: Final = "__lockstep_definition__"
_TFX: Final = re.compile(rb"^\s*(from|import)\s+(tfx|lockstep\.pipelines\.tfx)\b", re.MULTILINE)
_GUARD: Final = re.compile(rb"__name__\s*==\s*['\"]__main__['\"]")
_PIPELINE: Final = "tfx.orchestration.pipeline.Pipeline"
_NOISE: Final = ("The default base_image used by the @dsl.component decorator",)


def load_pipeline(source: str, project_root: Path) -> Any:
    """Run `FILE.py[:NAME]` in a fresh module and return its pipeline: kfp's GraphComponent.

    Of a file that imports TFX it may be a `Captured` instead. Imports in the file resolve from
    `project_root` as well. What it prints goes to stderr.

    Raises:
        DefinitionError: There is no such file, it does not load, or does not hold one pipeline.
    """
    path, name = split_source(source)
    if path.suffix != ".py" or not path.is_file():
        raise DefinitionError(
            given=f"{path}: " + ("not a Python file" if path.is_file() else "no such file"),
            allowed="FILE.py, or FILE.py:NAME where it holds several pipelines",
            todo="give the path of the pipeline's Python file",
        )
    if not _TFX.search(path.read_bytes()):
        return _pick(_execute(path, project_root), path, name)
    return _load_tfx(path, project_root, name)


def split_source(source: str) -> tuple[Path, str | None]:
    """Take `FILE.py:NAME` apart; without NAME it is None."""
    match = re.fullmatch(r"(.+\.py):(\w+)", source)
    return (Path(match[1]), match[2]) if match else (Path(source), None)


@contextlib.contextmanager
def blame(path: Path) -> Generator[None]:
    """Turn whatever the user's code raises into a `DefinitionError` naming the line of `path`."""
    try:
        yield
    except DefinitionError:
        raise
    except SyntaxError as error:
        where = f"{error.filename or path}:{error.lineno or 1}"
        line = f"\n    {error.text.strip()}" if error.text else ""
        problem = f"{where}: {type(error).__name__}: {error.msg}{line}"
        raise _broken(problem) from error
    except (Exception, SystemExit) as error:
        raise _broken(_locate(error, path)) from error


def _locate(error: BaseException, path: Path) -> str:
    """Say where in `path` the error came up, and where it was raised if that is elsewhere."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == str(path)]
    where = f"{path}:{own[-1].lineno}" if own else str(path)
    line = f"\n    {own[-1].line}" if own and own[-1].line else ""
    message = f"{where}: {type(error).__name__}: {error}{line}"
    raised = frames[-1] if frames else None
    if own and raised is not None and raised is not own[-1]:
        message += f"\n  raised in {raised.filename}:{raised.lineno}"
    return message


def _broken(problem: str) -> DefinitionError:
    return DefinitionError(
        given=problem,
        allowed="a Python file that loads with the project root (--project) on its import path",
        todo="mend that line; `python FILE.py` shows the whole traceback",
    )


def _load_tfx(path: Path, root: Path, name: str | None) -> Any:
    """Find the pipeline of a file that imports TFX: kfp's, TFX's own, or what a runner is given."""
    from .tfx.capture import capturing, quietly_import
    from .tfx.taken import Captured

    if importlib.util.find_spec("tfx") is None:
        raise DefinitionError(
            given=f"{path} imports TFX, which is not installed",
            allowed="an environment with lockstep's extra `tfx`",
            todo="pip install 'lockstep[tfx]' (or: uv sync --extra tfx)",
        )
    with blame(path):
        quietly_import()
    with capturing() as found:
        module = _execute(path, root)
    if found:
        return found[0]
    held = {key: value for key, value in vars(module).items() if _is_tfx(value)}
    if name is None and not held and _GUARD.search(path.read_bytes()) and not _graphs(module):
        with capturing() as found:
            _execute(path, root, "__main__")
        if found:
            return found[0]
    made = held.get(name, getattr(module, name, None)) if name else _only(held, path)
    if made is None and name is None:
        makers = [value for value in vars(module).values() if _is_maker(value, module)]
        made = makers[0] if len(makers) == 1 else None
    if inspect.isfunction(made):
        with blame(path), _visitor(module, root):
            made = made()
    return Captured(made) if _is_tfx(made) else _pick(module, path, name)


def _only(held: dict[str, Any], path: Path) -> Any:
    """Take the one TFX pipeline, if there is one."""
    if len({id(value) for value in held.values()}) > 1:
        raise DefinitionError(
            given=f"{path}: holds {len(held)} TFX pipelines: {', '.join(held)}",
            allowed="one tfx.dsl.Pipeline, or a name: FILE.py:NAME",
            todo=f"say which one: {path}:{next(iter(held))}",
        )
    return next(iter(held.values()), None)


def _is_tfx(value: Any) -> bool:
    return any(f"{c.__module__}.{c.__name__}" == _PIPELINE for c in type(value).__mro__)


def _is_maker(value: Any, module: types.ModuleType) -> bool:
    """Whether a function of this file makes a TFX pipeline out of nothing, by its name."""
    if not inspect.isfunction(value) or value.__module__ != module.__name__:
        return False
    parameters = inspect.signature(value).parameters.values()
    required = [p for p in parameters if p.default is p.empty and p.kind not in (2, 4)]
    return "pipeline" in value.__name__ and not required


def _execute(path: Path, project_root: Path, name: str = _MODULE) -> types.ModuleType:
    """Run the file as a module of its own that leaves nothing behind in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        importlib.import_module("kfp.dsl")  # heavy, and its warnings are not the user's
    linecache.checkcache(str(path))
    module = types.ModuleType(name)
    module.__file__ = str(path)
    with blame(path), _visitor(module, project_root):
        text = path.read_bytes()
        if b"\0" in text:  # for which Python 3.11.2 gives no line
            line = text.partition(b"\0")[0].count(b"\n") + 1
            message = "source code cannot contain null bytes"
            raise SyntaxError(message, (str(path), line, None, None))
        code = compile(text, str(path), "exec", dont_inherit=True)
        exec(code, module.__dict__)
    return module


@contextlib.contextmanager
def _visitor(module: types.ModuleType, root: Path) -> Generator[None]:
    """Lend the process to the user's code: import path, stdout and module table come back."""
    before, path, bytecode = set(sys.modules), list(sys.path), sys.dont_write_bytecode
    main, arguments = sys.modules["__main__"], sys.argv
    if module.__name__ == "__main__":  # as `python FILE.py` has it
        sys.argv = [str(module.__file__)]
        sys.path.insert(0, str(Path(str(module.__file__)).parent))
    sys.path.insert(0, str(root))
    sys.modules[module.__name__] = module
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            for message in _NOISE:
                warnings.filterwarnings("ignore", message, FutureWarning)
            yield
    finally:
        sys.path[:], sys.dont_write_bytecode, sys.argv = path, bytecode, arguments
        theirs = {name for name in set(sys.modules) - before if _lies_in(name, root)}
        for name in {module.__name__, *theirs}:
            sys.modules.pop(name, None)
        sys.modules["__main__"] = main


def _lies_in(name: str, root: Path) -> bool:
    """Whether a module was found in `root` itself, not in an environment that lies within it."""
    top = sys.modules.get(name.partition(".")[0])
    places = [*getattr(top, "__path__", []), getattr(top, "__file__", None) or ""]
    return any(Path(place).parent == root for place in places)


def _graphs(module: types.ModuleType) -> dict[str, Any]:
    from kfp.dsl.graph_component import GraphComponent

    return {key: value for key, value in vars(module).items() if isinstance(value, GraphComponent)}


def _pick(module: types.ModuleType, path: Path, name: str | None) -> Any:
    """Find the pipeline `name`, or the only one."""
    found = _graphs(module)
    if name in found:
        return found[name]
    names = ", ".join(found) or "none"
    if name is not None:
        close = difflib.get_close_matches(name, found, 1)
        raise DefinitionError(
            given=f"{path}: no pipeline is called {name!r}",
            allowed=f"a pipeline of this file: {names}",
            todo=f"did you mean {path}:{close[0]}?" if close else "name one of those",
        )
    distinct = {id(value): value for value in found.values()}
    if len(distinct) == 1:
        return next(iter(distinct.values()))
    raise DefinitionError(
        given=f"{path}: holds {len(distinct)} pipelines" + (f": {names}" if found else ""),
        allowed="exactly one function under @dsl.pipeline, or a name: FILE.py:NAME",
        todo=f"say which one: {path}:{next(iter(found))}"
        if found
        else "put @dsl.pipeline over the function that defines the pipeline",
    )
