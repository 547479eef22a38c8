"""`lockstep contract client`: a typed Python package for the applications that call a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .findings import ContractFile, unwritable

if TYPE_CHECKING:
    from collections.abc import Mapping


def client(
    contract: ContractFile,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The package's directory.")
    ],
) -> None:
    """Write a Python package that asks the model, typed by the contract; no TensorFlow in it."""
    from ...serving.contract.client.package import client_package, distribution_name
    from ...serving.contract.file import load

    promised = load(contract).value
    files = client_package(promised)
    _refuse_others(output, files)
    for path, data in files.items():
        try:
            (output / path).parent.mkdir(parents=True, exist_ok=True)
            (output / path).write_bytes(data)
        except OSError as error:
            raise unwritable(output / path, error) from error
    typer.echo(f"{output}: {distribution_name(promised.model)} {promised.version}")
    typer.echo(f"next: pip install {output}")


def _refuse_others(directory: Path, files: "Mapping[str, bytes]") -> None:
    """Another model's client, or anything else that is there, is not written into."""
    if not directory.is_dir() or not any(directory.iterdir()):
        return
    package = next(path for path in files if path.endswith("/contract.json"))
    if not (directory / package).is_file():
        message = f"{directory} holds something else than this model's client"
        raise typer.BadParameter(message, param_hint="--output")
