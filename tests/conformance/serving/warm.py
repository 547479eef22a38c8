"""Processes as forks of one that has imported TensorFlow: a server starts in no time.

    python warm.py FD

reads JSON from a socket and forks each time, as `Warm` asks it to.
"""

import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

SETTINGS: Final = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # as the server has it, which here is a fork
}
"""The environment of every process that uses TensorFlow in these tests."""

IMPORTED: Final = (
    "tensorflow",
    "tensorflow_serving.apis.get_model_metadata_pb2",
    "tensorflow_serving.apis.inference_pb2",
    "tensorflow_serving.apis.predict_pb2",
    "tensorflow_serving.apis.prediction_log_pb2",
    "lockstep.serving.server.lifecycle",
)
"""What takes long; nothing of TensorFlow has run when the process is doubled."""

LONGEST: Final = 1 << 16
"""Bytes of a message."""


class Fork:
    """A process that the warm one has forked, with what the tests use of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        """It runs."""
        self.pid = pid
        self._code: int | None = None
        self._ended = threading.Event()

    def end(self, code: int) -> None:
        """Hear that it has ended."""
        self._code = code
        self._ended.set()

    def poll(self) -> int | None:
        """How it ended, None if it still runs."""
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout or 0)
        assert self._code is not None
        return self._code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self._code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Warm:
    """The tests' end of the warm process."""

    def __init__(self) -> None:
        """Start it; it imports while the tests go on."""
        self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(other.fileno())],
                env={**os.environ, **SETTINGS},
                pass_fds=[other.fileno()],
            )
        self._forked: dict[int, Fork] = {}
        self._starting = threading.Semaphore(0)
        self._last = 0
        self._gone = False
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(self, program: Sequence[str], log: Path) -> Fork:
        """Fork for `-m MODULE ...` or `FILE ...`, whose output goes to a log."""
        self._channel.send(json.dumps([list(program), str(log)]).encode())
        self._starting.acquire()
        if self._gone:
            message = f"the warm process ended with {self._process.wait()}"
            raise RuntimeError(message)
        return self._forked[self._last]

    def run(self, program: Sequence[str], log: Path) -> str:
        """Fork for a program, and wait until it has ended well; what it wrote."""
        if self.start(program, log).wait(300):
            raise RuntimeError(log.read_text(errors="replace")[-5000:])
        return log.read_text(errors="replace")

    def close(self) -> None:
        """End the warm process; its forks are ended by who started them."""
        self._channel.shutdown(socket.SHUT_WR)
        self._process.wait()
        self._listener.join()
        self._channel.close()

    def _listen(self) -> None:
        with suppress(ConnectionResetError):
            while answer := self._channel.recv(LONGEST):
                pid, code = json.loads(answer)
                if code is None:
                    self._forked[pid], self._last = Fork(pid), pid
                    self._starting.release()
                else:
                    self._forked[pid].end(code)
        self._gone = True
        self._starting.release()


def serve(channel: socket.socket) -> None:
    """Import what takes long; fork for each message, and tell how each fork ends."""
    for module in IMPORTED:
        import_module(module)
    ready = selectors.DefaultSelector()  # no threads here: a fork would have their locks only
    ready.register(channel, selectors.EVENT_READ)
    while ready.get_map():
        for key, _ in ready.select():
            if key.fileobj is not channel:
                code = os.waitstatus_to_exitcode(os.waitpid(key.data, 0)[1])
                ready.unregister(key.fd)
                os.close(key.fd)
                tell(channel, key.data, code)
            elif asked := channel.recv(LONGEST):
                if not (pid := os.fork()):
                    channel.close()
                    run(*json.loads(asked))
                tell(channel, pid)
                ready.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
            else:
                ready.unregister(channel)


def tell(channel: socket.socket, pid: int, code: int | None = None) -> None:
    """Say that a fork runs, or how it has ended."""
    with suppress(BrokenPipeError):
        channel.send(json.dumps([pid, code]).encode())


def run(program: list[str], log: str) -> None:
    """Be a program, and end as it does."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(output, number)
    code: Any = 1
    try:
        if program[0] == "-m":
            sys.argv = program[1:]
            runpy.run_module(program[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = program
            runpy.run_path(program[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
