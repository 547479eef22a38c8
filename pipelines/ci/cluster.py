"""A kubeconfig for a GKE cluster, for as long as a token of the build's own account lasts."""

import json
import os
from pathlib import Path
from typing import Any, Final

from ...serving.errors import BadTarget
from ..errors import NotAuthenticated

ADDRESS: Final = "https://container.googleapis.com/v1"
_PARTS: Final = ("projects", "locations", "clusters")


def request(cluster: str) -> str:
    """The URL that tells where a cluster is: projects/P/locations/L/clusters/C.

    Raises:
        BadTarget: it is not written like that.
    """
    words = cluster.split("/")
    if len(words) != 6 or tuple(words[::2]) != _PARTS or not all(words):
        raise BadTarget(
            given=f"the cluster {cluster!r}",
            allowed="projects/PROJECT/locations/REGION/clusters/NAME",
            todo="gcloud container clusters list tells region and name",
        )
    return f"{ADDRESS}/{cluster}"


def session() -> Any:
    """Google's default credentials, and HTTP with them.

    Raises:
        NotAuthenticated: there are none.
    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError
    from google.auth.transport.requests import AuthorizedSession

    try:
        credentials, _ = google.auth.default(
            scopes=["https://www.googleapis.com/auth/cloud-platform"]
        )
    except DefaultCredentialsError as error:
        raise NotAuthenticated(
            given=f"no usable Google credentials: {error}",
            allowed="application default credentials, as every Google library finds them",
            todo="gcloud auth application-default login; in CI, workload identity",
        ) from error
    return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # not said


def kubeconfig(cluster: str, http: Any) -> dict[str, Any]:
    """Ask where the cluster is, and say it as kubectl reads it. The DNS endpoint goes first.

    Raises:
        BadTarget: there is no such cluster, or the account may not ask.
    """
    answer = http.get(request(cluster), timeout=60)
    if not answer.ok:
        raise BadTarget(
            given=f"{cluster}: {answer.status_code} {answer.text[:300]}",
            allowed="a cluster that this account may see (roles/container.clusterViewer)",
            todo="correct the name, or grant the role: scripts/cloud_build_setup.sh does",
        )
    found = answer.json()
    endpoints = found.get("controlPlaneEndpointsConfig", {})
    name = endpoints.get("dnsEndpointConfig", {}).get("endpoint", "")
    where: dict[str, str] = {"server": f"https://{name or found['endpoint']}"}
    if not name:  # a name has a certificate that every machine trusts
        where["certificate-authority-data"] = found["masterAuth"]["clusterCaCertificate"]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": where}],
        "users": [{"name": "build", "user": {"token": http.credentials.token}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": "build"}}],
        "current-context": cluster,
    }


def write(config: dict[str, Any], path: Path) -> None:
    """Write it so that nobody else can read it; JSON is YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)
