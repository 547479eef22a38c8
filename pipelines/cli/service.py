"""Which pipeline service a command is for: the options that say so, and the service itself."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..remote.service import Service

Host = Annotated[
    str,
    typer.Option(
        envvar="KF_PIPELINES_ENDPOINT", metavar="URL", help="Where Kubeflow Pipelines answers."
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
