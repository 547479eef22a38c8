"""`lockstep lineage`: where an artifact or a model comes from, and what was made of it."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from ..engine.lineage import Lineage, Made

app: Final = typer.Typer()


@app.command("lineage")
def lineage_command(
    artifact: Annotated[
        str,
        typer.Argument(
            metavar="ARTIFACT|MODEL[@VERSION|@ALIAS]",
            help="An artifact's address (it has a slash), or a model in the store.",
        ),
    ],
    root: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path(".lockstep"),
    store: Annotated[
        str,
        typer.Option(envvar="LOCKSTEP_STORE", metavar="BASE", help="Where the models are."),
    ] = ".lockstep/models",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Draw it into this file, a page of its own.")
    ] = None,
) -> None:
    """Show the data, code, parameters and run behind an artifact, and what was made of it."""
    from dataclasses import asdict

    from ..engine.lineage import artifact_of_model, trace

    uri = artifact
    if "/" not in artifact:
        model, _, reference = artifact.partition("@")
        uri = artifact_of_model(root, store, model, reference)
    found = trace(root, uri)
    if html:
        from ..engine.lineage_page import page

        html.write_text(page(found, artifact), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
    else:
        typer.echo("\n".join(_lines(found)))


def _lines(lineage: "Lineage") -> Iterator[str]:
    facts = lineage.artifacts.get(lineage.artifact, {})
    yield f"{lineage.artifact}  {facts.get('type', '')}  sha256 {str(facts.get('digest'))[:12]}"
    versions = {k: v for made in lineage.behind for k, v in made.code.items() if not _is_digest(v)}
    yield "with: " + ", ".join(f"{name} {version}" for name, version in versions.items())
    yield "behind it:"
    for made in lineage.behind:
        yield from _made_lines(made)
    yield "made of it:" if lineage.beyond else "nothing was made of it"
    for made in lineage.beyond:
        yield from _made_lines(made)


def _made_lines(made: "Made") -> Iterator[str]:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(made.started))
    yield f"  {made.task}  {made.program} in {made.run}, {when}"
    for name, uris in made.inputs.items():
        yield f"    input {name}: {', '.join(map(_near, uris))}"
    for name, value in made.parameters.items():
        text = json.dumps(value, ensure_ascii=False)
        yield f"    parameter {name}: {text if len(text) <= 80 else text[:77] + '...'}"
    for name, version in made.code.items():
        if _is_digest(version):
            yield f"    code {name}: {version[:12]}"
    for name, uris in made.outputs.items():
        yield f"    output {name}: {', '.join(map(_near, uris))}"


def _is_digest(text: str) -> bool:
    return len(text) == 64


def _near(uri: str) -> str:
    """An address as it is typed from here."""
    return os.path.relpath(uri) if uri.startswith(os.getcwd() + os.sep) else uri
