"""What every command that reports findings has in common: its options, and how it ends."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...serving.errors import Exit

if TYPE_CHECKING:
    from ...serving.contract.file import Document
    from ...serving.contract.findings.finding import Finding
    from ...serving.contract.model import Contract
    from ...serving.contract.rules import Level

FORMATS: Final = ("text", "json", "junit", "github", "markdown")
LEVELS: Final = ("breaking", "risky", "compatible", "never")

ContractFile = Annotated[Path, typer.Argument(metavar="CONTRACT", help="The contract's file.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="A file. [stdout]")]
Form = Annotated[
    str, typer.Option("--format", metavar="|".join(FORMATS), help="How findings are told.")
]
FailOn = Annotated[
    str, typer.Option(metavar="|".join(LEVELS), help="The level from which on it fails (12).")
]
WaiversFile = Annotated[
    Path | None, typer.Option("--waivers", metavar="FILE", help="Findings that do not count.")
]
Store = Annotated[
    str, typer.Option(envvar="LOCKSTEP_STORE", metavar="BASE", help="Where the models are.")
]
Reporting = tuple[str, str, Path | None, Path | None]
"""The values of the options `Form`, `FailOn`, `WaiversFile` and `Output`."""


def report(
    title: str,
    found: "Sequence[Finding]",
    document: "Document[Contract]",
    options: Reporting,
) -> None:
    """Tell what was found in a contract's document; exit with 12 if something counts."""
    from ...serving.contract.file import read
    from ...serving.contract.findings.finding import placed
    from ...serving.contract.findings.report import Report
    from ...serving.contract.findings.waivers import Waivers, waive
    from ...serving.contract.rules import LEVELS as KNOWN

    form, fail_on, waivers, output = options
    for option, given, allowed in (("--format", form, FORMATS), ("--fail-on", fail_on, LEVELS)):
        if given not in allowed:
            message = f"{given!r} is none of {', '.join(allowed)}"
            raise typer.BadParameter(message, param_hint=option)
    findings = placed(found, document)
    if waivers:
        findings = waive(findings, read(waivers, Waivers), today=today())
    least: Level | None = next((level for level in KNOWN if level == fail_on), None)
    told = Report(title, findings, least)
    write(told.render(form), output)
    if told.failing:
        raise typer.Exit(Exit.CONTRACT)


def write(text: str, output: Path | None) -> None:
    """Print a text, or write it to a file."""
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(output, error) from error


def unwritable(path: Path, error: OSError) -> typer.BadParameter:
    """The mistake of naming a file that cannot be written."""
    message = f"{path} cannot be written: {error.strerror}"
    return typer.BadParameter(message, param_hint="--output")


def today() -> date:
    """The day by which sunsets and waivers are judged."""
    return date.today()
