"""`lockstep contract replay` and `record`: what applications send, and are to be answered."""

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .findings import ContractFile, FailOn, Form, Output, Store, WaiversFile, report, unwritable
from .predict import Grpc, Rest, read_input, target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...serving.contract.model import Contract

Label = Annotated[str | None, typer.Option(help="The label to ask; else the newest version.")]


def replay(
    contract: ContractFile,
    rest: Rest = None,
    grpc: Grpc = None,
    label: Label = None,
    into: Annotated[
        str | None,
        typer.Option(metavar="MODEL@VERSION", help="Add what became of it to a version's papers."),
    ] = None,
    store: Store = ".lockstep/models",
    form: Form = "text",
    fail_on: FailOn = "breaking",
    waivers: WaiversFile = None,
    output: Output = None,
) -> None:
    """Send what applications have recorded (consumers/APPLICATION/*.yaml beside the contract)."""
    from ...serving.contract.consumers.check import against_recordings
    from ...serving.contract.consumers.recording import recordings
    from ...serving.contract.consumers.replay import asking, replay
    from ...serving.contract.consumers.replayed import add_replays
    from ...serving.contract.file import load

    document = load(contract)
    server = target(document.value.model, rest, grpc)
    known = recordings(contract)
    found = against_recordings(document.value, known)
    with asking(server, document.value, label=label) as ask:
        found += replay(document.value, known, ask)
    if into is not None:
        version = _version(into, document.value.model, store)
        add_replays(*version, known, found, at=datetime.now(timezone.utc))
    count = sum(map(len, known.values()))
    title = f"{count} recorded requests of {len(known)} applications to {server}"
    report(title, found, document, (form, fail_on, waivers, output))


def record(
    contract: ContractFile,
    application: Annotated[str, typer.Argument(help="Who sends it.")],
    name: Annotated[str, typer.Argument(help="What the request is called.")],
    rows: Annotated[
        str, typer.Option("--input", metavar="FILE", help="CSV, JSON or JSON lines; - is stdin.")
    ],
    rest: Rest = None,
    grpc: Grpc = None,
    label: Label = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="How far a number may be from what is answered now.")
    ] = 0.0,
) -> None:
    """Ask a model server, and write down the request and its answer as a recording."""
    from ...serving.contract.consumers.record import recorded
    from ...serving.contract.consumers.recording import FOLDER
    from ...serving.contract.consumers.replay import asking
    from ...serving.contract.file import load

    for hint, word in (("APPLICATION", application), ("NAME", name)):
        if not word or word.startswith(".") or "/" in word:
            message = f"{word!r} is no name for a file"
            raise typer.BadParameter(message, param_hint=hint)
    promised = load(contract).value
    path = contract.parent / FOLDER / application / f"{name}.yaml"
    instances = _instances(rows, promised)
    with asking(target(promised.model, rest, grpc), promised, label=label) as ask:
        text = recorded(instances, ask, tolerance)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise unwritable(path, error) from error
    typer.echo(f"{path}: now say what it stands for (meaning), and what the application relies on")


def _instances(name: str, contract: "Contract") -> "Sequence[Mapping[str, Any]]":
    import numpy as np

    types = {name: one.dtype for name, one in contract.inputs.items()}
    dtypes = {name: np.dtype("O" if kind == "string" else kind) for name, kind in types.items()}
    return read_input(name).typed(dtypes).values


def _version(reference: str, model: str, store: str) -> tuple[Any, int]:
    from ...serving.store import ModelStore

    name, _, version = reference.partition("@")
    if name != model or not version:
        message = f"{reference!r} is no version of {model}: {model}@VERSION"
        raise typer.BadParameter(message, param_hint="--into")
    opened = ModelStore.open(store, model)
    return opened, opened.resolve(version).number
