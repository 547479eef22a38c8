"""What applications are given, tried on the stub of the taxi contract behind a model server."""

import json
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockstep.components.executors.model_server import ModelServer, model_server
from lockstep.serving.client import Client
from lockstep.serving.contract.client.openapi import openapi
from lockstep.serving.contract.file import load

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TAXI = ROOT / "pipelines/taxi/contract.yaml"
HEAVY = ("tensorflow", "tfx", "kfp", "grpc", "httpx")

KEPT = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance"),
)
"""What holds for every request; TF Serving checks no domain, and no lengths of columns."""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that is to succeed; what it prints."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the stub and the client."""
    work = tmp_path_factory.mktemp("applications")
    run(BIN / "lockstep", "contract", "stub", TAXI, "-o", "stub", cwd=work)
    run(BIN / "lockstep", "contract", "client", TAXI, "-o", "client", cwd=work)
    return work


@pytest.fixture(scope="module")
def server(work: Path) -> Iterator[ModelServer]:
    """A model server with the stub."""
    with model_server(work / "stub/0", "taxi", work) as server:
        assert server.wait(120) == ""
        yield server


def schemathesis(work: Path, document: dict[str, Any], server: ModelServer, *words: str) -> str:
    """Ask whatever an OpenAPI document allows, and what it does not."""
    (work / "openapi.json").write_text(json.dumps(document))
    with Client(server.rest, "taxi") as client:
        (version,) = [one.version for one in client.status()]
    (work / "schemathesis.toml").write_text(
        f"[phases.coverage]\nunexpected-methods = []\n[parameters]\nversion = {version}\n"
    )
    options = ("--generation-deterministic", "--max-examples", "25", "--no-color")
    command = ("run", "openapi.json", "--url", server.rest, *options, *words)
    return run(BIN / "schemathesis", *command, cwd=work)


def test_every_answer_is_documented(work: Path, server: ModelServer) -> None:
    """Whatever is asked, right or wrong: status, type and body are as the document says."""
    document = openapi(load(TAXI).value)
    said = schemathesis(work, document, server, "--checks", ",".join(KEPT))
    assert "9 selected / 9 total" in said


def test_every_documented_row_is_answered(work: Path, server: ModelServer) -> None:
    """Rows as the document describes them get an answer, by version and without."""
    document = openapi(load(TAXI).value)
    request = document["components"]["schemas"]["PredictRequest"]
    request["oneOf"] = [one for one in request["oneOf"] if "instances" in one["required"]]
    document["paths"] = {
        path: item for path, item in document["paths"].items() if "{label}" not in path
    }
    words = ("--checks", "positive_data_acceptance", "--mode=positive")
    # No fuzzing: JSON Schema takes 1.0 for an integer, which TF Serving refuses.
    said = schemathesis(work, document, server, *words, "--phases=examples,coverage")
    assert "6 selected / 6 total" in said


def test_grpc_without_a_proto_file(work: Path, server: ModelServer) -> None:
    """The package's example asks with grpcio and protobuf alone."""
    address = server.grpc.removeprefix("grpc://")
    said = run(sys.executable, "client/examples/plain_grpc.py", address, cwd=work)
    assert said.startswith("{'probability': [0.")


def test_recorded_requests_are_answered_by_the_stub(work: Path, server: ModelServer) -> None:
    """The driver app's recordings pass, over REST and over gRPC."""
    for door in (("--rest", server.rest), ("--grpc", server.grpc)):
        said = run(BIN / "lockstep", "contract", "replay", TAXI, *door, cwd=work)
        assert "3 recorded requests of 1 applications" in said
        assert "passes: 0 breaking, 0 risky" in said


ASK = """\
import asyncio, sys, time
before = time.process_time()
import taxi_client
cost = time.process_time() - before
heavy = [name for name in {heavy} if name in sys.modules]
from taxi_client import AsyncTaxiClient, Instance, TaxiClient

instance = Instance(
    trip_miles=1.2, fare=7.5, payment_type="Cash", trip_start_month=7, trip_start_day=4,
    trip_start_hour=12, trip_start_timestamp=1400000000, pickup_community_area=8,
    pickup_latitude=41.9, pickup_longitude=-87.6,
)

async def ask(target):
    async with AsyncTaxiClient(target) as client:
        return await client.predict_one(instance)

answers = []
for target in sys.argv[1:]:
    with TaxiClient(target) as client:
        answers += [client.predict_one(instance), asyncio.run(ask(target))]
assert all(answer == answers[0] for answer in answers), answers
print(len(answers), heavy, cost)
"""


def test_a_fresh_environment_is_enough(work: Path, server: ModelServer) -> None:
    """Installed by pip without TensorFlow, it asks over both doors, waiting or not; it is light.

    The least of three costs counts: other processes share the processor's caches.
    """
    venv.create(work / "fresh", with_pip=True)
    python = work / "fresh/bin/python"
    run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", "dist", ROOT, cwd=work)
    (wheel,) = (work / "dist").glob("lockstep-*.whl")
    run(python, "-m", "pip", "install", "--quiet", wheel, work / "client", cwd=work)
    installed = run(python, "-m", "pip", "list", "--format=freeze", cwd=work)
    assert not [line for line in installed.splitlines() if line.startswith(("tensorflow", "tfx"))]
    (work / "ask.py").write_text(ASK.format(heavy=HEAVY))
    costs: list[float] = []
    for _ in range(3):
        said = run(python, "ask.py", server.rest, server.grpc, cwd=work).split()
        assert said[:2] == ["4", "[]"]
        costs.append(float(said[2]))
    assert min(costs) < 0.5
