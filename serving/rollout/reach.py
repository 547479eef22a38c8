"""How a Deployment's pods are reached: at given addresses, or through kubectl's port-forward."""

import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress

from .answers import NotYet
from .cluster import Reach
from .objects import Object

__all__ = ["at", "forwarded"]


def at(addresses: Sequence[str]) -> Reach:
    """The same addresses, whatever the Deployment: a gateway's, or a test's."""

    @contextmanager
    def reach(_: Object) -> Generator[Sequence[str]]:
        yield addresses

    return reach


def forwarded(context: str | None) -> Reach:
    """Two ports of this machine, forwarded to one of the Deployment's pods."""

    @contextmanager
    def reach(live: Object) -> Generator[Sequence[str]]:
        meta = live["metadata"]
        command = [
            *("kubectl", "port-forward", f"deployment/{meta['name']}", ":8500", ":8501"),
            *("--namespace", meta["namespace"], "--address", "127.0.0.1"),
            *(("--context", context) if context else ()),
        ]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                yield _addresses(process)
            finally:
                with suppress(ProcessLookupError):
                    process.terminate()

    return reach


def _addresses(process: "subprocess.Popen[str]") -> list[str]:
    """Read "Forwarding from 127.0.0.1:40001 -> 8500" for both ports."""
    ports = dict[str, str]()
    for line in process.stdout or ():
        if not line.startswith("Forwarding from "):
            reason = f"kubectl port-forward: {line.strip()}"
            raise NotYet(reason)
        here, _, there = line.removeprefix("Forwarding from ").strip().partition(" -> ")
        ports[there] = here
        if len(ports) == 2:
            return [f"grpc://{ports['8500']}", f"http://{ports['8501']}"]
    reason = "kubectl port-forward ended"
    raise NotYet(reason)
