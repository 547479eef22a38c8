"""Kubeflow Pipelines for tests: our own server, or a real one with `--kfp-host URL`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.pipelines import ir
from lockstep.pipelines.remote.kubeflow import Kubeflow
from lockstep.pipelines.remote.service import Submission

from .kfp_server import KfpServer

GOLDEN = Path(__file__).parents[2] / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `pytest tests/pipelines/remote --kfp-host URL` ask a real server."""
    parser.addoption("--kfp-host", default="", help="a Kubeflow Pipelines to test against")


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[KfpServer]:
    """Give a server of our own, which can be told to fail."""
    if request.config.getoption("--kfp-host", ""):
        pytest.skip("looks into our own server, which runs without --kfp-host")
    with KfpServer() as serving:
        yield serving


@pytest.fixture
def kubeflow(request: pytest.FixtureRequest) -> Kubeflow:
    """Give the server that the options name, ours if they name none."""
    if host := request.config.getoption("--kfp-host", ""):
        return Kubeflow(str(host))
    server: KfpServer = request.getfixturevalue("server")
    return Kubeflow(server.url, sleep=lambda seconds: None)


@pytest.fixture
def submission() -> Submission:
    """Give a pipeline of four tasks with its parameters, labelled."""
    pipeline = ir.load(GOLDEN / "ingest_and_push.yaml")
    labels = {"digest": pipeline.digest, "commit": "c" * 40, "why": "new data"}
    parameters = {"data": "gs://bucket/data"}
    return Submission(pipeline, "ingest-and-push-test", parameters, labels)
