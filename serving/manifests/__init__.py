"""The rules on rendered Kubernetes objects: what schemas do not see.

Rules are small functions in tables; docs/manifest-rules.md is made from them.
"""

from collections.abc import Sequence
from typing import Final

from . import network, pods, policy, settings
from .rule import Finding, Json, Rendered, Rule, broken

__all__ = ["RULES", "Finding", "Rule", "check"]

RULES: Final[dict[str, Rule[Rendered]]] = {
    **pods.RULES,
    **network.RULES,
    **settings.RULES,
    **policy.RULES,
}
"""Every rule by its stable id."""


def check(objects: Sequence[Json], rules: dict[str, Rule[Rendered]] = RULES) -> list[Finding]:
    """What rules find in the objects of an overlay."""
    return broken(rules, Rendered(objects))
