"""Write docs/manifest-rules.md: the rules of `lockstep ci validate`, from the rules themselves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lockstep.pipelines.ci import lint
from lockstep.serving.manifests import network, pods, policy, settings
from lockstep.serving.manifests.rule import Rule

ROOT = Path(__file__).parents[1]

HEAD = """\
# Rules about manifests and builds

<!-- Written by scripts/rules_page.py (`make golden`); edit serving/manifests and pipelines/ci. -->

`lockstep ci validate [PATH...]` (`make validate`) checks overlays, Cloud Build files and GitHub
workflows: without paths, all of the project's. It asks no cluster and no service, and exits with 3
([exit-codes.md](exit-codes.md)) if a rule is broken. Every rule has a test with a mistake that only
this rule finds.

Other people's checkers come first, under ids of their own:

- `schema`: Kubernetes' own schemas, strictly, of releases 1.29 to 1.37. Custom resources (Gateway
  API, Prometheus operator, GKE) have none there: the command says which, and only the rules below
  look at them.
- `alert-rule`: promtool, for PrometheusRules. Without it on the PATH (Debian's `prometheus`) the
  command says that they were not checked.
- `build-schema`, `workflow-schema`: check-jsonschema's schemas of Cloud Build and GitHub workflows.
"""


def page() -> str:
    """Return the whole page."""
    groups: dict[str, Mapping[str, Rule[Any]]] = {
        "Pods": pods.RULES,
        "Services, routes, policies, monitors": network.RULES,
        "Settings": settings.RULES,
        "Namespaces, scaling, permissions, jobs": policy.RULES,
        "Cloud Build": lint.RULES,
    }
    return "\n".join([HEAD, *(section(title, rules) for title, rules in groups.items())])


def section(title: str, rules: Mapping[str, Rule[Any]]) -> str:
    """One table."""
    head = [f"## {title}\n", "| rule | what | why | to do |", "|---|---|---|---|"]
    rows = [f"| `{name}` | {r.what} | {r.why} | {r.todo} |" for name, r in rules.items()]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    (ROOT / "docs/manifest-rules.md").write_text(page())
