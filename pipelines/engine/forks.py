"""Steps as forks of warm template processes: what is imported once is paid for once."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from ...components.catalogue import COMPONENTS, ENTRYPOINT, WARM
from .launch import Ended, Launcher, Processes, Step, Stopped

_KFP_MAIN: Final = "kfp.dsl.executor_main"

_TEMPLATES: Final = {ENTRYPOINT[-1]: (WARM, {}), _KFP_MAIN: ("kfp.dsl", {"_KFP_RUNTIME": "true"})}
"""Program -> what its template imports, and in which environment."""


@dataclass
class Forks:
    """A fork of a warm template for each step with heavy imports, a fresh process for others."""

    cold: Launcher = field(default_factory=Processes)
    _templates: dict[str, "Template"] = field(default_factory=dict[str, "Template"])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def expect(self, module: str, arguments: tuple[str, ...]) -> None:
        """Start to warm up for a step that will come."""
        if _is_heavy(module, arguments):
            self._template(module)

    def run(self, step: Step) -> Ended:
        """Run a step to its end; what it prints goes to its log."""
        if not _is_heavy(step.module, step.arguments):
            return self.cold.run(step)
        return self._template(step.module).run(step)

    def stop(self, grace: float) -> None:
        """End every running step: ask first, and after `grace` seconds insist."""
        with self._lock:
            self._stopped = True
            templates = list(self._templates.values())
        for template in templates:
            template.stop(grace)
        self.cold.stop(grace)

    def close(self) -> None:
        """End the templates, and with them whatever still runs."""
        with self._lock:
            self._stopped = True
            templates, self._templates = list(self._templates.values()), {}
        for template in templates:
            template.close()
        self.cold.close()

    def _template(self, module: str) -> "Template":
        with self._lock:
            if self._stopped:
                raise Stopped
            template = self._templates.get(module)
            if template is None or template.is_gone:
                if template is not None:
                    template.close()
                template = self._templates[module] = Template(*_TEMPLATES[module])
            return template


def _is_heavy(module: str, arguments: tuple[str, ...]) -> bool:
    return module in _TEMPLATES and (module != ENTRYPOINT[-1] or COMPONENTS[arguments[0]].heavy)


class Template:
    """The engine's end of one template process (see `template`)."""

    def __init__(self, imports: str, environment: Mapping[str, str]) -> None:
        """Start the process; it imports while the engine goes on."""
        self._channel, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.template", str(other.fileno()), imports],
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._lock = threading.Lock()
        self._pending: dict[int, Future[dict[str, Any]]] = {}
        self._started = 0
        self._stopped = self.is_gone = self.is_ready = False
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def run(self, step: Step) -> Ended:
        """Fork for a step, and wait for its end; a template that dies takes its steps along."""
        began, late = time.monotonic(), threading.Event()
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._stopped:
                raise Stopped
            self._started += 1
            number = self._started
            self._pending[number] = future
        request = {
            "start": number,
            "module": step.module,
            "arguments": step.arguments,
            "environment": dict(step.environment),
            "directory": str(step.directory),
            "log": str(step.log),
        }
        clock = threading.Timer(step.timeout or 0, self._expire, (number, late))
        if step.timeout:
            clock.start()
        self._send(request)
        ended = future.result()
        clock.cancel()
        code = os.waitstatus_to_exitcode(ended["status"])
        return Ended(code, time.monotonic() - began, ended["memory"], late.is_set())

    def stop(self, grace: float) -> None:
        """Signal every running step, and start no more."""
        with self._lock:
            self._stopped = True
            running = list(self._pending)
        for number in running:
            self._send({"id": number, "signal": signal.SIGTERM if grace else signal.SIGKILL})
        if grace:
            clock = threading.Timer(grace, self.stop, (0,))
            clock.daemon = True
            clock.start()

    def close(self) -> None:
        """End the process and its forks."""
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        if not self.is_ready:  # still importing: it would not look at its socket for seconds
            self._process.kill()
        self._process.wait()
        self._listener.join()
        self._channel.close()

    def _expire(self, number: int, late: threading.Event) -> None:
        late.set()
        self._send({"id": number, "signal": signal.SIGKILL})

    def _send(self, message: dict[str, Any]) -> None:
        with self._lock, suppress(OSError):  # a template that is gone is noticed by `_listen`
            self._channel.sendall(json.dumps(message).encode() + b"\n")

    def _listen(self) -> None:
        """Hand every answer to whoever waits for it."""
        with self._channel.makefile("rb") as answers, suppress(OSError):
            for line in answers:
                answer = json.loads(line)
                if "ready" in answer:
                    self.is_ready = True
                else:
                    with self._lock:
                        future = self._pending.pop(answer["ended"])
                    future.set_result(answer)
        self.is_gone = True
        with self._lock:
            lost, self._pending = list(self._pending.values()), {}
        for future in lost:
            future.set_result({"status": int(signal.SIGKILL), "memory": 0, "cpu": 0.0})
