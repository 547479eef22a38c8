"""Rewrite the tables of docs/kfp.md from the rules of the lint."""

import re
from collections.abc import Iterator
from pathlib import Path

from lockstep.pipelines.lint import RULES
from lockstep.pipelines.lint.rule import KFP, PORTABLE, VERTEX, Rule

PAGE = Path(__file__).parents[1] / "docs" / "kfp.md"

KUBEFLOW = "kubeflow/pipelines"
BACKEND = "backend/src/v2"
ARGO = "argoproj/argo-workflows"

SOURCES = {
    "argo.go": (KUBEFLOW, f"{BACKEND}/compiler/argocompiler/argo.go", "006adf8b"),
    "container.go": (KUBEFLOW, f"{BACKEND}/compiler/argocompiler/container.go", "00f7b52b"),
    "dag.go": (KUBEFLOW, f"{BACKEND}/compiler/argocompiler/dag.go", "008dcd63"),
    "visitor.go": (KUBEFLOW, f"{BACKEND}/compiler/visitor.go", "117534dd"),
    "driver.go": (KUBEFLOW, f"{BACKEND}/driver/driver.go", "0010b067"),
    "resolve.go": (KUBEFLOW, f"{BACKEND}/driver/resolve.go", "039ecf96"),
    "k8s.go": (KUBEFLOW, f"{BACKEND}/driver/k8s.go", "008dcd63"),
    "expression.go": (KUBEFLOW, f"{BACKEND}/expression/expression.go", "15a11989"),
    "launcher_v2.go": (KUBEFLOW, f"{BACKEND}/component/launcher_v2.go", "00450640"),
    "template.go": (KUBEFLOW, "backend/src/apiserver/template/template.go", "0656c3d5"),
    "v2_template.go": (KUBEFLOW, "backend/src/apiserver/template/v2_template.go", "04407fbe"),
    "CHANGELOG.md": (KUBEFLOW, "CHANGELOG.md", "00f2c09f"),
    "type_utils.py": (KUBEFLOW, "sdk/python/kfp/dsl/types/type_utils.py", "kfp 2.13.0"),
    "pipeline_spec_builder.py": (
        *(KUBEFLOW, "sdk/python/kfp/compiler/pipeline_spec_builder.py"),
        "kfp 2.13.0",
    ),
    "validate.go": (ARGO, "workflow/validate/validate.go", "00068233"),
    "operator.go": (ARGO, "workflow/controller/operator.go", "v3"),
    "constants/pipeline.py": (
        *("googleapis/python-aiplatform", "google/cloud/aiplatform/constants/pipeline.py"),
        "1.165.1",
    ),
    "pipeline_jobs.py": (
        *("googleapis/python-aiplatform", "google/cloud/aiplatform/pipeline_jobs.py"),
        "1.165.1",
    ),
    "yaml_utils.py": (
        *("googleapis/python-aiplatform", "google/cloud/aiplatform/utils/yaml_utils.py"),
        "1.165.1",
    ),
    "struct.proto": ("protocolbuffers/protobuf", "src/google/protobuf/struct.proto", "v25"),
    "decisions.md": ("this project", "docs/decisions.md", ""),
    "cloud.google.com/vertex-ai": ("", "cloud.google.com/vertex-ai/docs", "2025"),
    "kubernetes.io": ("", "kubernetes.io/docs/reference", "1.31"),
    "etcd.io": ("", "etcd.io/docs, system limits", "3.5"),
    "kubeflow/kubeflow": ("", "github.com/kubeflow/kubeflow/issues", ""),
}
"""What the sources of rules are short for: a repository, a path, and what was read of it."""


def tables() -> dict[str, list[str]]:
    """Give the lines of every table, by its name."""
    return {"rules": [*_rules()], "sources": [*_sources()]}


def page(text: str) -> str:
    """Put the tables into their places in the page's text."""
    for name, lines in tables().items():
        begin, end = f"<!-- table: {name} -->", "<!-- end -->"
        before, _, rest = text.partition(begin)
        text = "\n".join((before + begin, *lines, end + rest.partition(end)[2]))
    return text


def named(rule: Rule) -> list[str]:
    """List what a rule's source begins its parts with."""
    return [re.split(r"[:, ]", part.strip())[0] for part in rule.source.split(";")]


def _rules() -> Iterator[str]:
    yield "| rule | refused | lockstep | KFP | Vertex | source |"
    yield "|---|---|---|---|---|---|"
    for name, rule in RULES.items():
        kfp = f"before {rule.before}" if rule.before else "x"
        marks = (
            "x" if PORTABLE in rule.targets else "",
            kfp if KFP in rule.targets else "",
            "x" if VERTEX in rule.targets else "",
        )
        yield f"| `{name}` | {rule.refuses} | {' | '.join(marks)} | {rule.source} |"


def _sources() -> Iterator[str]:
    yield "| short | repository | path | read at |"
    yield "|---|---|---|---|"
    for short, (repository, path, version) in SOURCES.items():
        yield f"| {short} | {repository} | `{path}` | {version} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
