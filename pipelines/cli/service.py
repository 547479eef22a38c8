"""Which pipeline service a command is for: the options that say so, and the service itself."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..remote.service import Runs, Service

Host = Annotated[
    str,
    typer.Option(
        envvar=["KF_PIPELINES_ENDPOINT", "KFP_ENDPOINT"],
        metavar="URL",
        help="Where Kubeflow Pipelines answers.",
    ),
]
Namespace = Annotated[
    str, typer.Option(help="The Kubernetes namespace, where Kubeflow has several users.")
]
Vertex = Annotated[bool, typer.Option("--vertex", help="Vertex AI, in place of Kubeflow.")]
Project = Annotated[
    str,
    typer.Option(envvar="GOOGLE_CLOUD_PROJECT", metavar="ID", help="Vertex: the cloud project."),
]
Region = Annotated[
    str,
    typer.Option(
        envvar="GOOGLE_CLOUD_REGION", metavar="NAME", help="Vertex: such as europe-west4."
    ),
]
Bucket = Annotated[
    str, typer.Option(metavar="gs://NAME", help="Vertex: where runs keep their artifacts.")
]
Root = Annotated[
    Path | None,
    typer.Option(help="Where runs are kept on this machine. [.lockstep]"),
]


def service(
    host: str, namespace: str, vertex: bool, project: str, region: str, bucket: str
) -> "Service":
    """Give the one service that the options name.

    Raises:
        typer.BadParameter: they name none.
    """
    if vertex:
        from ..remote import vertex as vertex_ai

        return vertex_ai.Vertex(project, region, bucket)
    if not host:
        message = "either --host URL, or --vertex --project ID --region NAME"
        raise typer.BadParameter(message)
    from ..remote.kubeflow import Kubeflow

    return Kubeflow(host, namespace)


def runs_of(
    host: str, namespace: str, vertex: bool, project: str, region: str, root: Path | None
) -> "Runs":
    """Give whoever keeps the runs: the service that is named, or else this machine."""
    if root is None and (host or vertex):
        return service(host, namespace, vertex, project, region, "")
    from ..remote.local import Local

    return Local(root or Path(".lockstep"))


def flags(host: str, namespace: str, vertex: bool, project: str, region: str) -> str:
    """The options that name the same service again, for a command to copy."""
    if vertex:
        return f" --vertex --project {shlex.quote(project)} --region {shlex.quote(region)}"
    place = f" --namespace {shlex.quote(namespace)}" if namespace else ""
    return f" --host {shlex.quote(host)}{place}"
