"""A kubeconfig is written for the cluster that is named, and for nobody else to read."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from lockstep.pipelines.ci.cluster import kubeconfig, request, write
from lockstep.pipelines.ci.target import read
from lockstep.pipelines.cli import app
from lockstep.serving.errors import BadTarget

NAME = "projects/p/locations/l/clusters/c"
BY_ADDRESS = {"endpoint": "10.0.0.2", "masterAuth": {"clusterCaCertificate": "Q0E="}}
BY_NAME = {"controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": "c.gke.example"}}}


@dataclass
class Google:
    """Answers as GKE's API does."""

    answer: dict[str, Any]
    ok: bool = True
    status_code: int = 200
    text: str = ""
    credentials: Any = field(default_factory=lambda: SimpleNamespace(token="secret"))
    asked: list[str] = field(default_factory=list[str])

    def get(self, url: str, timeout: float) -> "Google":
        """Take a request."""
        assert timeout > 0
        self.asked.append(url)
        return self

    def json(self) -> dict[str, Any]:
        """What it says."""
        return self.answer


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        (BY_ADDRESS, {"server": "https://10.0.0.2", "certificate-authority-data": "Q0E="}),
        (BY_ADDRESS | BY_NAME, {"server": "https://c.gke.example"}),
    ],
)
def test_kubectl_finds_the_cluster(answer: dict[str, Any], where: dict[str, str]) -> None:
    """It goes to the DNS name, which needs no open network, or else to the address."""
    google = Google(answer)
    config = kubeconfig(NAME, google)
    assert google.asked == [f"https://container.googleapis.com/v1/{NAME}"]
    assert config["clusters"] == [{"name": NAME, "cluster": where}]
    assert config["users"][0]["user"] == {"token": "secret"}
    assert config["current-context"] == NAME


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """It holds a token: not even for a moment can others open it."""
    path = tmp_path / "a/kubeconfig"
    path.parent.mkdir()
    path.write_text("older")
    path.chmod(0o644)
    write(kubeconfig(NAME, Google(BY_ADDRESS)), path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["kind"] == "Config"


@pytest.mark.parametrize(
    "name", ["c", "projects/p/zones/l/clusters/c", f"{NAME}/", "projects//l//c/"]
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    """No request is sent for it."""
    with pytest.raises(BadTarget):
        request(name)


def test_a_cluster_that_is_not_there_is_told() -> None:
    """The message names the role that is needed to see one."""
    with pytest.raises(BadTarget, match=r"container\.clusterViewer"):
        kubeconfig(NAME, Google({}, ok=False, status_code=403, text="no"))


def test_where_a_model_is_served(tmp_path: Path) -> None:
    """What belongs to a cluster and what belongs to a server is told apart before anything runs."""
    words = ["ci", "target", f"--folder={tmp_path}"]

    def target(*options: str) -> tuple[object, str]:
        done = CliRunner().invoke(app, [*words, *options])
        return done.exception, done.output

    assert target("--cluster=", "--overlay=", "--server=grpc://h:1", "--rest=http://h:2")[0] is None
    assert read(tmp_path).options()["server"] == "grpc://h:1"
    assert target("--overlay=o", "--server=")[0] is None
    assert read(tmp_path).options() == {
        "overlay": Path("o"),
        "server": None,
        "rest": None,
        "config": None,
        "context": None,
    }
    for wrong in (
        ("--overlay=", "--server="),
        ("--overlay=o", "--server=grpc://h:1"),
        ("--server=grpc://h:1", f"--cluster={NAME}"),
        ("--overlay=o", "--config=c"),
    ):
        assert isinstance(target(*wrong)[0], BadTarget), wrong
    said = target("--overlay=o", f"--cluster={NAME}", "--dry-run")[1]
    assert said.startswith("GET https://container.googleapis.com/")
