"""The servers that the cases ask: how each is configured, started and ended.

    python -m tests.conformance.serving.servers DIR [--at DIR_AS_THE_SERVER_SEES_IT]

writes models and configuration files to DIR and prints the command that starts each server.
"""

import argparse
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from .warm import SETTINGS, Fork, Warm

BUILDER: Final = Path(__file__).with_name("build.py")
OWN: Final = (sys.executable, "-m", "lockstep.serving.server")

SERVERS: Final[Mapping[str, Mapping[str, str]]] = {
    "plain": {
        "model_config_file": "{}/plain.config",
        "monitoring_config_file": "{}/monitoring.config",
        "allow_version_labels_for_unavailable_models": "true",
        "enable_grpc_healthcheck_service": "true",
    },
    "bare": {
        "model_name": "t",
        "model_base_path": "{}/cold",
        "enable_model_warmup": "false",
        "enable_serialization_as_tensor_content": "true",
        "rest_api_enable_cors_support": "true",
        "rest_api_timeout_in_ms": "1500",
    },
    "batching": {
        "model_name": "t",
        "model_base_path": "{}/t",
        "enable_batching": "true",
        "batching_parameters_file": "{}/batching.config",
    },
    "empty": {
        "model_config_file": "{}/empty.config",
        "monitoring_config_file": "{}/monitoring.config",
        "allow_version_labels_for_unavailable_models": "true",
        "file_system_poll_wait_seconds": "1",
        "max_num_load_retries": "0",
    },
}
"""By the names that cases use; `{}` is the directory with the files."""

READY: Final = {"plain": ("t", "hpt"), "bare": ("t",), "batching": ("t",)}
"""The models whose metadata says that a server is ready."""

FILES: Final = {
    "plain.config": """model_config_list {
  config { name: "t" base_path: "{}/t" model_platform: "tensorflow" }
  config {
    name: "hpt" base_path: "{}/half_plus_two" model_platform: "tensorflow"
    model_version_policy { specific { versions: 123 versions: 124 } }
    version_labels { key: "stable" value: 123 } version_labels { key: "canary" value: 124 }
  }
}
""",
    "empty.config": "model_config_list { }\n",
    "monitoring.config": """prometheus_config {
  enable: true path: "/monitoring/prometheus/metrics"
}
""",
    "batching.config": """max_batch_size { value: 4 }
batch_timeout_micros { value: 1000 }
num_batch_threads { value: 1 }
max_enqueued_batches { value: 2 }
allowed_batch_sizes: 2
allowed_batch_sizes: 4
""",
}


@dataclass(frozen=True)
class Address:
    """Where a server answers."""

    rest: int
    grpc: int
    host: str = "127.0.0.1"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read HOST:REST_PORT:GRPC_PORT."""
        host, rest, grpc = text.rsplit(":", 2)
        return cls(int(rest), int(grpc), host)


@dataclass(frozen=True)
class Server:
    """A server that the suite has started."""

    process: "subprocess.Popen[bytes] | Fork"
    address: Address
    log: Path

    def stop(self) -> int:
        """End it, and say how it ended."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def said(self) -> str:
        """What it wrote to its log."""
        return self.log.read_text(errors="replace")


def write(directory: Path, warm: Warm, at: str | None = None) -> None:
    """Write the models and the configuration files; `at`: the directory as the server sees it."""
    directory.mkdir(parents=True, exist_ok=True)
    warm.run([str(BUILDER), str(directory)], directory / "build.log")
    for name, text in FILES.items():
        (directory / name).write_text(text.replace("{}", at or str(directory)))
    shutil.copytree(directory / "t", directory / "cold")
    extra = directory / "cold" / "1" / "assets.extra"
    extra.mkdir()
    shutil.copy(directory / "warmups" / "unknown_signature", extra / "tf_serving_warmup_requests")


def arguments(flags: Mapping[str, str], directory: str) -> list[str]:
    """Flags as a command line has them."""
    return [f"--{name}={value.replace('{}', directory)}" for name, value in flags.items()]


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def start(
    command: Sequence[str], flags: Sequence[str], log: Path, warm: Warm | None = None
) -> Server:
    """Start a server on free ports; its log goes to a file. Ours may be a fork."""
    rest, grpc = free_ports(2)
    told = [*command, f"--port={grpc}", f"--rest_api_port={rest}", *flags]
    if warm and tuple(command) == OWN:
        return Server(warm.start(told[1:], log), Address(rest, grpc), log)
    environment = {**os.environ, **SETTINGS}
    with log.open("wb") as output:
        process = subprocess.Popen(told, stdout=output, stderr=subprocess.STDOUT, env=environment)
    return Server(process, Address(rest, grpc), log)


def wait_until_ready(server: Server, models: Sequence[str] = (), seconds: float = 240) -> None:
    """Wait until the port is open and each model has metadata."""
    paths = [f"/v1/models/{model}/metadata" for model in models] or ["/v1/models"]
    deadline = time.monotonic() + seconds
    while not all(_answers(server.address, path) for path in paths):
        ended = server.process.poll()
        if ended is not None or time.monotonic() > deadline:
            state = "is not ready" if ended is None else f"ended with {ended}"
            raise RuntimeError(f"the server {state}:\n{server.said()[-3000:]}")
        time.sleep(0.1)


def _answers(address: Address, path: str) -> bool:
    connection = HTTPConnection(address.host, address.rest, timeout=5)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return status == (400 if path == "/v1/models" else 200)


def main() -> None:
    """Write the files and say how to start each server."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--at", help="the directory as the server sees it, /models for instance")
    told = parser.parse_args()
    directory: Path = told.directory.absolute()
    warm = Warm()
    write(directory, warm, told.at)
    warm.close()
    for number, (name, flags) in enumerate(SERVERS.items()):
        ports = [f"--rest_api_port={8501 + 10 * number}", f"--port={8500 + 10 * number}"]
        line = ["tensorflow_model_server", *ports, *arguments(flags, told.at or str(directory))]
        print(f"# {name}\n{shlex.join(line)}")  # noqa: T201, a command's output


if __name__ == "__main__":
    main()
