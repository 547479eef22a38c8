"""A rollout to a cluster, as the command line has it: an overlay, its record, its dry run."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...serving.errors import RolledBack

if TYPE_CHECKING:
    from ...serving.rollout.answers import Expected
    from ...serving.rollout.cluster import Change, Cluster
    from ...serving.rollout.engine import Plan
    from ...serving.rollout.history import Record

__all__ = ["ToCluster"]

_ARM: Final = "champion"


@dataclass(frozen=True)
class ToCluster:
    """An overlay, and the cluster that it is for."""

    overlay: Path
    context: str | None
    grpc: str | None
    rest: str | None
    rehearse: bool
    arm: str = _ARM

    @cached_property
    def cluster(self) -> "Cluster":
        """Whom to tell."""
        from ...serving.rollout.cluster import Cluster, connect
        from ...serving.rollout.reach import at, forwarded

        given = [address for address in (self.grpc, self.rest) if address]
        return Cluster(connect(self.context), at(given) if given else forwarded(self.context))

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """What the overlay says."""
        from ...serving.kustomize import render

        return render(self.overlay)

    @property
    def namespace(self) -> str:
        """Where the arm runs."""
        from ...serving.rollout.objects import deployment_of

        return str(deployment_of(self.objects, self.arm)["metadata"].get("namespace", "default"))

    def deploy(
        self, expected: "Expected", deadline: float, tell: Callable[[str], None], dry_run: bool
    ) -> None:
        """Serve a version, or print what would differ."""
        from ...serving.rollout.cluster import plan_rollout

        objects = self._pinned(expected.model, expected.version)
        if dry_run:
            self._differences(objects, tell)
            return
        plan = plan_rollout(self.cluster, objects, self.arm, expected, rehearse=self.rehearse)
        self.run(plan, deadline, tell)

    def undo(self) -> "Plan":
        """What to do to serve again what was served before."""
        from ...serving.rollout.cluster import plan_undo
        from ...serving.rollout.history import last

        record = last(self.records(), self.namespace)
        return plan_undo(record.name, _change(record.before), _change(record.after), self.arm)

    def run(
        self, plan: "Plan", deadline: float, tell: Callable[[str], None], outcome: str = "done"
    ) -> None:
        """Do it, and put it on record, whichever way it ends."""
        from ...serving.rollout.engine import roll_out

        try:
            roll_out(plan, self.cluster, time, deadline=deadline, tell=tell)
        except RolledBack as error:
            self._record(plan, "undone", error.given)
            raise
        self._record(plan, outcome, "")

    def records(self) -> "list[Record]":
        """What has been rolled out."""
        return self.cluster.records(self.namespace)

    def served(self, model: str, arm: str | None = None) -> tuple[int, ...]:
        """The versions that the live Deployment of an arm pins."""
        from ...serving.rollout.model_config import text_to_config, versions_in
        from ...serving.rollout.objects import deployment_of

        live = self.cluster.get(deployment_of(self.objects, arm or self.arm)) or {}
        pod = live.get("spec", {}).get("template", {}).get("spec", {})
        for name in (v["configMap"]["name"] for v in pod.get("volumes", []) if "configMap" in v):
            meta = {"name": name, "namespace": self.namespace}
            found = self.cluster.get({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
            text = (found or {}).get("data", {}).get("models.config")
            if text is not None:
                return versions_in(text_to_config(text, name), model)
        return ()

    def _pinned(self, model: str, version: int) -> list[dict[str, Any]]:
        """The overlay with the version in our arm; another arm keeps what it serves.

        An arm that serves nothing yet gets the same version: an A/A test.
        """
        from ...serving.rollout.objects import arms, pin

        objects = pin(self.objects, self.arm, model, version)
        for other in arms(objects):
            if other != self.arm:
                objects = pin(
                    objects, other, model, max(self.served(model, other), default=version)
                )
        return objects

    def _differences(self, objects: list[dict[str, Any]], tell: Callable[[str], None]) -> None:
        """Ask the API server what each object would become."""
        from ...serving.rollout.objects import difference, named, ordered

        new = {
            one["metadata"]["name"]
            for one in objects
            if one["kind"] == "Namespace" and self.cluster.get(one) is None
        }
        for one in ordered(objects):
            live = self.cluster.get(one)
            alone = one["metadata"].get("namespace") in new  # there is nobody yet to ask
            after = one if alone else self.cluster.applied(one, dry_run=True)
            tell(difference(live, after) or f"= {named(one)}")

    def _record(self, plan: "Plan", outcome: str, why: str) -> None:
        from ...serving.rollout.history import Record

        at = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        undone = outcome == "undone"  # there is nothing to go back to
        before = "" if undone else json.dumps(vars(plan.back[0].change))
        after = "" if undone else json.dumps(vars(plan.then))
        self.cluster.record(self.namespace, Record(plan.name, outcome, why, at, before, after))


def _change(text: str) -> "Change":
    from ...serving.rollout.cluster import Change

    return Change(**{name: tuple(objects) for name, objects in json.loads(text).items()})
