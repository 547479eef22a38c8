"""The catalogue, the declarations and the executors name the same components."""

import ast
from pathlib import Path

import pytest

from lockstep import components
from lockstep.components.catalogue import COMPONENTS

FLOOR = Path(__file__).parents[2] / "components"


def functions(file: Path) -> set[str]:
    """The public functions that a module defines."""
    body = ast.parse(file.read_text()).body
    return {f.name for f in body if isinstance(f, ast.FunctionDef) and not f.name.startswith("_")}


def declared() -> dict[str, str]:
    """Every function that is decorated as a component -> its module."""
    return {
        f.name: file.stem
        for file in FLOOR.glob("*.py")
        for f in ast.parse(file.read_text()).body
        if isinstance(f, ast.FunctionDef)
        and any(ast.unparse(d) == "dsl.container_component" for d in f.decorator_list)
    }


def test_the_catalogue_is_what_is_declared() -> None:
    """Every declared component is in the catalogue, with its module; and no other."""
    assert declared() == {name: component.module for name, component in COMPONENTS.items()}


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_component_has_an_executor(name: str) -> None:
    """The executor is the function of the same name in `executors/MODULE.py`."""
    assert name in functions(FLOOR / "executors" / f"{COMPONENTS[name].module}.py")


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_component_starts_the_entrypoint_with_its_name(name: str) -> None:
    """The command is the one entrypoint, the argument KFP's ExecutorInput."""
    container = getattr(components, name).component_spec.implementation.container
    assert container.command == ["python", "-m", "lockstep.components", name]
    assert container.args == ["--executor_input", "{{$}}"]


@pytest.mark.parametrize("name", [n for n, c in COMPONENTS.items() if c.cached_with])
def test_what_a_component_is_cached_with_is_its_parameter(name: str) -> None:
    """The parameter that must come from a task is there, and may be left out."""
    parameter = COMPONENTS[name].cached_with
    assert getattr(components, name).component_spec.inputs[parameter].optional


def test_no_module_takes_a_component_s_name() -> None:
    """`lockstep.components.NAME` is the component, whatever has been imported before."""
    assert not COMPONENTS.keys() & {file.stem for file in FLOOR.iterdir()}
