"""`lockstep contract`: write, check and compare what a model promises to its callers."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from .contract_client import client
from .contract_replay import record, replay
from .contract_stub import stub
from .findings import (
    ContractFile,
    FailOn,
    Form,
    Output,
    Store,
    WaiversFile,
    report,
    today,
    unwritable,
    write,
)

app: Final = typer.Typer(
    help="What a model promises to the applications that call it.", no_args_is_help=True
)
app.command("stub")(stub)
app.command("client")(client)
app.command("replay")(replay)
app.command("record")(record)


@app.command("init")
def init(
    name: Annotated[str, typer.Option(metavar="MODEL", help="The model's name.")],
    from_model: Annotated[
        str | None, typer.Option(metavar="DIR", help="A SavedModel: names, types, shapes.")
    ] = None,
    from_schema: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A TFDV schema: domains, presence.")
    ] = None,
    signature: Annotated[str, typer.Option(help="The signature to call.")] = "serving_default",
    without: Annotated[
        list[str] | None, typer.Option(metavar="FEATURE", help="No input: a label, a key.")
    ] = None,
    output: Annotated[
        str, typer.Option("-o", "--output", help="The file to write; - is stdout.")
    ] = "contract.yaml",
) -> None:
    """Write a first contract from a SavedModel, a TFDV schema, or both; nothing is overwritten."""
    from ...serving.contract.checks.draft import draft
    from ...serving.contract.checks.saved_model import read_signatures
    from ...serving.contract.checks.schema_pbtxt import read_schema
    from ...serving.contract.file import dump

    if from_model is None and from_schema is None:
        raise typer.BadParameter(
            message="name one or both", param_hint="--from-model, --from-schema"
        )
    text = dump(
        draft(
            name,
            read_signatures(from_model) if from_model else None,
            read_schema(from_schema) if from_schema else None,
            signature=signature,
            without=tuple(without or ()),
        )
    )
    if output == "-":
        typer.echo(text, nl=False)
        return
    _write_new(Path(output), text)
    typer.echo(f"{output}: now say what only people know; `lockstep contract lint {output}` helps")


@app.command("lint")
def lint_command(
    contract: ContractFile,
    form: Form = "text",
    fail_on: FailOn = "risky",
    waivers: WaiversFile = None,
    output: Output = None,
) -> None:
    """Say what a contract leaves out or leaves vague."""
    from ...serving.contract.checks.lint import lint
    from ...serving.contract.file import load

    document = load(contract)
    found = lint(document.value, today=today())
    report(f"lint of {contract}", found, document, (form, fail_on, waivers, output))


@app.command("check")
def check(
    contract: ContractFile,
    schema: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The TFDV schema of the training data.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="DIR", help="The SavedModel that is to be served.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="Rows (.csv, .json, .jsonl), or TFRecords."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="So many rows of the data.")] = 1000,
    consumers: Annotated[
        bool, typer.Option("--consumers", help="What applications have recorded beside it.")
    ] = False,
    form: Form = "text",
    fail_on: FailOn = "breaking",
    waivers: WaiversFile = None,
    output: Output = None,
) -> None:
    """Check that schema, SavedModel and data keep a contract, and that it keeps its consumers."""
    from ...serving.contract.checks.data import against_sample
    from ...serving.contract.checks.saved_model import against_model, read_signatures
    from ...serving.contract.checks.schema_pbtxt import against_schema, read_schema
    from ...serving.contract.consumers.check import against_recordings
    from ...serving.contract.consumers.recording import recordings
    from ...serving.contract.file import load

    if not (schema or model or data or consumers):
        message = "name one or more"
        raise typer.BadParameter(message, param_hint="--schema, --model, --data, --consumers")
    document = load(contract)
    found = against_schema(document.value, read_schema(schema)) if schema else ()
    if model:
        found += against_model(document.value, read_signatures(model))
    if data:
        found += against_sample(document.value, data, model, most=rows)
    if consumers:
        found += against_recordings(document.value, recordings(contract))
    against = " and ".join(
        str(one) for one in (schema, model, data, "consumers" if consumers else None) if one
    )
    report(f"{contract} against {against}", found, document, (form, fail_on, waivers, output))


@app.command("diff")
def diff_command(
    contracts: Annotated[
        list[str],
        typer.Argument(metavar="[OLD] NEW", help="Files; OLD is left out with --against."),
    ],
    against: Annotated[
        str | None,
        typer.Option(metavar="git:REF|MODEL@ALIAS", help="Where the old contract is."),
    ] = None,
    store: Store = ".lockstep/models",
    first: Annotated[
        bool, typer.Option("--first", help="Pass if the commit or the store has no old one.")
    ] = False,
    major_may_break: Annotated[
        bool, typer.Option("--major-may-break", help="A raised major version announces breaks.")
    ] = False,
    form: Form = "text",
    fail_on: FailOn = "breaking",
    waivers: WaiversFile = None,
    output: Output = None,
) -> None:
    """Compare two contracts from the caller's side: breaking, risky or compatible."""
    from ...serving.contract.diff.against import contract_of
    from ...serving.contract.diff.contracts import allow_announced, diff
    from ...serving.contract.file import load
    from ...serving.errors import NothingToCompare, UnknownAlias, UnknownModel

    reference, path = _pair(contracts, against)
    new = load(path)
    try:
        old = contract_of(reference, path, store).value
    except (NothingToCompare, UnknownAlias, UnknownModel):
        if not first:
            raise
        old = new.value
    found = diff(old, new.value, today=today())
    if major_may_break:
        found = allow_announced(old, new.value, found)
    title = f"{new.value.model} {old.version} ({reference}) -> {new.value.version} ({path})"
    report(title, found, new, (form, fail_on, waivers, output))


@app.command("schema")
def schema_command(
    contract: ContractFile,
    wire: Annotated[
        bool, typer.Option("--wire", help="As TF Serving takes it: every input, nothing else.")
    ] = False,
    output: Output = None,
) -> None:
    """Print the JSON Schema of one instance."""
    from ...serving.contract.client.instance import instance
    from ...serving.contract.file import load

    write(json.dumps(instance(load(contract).value, wire=wire), indent=2), output)


@app.command("openapi")
def openapi_command(
    contract: ContractFile,
    server: Annotated[str, typer.Option(metavar="URL", help="Where the model is served.")] = (
        "http://localhost:8501"
    ),
    output: Output = None,
) -> None:
    """Print the OpenAPI 3.1 document of TF Serving's REST surface."""
    from ...serving.contract.client.openapi import openapi
    from ...serving.contract.file import load

    write(json.dumps(openapi(load(contract).value, server), indent=2), output)


@app.command("format")
def format_command(output: Output = None) -> None:
    """Print the JSON Schema of contract files, for editors and other tools."""
    from ...serving.contract.file import format_schema

    write(json.dumps(format_schema(), indent=2), output)


def _pair(contracts: list[str], against: str | None) -> tuple[str, str]:
    wanted = 2 if against is None else 1
    if len(contracts) != wanted:
        message = "give OLD and NEW, or NEW alone and --against"
        raise typer.BadParameter(message, param_hint="[OLD] NEW")
    return against or contracts[0], contracts[-1]


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise unwritable(path, error) from error
