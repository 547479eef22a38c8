"""Which server the cases ask: ours; one that runs somewhere; or one that another command starts.

See `--server HOST:REST_PORT:GRPC_PORT` and `--server-command tensorflow_model_server`.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from . import servers
from .servers import OWN, SERVERS, Address, Server, arguments, start, wait_until_ready
from .warm import Warm

Find = Callable[[str], Address]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say where the cases are sent."""
    group = parser.getgroup("conformance")
    group.addoption(
        "--server",
        action="append",
        default=[],
        metavar="[NAME=]HOST:REST_PORT:GRPC_PORT",
        help="ask a server that runs: plain (the default), bare, batching or empty, as "
        "`python -m tests.conformance.serving.servers DIR` writes them",
    )
    group.addoption(
        "--server-command", metavar="COMMAND", help="start this, for each configuration"
    )
    group.addoption(
        "--answers",
        choices=("tf-serving", "lockstep"),
        help="whose answers are expected where they differ on purpose [of --server and "
        "--server-command: tf-serving; else lockstep]",
    )


@pytest.fixture(scope="session")
def command(request: pytest.FixtureRequest) -> Sequence[str]:
    """The command that starts a server."""
    given = request.config.getoption("--server-command", None)
    if given:
        return shlex.split(given)
    if request.config.getoption("--server", []):
        pytest.skip("it needs a server of its own: give --server-command as well")
    return OWN


@pytest.fixture(scope="session")
def ours(request: pytest.FixtureRequest) -> bool:
    """Whether lockstep's answers are expected where they differ from TF Serving's."""
    chosen = request.config.getoption("--answers", None)
    foreign = any(request.config.getoption(o, None) for o in ("--server", "--server-command"))
    return chosen == "lockstep" if chosen else not foreign


@pytest.fixture(scope="session")
def directory(forks: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models and the configuration files."""
    directory = tmp_path_factory.mktemp("conformance")
    servers.write(directory, forks)
    return directory


@pytest.fixture(scope="session")
def running(forks: Warm) -> Iterator[dict[str, Server]]:
    """The servers that have been started, by name; they end before the warm process does."""
    running: dict[str, Server] = {}
    yield running
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def find(request: pytest.FixtureRequest, forks: Warm, running: dict[str, Server]) -> Find:
    """Give the address of a server by its name; it is started when it is first asked for."""
    given: dict[str, Address] = {}
    for text in request.config.getoption("--server", None) or []:
        name, _, address = text.rpartition("=")
        given[name or "plain"] = Address.parse(address)

    def find(name: str) -> Address:
        if given:
            if name in given:
                return given[name]
            pytest.skip(f"give --server {name}=HOST:REST_PORT:GRPC_PORT to ask these too")
        if name not in running:
            directory: Path = request.getfixturevalue("directory")
            flags = arguments(SERVERS[name], str(directory))
            command: Sequence[str] = request.getfixturevalue("command")
            server = start(command, flags, directory / f"{name}.log", forks)
            running[name] = server
            wait_until_ready(server, servers.READY.get(name, ()))
        return running[name].address

    return find
