"""A rollout to one model server, as the command line has it: its papers and its record."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...serving.errors import BadModelConfig, BadTarget, RolledBack

if TYPE_CHECKING:
    from ...serving.rollout.answers import Expected
    from ...serving.rollout.engine import Plan
    from ...serving.rollout.history import Record
    from ...serving.rollout.server import Server

__all__ = ["ToServer"]


@dataclass(frozen=True)
class ToServer:
    """One model on one server, and where its rollouts are on record."""

    model: str
    grpc: str
    rest: str | None
    config: Path | None
    history: Path

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it is told, and asked."""
        from .predict import target

        if not self.grpc.startswith(("grpc://", "grpcs://")):
            raise BadTarget(
                given=f"the model server {self.grpc!r}",
                allowed="grpc://HOST:PORT or grpcs://HOST:PORT",
                todo="name its gRPC port: configurations are only taken there",
            )
        return (self.grpc, *([target(self.model, self.rest, None)] if self.rest else []))

    @property
    def file(self) -> Path:
        """The record."""
        place = self.grpc.partition("://")[2].replace(":", "_").replace("/", "_")
        return self.history / f"{place}-{self.model}.jsonl"

    def server(self, deadline: float) -> "Server":
        """Whom to tell."""
        from ...serving.rollout.server import Server

        return Server(self.addresses, deadline)

    def now(self, base_path: str) -> Any:
        """What it serves: its configuration file, or this model alone, with what it has loaded."""
        from ...serving.rollout.history import read
        from ...serving.rollout.model_config import pinned, text_to_config, versions_in
        from ...serving.rollout.server import available

        versions = available(self.addresses[0], self.model)
        if self.config is not None and self.config.exists():
            config = text_to_config(self.config.read_text(), str(self.config))
            return pinned(config, self.model, versions)
        if self.config is not None or not versions:
            raise BadModelConfig(
                given=f"no file {self.config}" if self.config else f"{self.model} is not served",
                allowed="--config with the file of the server's --model_config_file: what else it "
                "serves cannot be asked, and would be dropped",
                todo="name it, or leave --config out where the server has this model alone",
            )
        for record in reversed(read(self.file)):
            known = text_to_config(record.after, str(self.file))
            if set(versions_in(known, self.model)) == set(versions):
                return known
        nothing = text_to_config("", "nothing")
        return pinned(nothing, self.model, versions, base_path=base_path)

    def plan(self, expected: "Expected", base_path: str, labels: Sequence[str] | None) -> "Plan":
        """What to do to serve a version."""
        from ...serving.rollout.server import plan_rollout

        return plan_rollout(self.now(base_path), expected, base_path=base_path, labels=labels)

    def undo(self) -> "Plan":
        """What to do to serve again what was served before."""
        from ...serving.rollout.history import last, read
        from ...serving.rollout.model_config import text_to_config
        from ...serving.rollout.server import plan_undo

        record = last(read(self.file), self.grpc)
        before, after = (text_to_config(t, str(self.file)) for t in (record.before, record.after))
        return plan_undo(after, before, self.model)

    def run(
        self, plan: "Plan", deadline: float, tell: Callable[[str], None], outcome: str = "done"
    ) -> None:
        """Do it, and put it on record, whichever way it ends."""
        from ...serving.rollout.engine import roll_out
        from ...serving.rollout.model_config import config_to_text

        try:
            roll_out(plan, self.server(deadline), time, deadline=deadline, tell=tell)
        except RolledBack as error:
            self._record(plan, "undone", error.given)
            raise
        self._record(plan, outcome, "")
        if self.config is not None:
            aside = self.config.with_name(f".{self.config.name}.next")
            aside.write_text(config_to_text(plan.then))
            aside.replace(self.config)

    def records(self) -> "list[Record]":
        """What has been rolled out."""
        from ...serving.rollout.history import read

        return read(self.file)

    def served(self, model: str) -> tuple[int, ...]:
        """The versions that are served."""
        from ...serving.rollout.server import available

        return available(self.addresses[0], model)

    def _record(self, plan: "Plan", outcome: str, why: str) -> None:
        from ...serving.rollout.history import Record, add
        from ...serving.rollout.model_config import config_to_text

        at = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        before = config_to_text(plan.back[0].change)
        after = before if outcome == "undone" else config_to_text(plan.then)
        add(self.file, Record(plan.name, outcome, why, at, before, after))
