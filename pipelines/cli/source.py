"""A pipeline as commands are given it: a Python file, or a compiled one, and its parameters."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadParameter

if TYPE_CHECKING:
    from ..ir import CompiledPipeline


def compiled_of(
    source: str, image: str, project: Path, targets: Sequence[str] = ()
) -> "CompiledPipeline":
    """Compile a Python file for the targets, or take a compiled file as it is."""
    if source.endswith((".yaml", ".yml", ".json")):
        from ..ir import load

        return load(Path(source))
    from ..compile import compile_pipeline
    from ..lint import DEFAULT_TARGETS

    return compile_pipeline(source, image, project, targets or DEFAULT_TARGETS)


def pairs(params: Sequence[str]) -> dict[str, str]:
    """Split `NAME=VALUE`, each name once."""
    found: dict[str, str] = {}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals or not name or name in found:
            raise BadParameter(
                given=f"--param {param}" + (", a second time" if name in found else ""),
                allowed="--param NAME=VALUE, once for each name",
                todo="correct it",
            )
        found[name] = value
    return found
