"""Where a build serves its model: a cluster, by its overlay, or one model server."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...serving.errors import BadTarget
from . import results

_NAME: Final = "target"


@dataclass(frozen=True)
class Target:
    """What `lockstep deploy` and `lockstep rollout` are told; empty: not that."""

    overlay: str = ""
    server: str = ""
    rest: str = ""
    config: str = ""
    context: str = ""
    cluster: str = ""

    def __str__(self) -> str:
        """One line for people."""
        place = self.overlay or " ".join(filter(None, (self.server, self.rest)))
        return f"served at {place}{f' of {self.cluster}' if self.cluster else ''}"

    def check(self) -> None:
        """Refuse two places, and none.

        Raises:
            BadTarget: an overlay and a server, or neither; or what belongs to the other one.
        """
        strange = (self.server or self.config) if self.overlay else (self.context or self.cluster)
        if not (self.overlay or self.server) or strange:
            raise BadTarget(
                given=f"two places: {self.overlay or self.server}, and {strange}"
                if self.overlay or self.server
                else "no place to serve the model at",
                allowed="--overlay manifests/overlays/ENVIRONMENT, with --cluster or --context for "
                "another cluster than the current one; or --server grpc://HOST:PORT",
                todo="name one place, and leave the other one empty",
            )

    def options(self) -> dict[str, Any]:
        """The options of `lockstep deploy` and `lockstep rollout undo` that mean the same."""
        return {
            "overlay": Path(self.overlay) if self.overlay else None,
            "server": self.server or None,
            "rest": self.rest or None,
            "config": Path(self.config) if self.config else None,
            "context": self.context or None,
        }


def read(folder: Path) -> Target:
    """What `lockstep ci target` has said.

    Raises:
        MissingResult: it has not run here.
    """
    return Target(**results.read(folder, _NAME))
