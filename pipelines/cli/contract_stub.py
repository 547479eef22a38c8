"""`lockstep contract stub`: a model to integrate with on day one."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from .findings import ContractFile


def stub(
    contract: ContractFile,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="The model's directory; DIR/0 is new."),
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="STORE", help="Push it as version 0, with its papers.")
    ] = None,
    latency: Annotated[
        float, typer.Option(metavar="MS", min=0, max=60_000, help="How long a request takes.")
    ] = 0.0,
) -> None:
    """Write a stub: a SavedModel that answers as the contract promises, and means nothing by it."""
    from ...serving.contract.file import load
    from ...serving.contract.stub.saved_model import push_stub, write_stub

    if output is None and push is None:
        raise typer.BadParameter(message="name one or both", param_hint="--output, --push")
    promised, base = load(contract).value, ""
    with TemporaryDirectory() as aside:
        place = (output or Path(aside)) / "0"
        write_stub(promised, place, latency_ms=latency)
        if output:
            base = str(output.resolve())
            typer.echo(f"{place}: the stub of {promised.model} {promised.version}")
        if push:
            pushed = push_stub(promised, place, push)
            how = "pushed" if pushed.created else "there already"
            typer.echo(f"{pushed.version.path}: {how}")
            base = pushed.version.path.rpartition("/")[0]
    typer.echo(
        "next: python -m lockstep.serving.server --rest_api_port=8501 "
        f"--model_name={promised.model} --model_base_path={base}"
    )
