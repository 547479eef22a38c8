"""Environments: where their models are, what lives there, and which applications call it.

```yaml
format: lockstep.environments/v1
environments:
  staging:
    store: models-staging
    models:
      taxi:
        consumers:
          - {application: driver-app, contract: 1.4.0, recordings: consumers/driver-app}
  prod:
    store: gs://models-prod
    models:
      taxi:
        live: [champion, previous]
        consumers:
          - {application: driver-app, contract: 1.3.0, calls: champion}
```
"""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from ...errors import UnknownEnvironment, one_of
from ..file import Document, read
from ..model import ModelName, Version
from ..part import Part, Text, problem

__all__ = ["CHAMPION", "Environment", "Environments", "Live", "Registered", "environment"]

CHAMPION: Final = "champion"
"""The alias that is live if nothing else is said."""


class Registered(Part):
    """An application that calls a model in one environment."""

    application: Text
    contract: Annotated[Version, Field(description="The contract's version it was built against.")]
    calls: Annotated[
        Text | None,
        Field(description="The alias it names as a label; left out: the newest that is served."),
    ] = None
    recordings: Annotated[
        Text | None,
        Field(description="The folder of its recorded requests, seen from this file."),
    ] = None


class Live(Part):
    """What of a model lives in one environment."""

    live: Annotated[
        tuple[Text, ...],
        Field(min_length=1, description="The aliases that servers there serve, as labels."),
    ] = (CHAMPION,)
    consumers: tuple[Registered, ...] = ()

    @model_validator(mode="after")
    def _calls_what_lives(self) -> "Live":
        for number, one in enumerate(self.consumers):
            if one.calls is not None and one.calls not in self.live:
                raise problem(
                    given=f"calls {one.calls!r}, which is not live",
                    allowed=one_of(self.live, one.calls),
                    field=f"consumers.{number}.calls",
                )
        return self


class Environment(Part):
    """A place where models are served."""

    store: Annotated[
        Text | None,
        Field(description="The model store's base; left out: the one that --store names."),
    ] = None
    models: Annotated[dict[ModelName, Live], Field(default_factory=dict)]


class Environments(Part):
    """The file of environments."""

    format: Literal["lockstep.environments/v1"]
    environments: Annotated[dict[Text, Environment], Field(min_length=1)]


def environment(file: str | Path, name: str) -> Environment:
    """One environment of a file; paths in it are as seen from the current directory.

    Raises:
        BadContract: the file breaks the format.
        UnknownEnvironment: it has no such environment.
    """
    document: Document[Environments] = read(file, Environments)
    known = document.value.environments
    if name not in known:
        raise UnknownEnvironment(
            given=f"no environment {name!r} in {file}",
            allowed=one_of(known, name),
            todo="name one of these, or add it",
        )
    folder = Path(file).parent
    found = known[name]
    models = {name: _resolved(live, folder) for name, live in found.models.items()}
    return found.model_copy(update={"store": _from(folder, found.store), "models": models})


def _resolved(live: Live, folder: Path) -> Live:
    consumers = tuple(
        one.model_copy(update={"recordings": _from(folder, one.recordings)})
        for one in live.consumers
    )
    return live.model_copy(update={"consumers": consumers})


def _from(folder: Path, path: str | None) -> str | None:
    """A path as seen from a folder; an address of another filesystem stays as it is."""
    return path if path is None or "://" in path else os.path.normpath(folder / path)
