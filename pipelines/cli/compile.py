"""`lockstep compile`: from a pipeline's source to the one file that every runner reads."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from ...components.catalogue import DEFAULT_IMAGE
from ..errors import DefinitionError

app: Final = typer.Typer()


@app.command("compile")
def compile_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE[:NAME]",
            help="The pipeline's Python file; NAME says which of several pipelines.",
        ),
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", help="The file to write; - is stdout. [FILE.yaml]")
    ] = "",
    image: Annotated[
        str, typer.Option(help="The runtime image that lockstep's components run in.")
    ] = DEFAULT_IMAGE,
    project: Annotated[
        Path,
        typer.Option(
            help="The project's root: imports and module files start there.",
            exists=True,
            file_okay=False,
        ),
    ] = Path(),
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TARGET",
            help="Refuse what this target would refuse: kfp (the newest release), kfp-2.5, vertex. "
            "May be given twice.  [default: kfp]",
        ),
    ] = None,
) -> None:
    """Compile a pipeline to one YAML file for this machine, Kubeflow Pipelines and Vertex AI."""
    from ..compile import compile_pipeline
    from ..definition import split_source
    from ..ir import dump
    from ..lint import DEFAULT_TARGETS

    compiled = compile_pipeline(source, image, project, target or DEFAULT_TARGETS)
    text = dump(compiled)
    if output == "-":
        sys.stdout.write(text)
        typer.echo(f"sha256:{compiled.digest}", err=True)
        return
    path = Path(output) if output else split_source(source)[0].with_suffix(".yaml")
    _write(path, text)
    typer.echo(f"sha256:{compiled.digest}  {path}")


def _write(path: Path, text: str) -> None:
    """Put the text in place in one step: whoever reads the path sees the old file or the new."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        path.write_text(text)  # a device or a pipe is written to, never replaced
        return
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.resolve().parent, delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                temporary.replace(path.resolve())
            except BaseException:
                temporary.unlink()
                raise
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise DefinitionError(
            given=f"{path} cannot be written: {error.strerror}",
            allowed="a file in an existing folder that you may write to, or - for stdout",
            todo="give another path: -o PATH",
        ) from error
