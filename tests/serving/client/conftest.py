"""A model server with both doors open, started once for all tests of the client."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ...conformance.serving.servers import OWN, start, wait_until_ready
from ...conformance.serving.warm import Warm

MODEL = 'config {{ name: "{name}" base_path: "{at}/{name}" model_platform: "tensorflow" {more} }}'
LABELS = (
    "model_version_policy { all {} } "
    'version_labels { key: "stable" value: 123 } version_labels { key: "canary" value: 124 }'
)


@dataclass(frozen=True)
class Server:
    """Where both doors of one model server are."""

    rest: str
    grpc: str


@pytest.fixture(scope="session")
def server(models: Path, forks: Warm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded server with the models `t`, `half_plus_two` and `dense`."""
    directory = tmp_path_factory.mktemp("served")
    extra = {"t": "", "half_plus_two": LABELS, "dense": ""}
    configs = "\n".join(MODEL.format(name=n, at=models, more=m) for n, m in extra.items())
    config = directory / "models.config"
    config.write_text(f"model_config_list {{\n{configs}\n}}\n", encoding="utf-8")
    flags = [f"--model_config_file={config}", "--allow_version_labels_for_unavailable_models=true"]
    started = start(OWN, flags, directory / "log", forks)
    try:
        wait_until_ready(started, list(extra))
        at = started.address
        yield Server(f"http://127.0.0.1:{at.rest}", f"grpc://127.0.0.1:{at.grpc}")
    finally:
        started.stop()


@pytest.fixture(scope="session", params=["rest", "grpc"])
def address(request: pytest.FixtureRequest, server: Server) -> str:
    """The address of the server's REST door, then that of its gRPC door."""
    return str(getattr(server, request.param))
