"""`lockstep models`: what is in the model store, and where its aliases stand."""

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from ...serving.store import ModelStore, Version

app: Final = typer.Typer(help="What is in the model store.", no_args_is_help=True)

Store = Annotated[
    str,
    typer.Option(envvar="LOCKSTEP_STORE", metavar="BASE", help="Where the models are."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_HERE: Final = ".lockstep/models"


@app.command("list")
def list_models(store: Store = _HERE, as_json: AsJson = False) -> None:
    """List the models: their newest version, and where their aliases stand."""
    from ...serving.store import ModelStore, models

    found = [model_facts(ModelStore.open(store, name)) for name in models(store)]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif not found:
        typer.echo(f"no models in {store}")
    else:
        for model in found:
            aliases = "  ".join(f"{name}={number}" for name, number in model["aliases"].items())
            typer.echo(f"{model['model']}  newest={model['newest']}  {aliases}".rstrip())


@app.command("show")
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL[@ALIAS|@VERSION]")],
    store: Store = _HERE,
    as_json: AsJson = False,
) -> None:
    """Show a model's versions and the history of its aliases, or one version and its papers."""
    from ...serving.store import ModelStore

    name, at, reference = model.partition("@")
    opened = ModelStore.open(store, name)
    facts = version_facts(opened, reference) if at else model_facts(opened)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        typer.echo("\n".join(_version_lines(facts) if at else _model_lines(facts)))


@app.command("alias")
def alias(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    name: Annotated[str, typer.Argument(metavar="NAME")],
    version: Annotated[int, typer.Argument(metavar="VERSION", min=0)],
    store: Store = _HERE,
    expect: Annotated[
        str | None,
        typer.Option(metavar="VERSION|none", help="Move it only if it stands there now."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the alias's history.")] = "",
    as_json: AsJson = False,
) -> None:
    """Move an alias (champion, challenger, ...) to a version."""
    from ...serving.store import ANY, ModelStore

    opened = ModelStore.open(store, model)
    expected = ANY if expect is None else _expected(expect)
    previous = opened.alias(name)
    opened.set_alias(name, version, expected=expected, reason=reason)
    if as_json:
        typer.echo(
            json.dumps({"model": model, "alias": name, "previous": previous, "version": version})
        )
    else:
        typer.echo(f"{name} of {model}: {_place(previous)} -> {version}")


def model_facts(store: "ModelStore") -> dict[str, Any]:
    """What `show MODEL` says: every version, and every move of every alias.

    Raises:
        UnknownModel: the store has no such model.
    """
    newest = store.newest()
    return {
        "model": store.model,
        "newest": newest.number,
        "aliases": store.aliases(),
        "versions": [_facts(version) for version in store.versions()],
        "history": {
            name: [move.model_dump(mode="json") for move in moves]
            for name, moves in store.history().items()
        },
    }


def version_facts(store: "ModelStore", reference: str) -> dict[str, Any]:
    """What `show MODEL@REFERENCE` says: the version that an alias or a number names.

    Raises:
        UnknownModel, UnknownVersion, UnknownAlias: there is none.
    """
    version = store.resolve(reference)
    return {"model": store.model, **_facts(version), "papers": list(store.papers(version.number))}


def _facts(version: "Version") -> dict[str, Any]:
    return {
        "version": version.number,
        "digest": version.digest,
        "pushed_at": version.pushed_at.isoformat(),
        "path": version.path,
        "aliases": list(version.aliases),
    }


def _version_lines(facts: dict[str, Any]) -> list[str]:
    joined = {key: ", ".join(facts[key]) or "none" for key in ("aliases", "papers")}
    return [f"{key}: {value}" for key, value in {**facts, **joined}.items()]


def _model_lines(facts: dict[str, Any]) -> list[str]:
    lines = [facts["model"]]
    for version in facts["versions"]:
        aliases = "".join(f"  @{name}" for name in version["aliases"])
        lines += [f"  {version['version']}  pushed {version['pushed_at']}{aliases}"]
        lines += [f"    {version['path']}  sha256 {version['digest'][:12]}"]
    for name, moves in facts["history"].items():
        lines.append(f"history of {name}:")
        for move in moves:
            step = f"{_place(move['previous'])} -> {_place(move['version'])}"
            lines.append(f"  {move['at']}  {step}  by {move['by']}  {move['reason']}".rstrip())
    return lines


def _place(version: int | None) -> str:
    return "nowhere" if version is None else str(version)


def _expected(expect: str) -> int | None:
    if expect == "none":
        return None
    if expect.isascii() and expect.isdecimal():
        return int(expect)
    message = f"{expect!r} is neither a version's number nor 'none'"
    raise typer.BadParameter(message, param_hint="--expect")
