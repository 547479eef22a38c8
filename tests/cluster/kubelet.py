"""A kubelet for tests: the containers of pods that no node takes run as processes of this machine.

Pods say `schedulerName: lockstep-test`, a scheduler that does not exist, so on any cluster, with
nodes or without, they are left to us. Their commands, arguments, ports, variables, volumes, init
containers and probes are those of the objects in the cluster; images are what this machine has.
TF Serving is the real one where it is on the PATH, else lockstep's own model server.
"""

import math
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from lockstep.serving.manifests.pods import amount
from lockstep.serving.rollout.answers import NotYet

from ..conformance.serving.servers import OWN, Address, free_ports

SCHEDULER: Final = "lockstep-test"
NO_ROOM: Final = {
    "conditions": [
        {
            **{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"},
            "message": "0/1 nodes are available: 1 Insufficient cpu.",
        }
    ]
}
_SERVER: Final = "/usr/bin/tensorflow_model_server"
_DRAIN: Final = 3.0
"""Seconds that a pod goes on after it is gone from the cluster, as preStop has it."""

Object = dict[str, Any]


@dataclass
class Pod:
    """One pod, as its containers run here."""

    spec: Object
    labels: Mapping[str, str]
    configs: Mapping[str, Mapping[str, str]]
    directory: Path
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)
    ready: bool = False
    left: float | None = None

    def __post_init__(self) -> None:
        """Give each container port a free one, and write the volumes."""
        numbers = [one["containerPort"] for c in self._main() for one in c.get("ports", [])]
        self.ports = dict(zip(numbers, free_ports(len(numbers)), strict=True))
        for volume in self.spec["volumes"]:
            (self.directory / volume["name"]).mkdir(parents=True)
        models = [m for c in self._main() for m in c["volumeMounts"] if m["name"] == "models"]
        for volume in self.spec["volumes"]:
            for name, text in self.configs.get(volume.get("configMap", {}).get("name"), {}).items():
                for mount in models:
                    there = self.directory / mount["name"]
                    text = text.replace(f'"{mount["mountPath"]}/', f'"{there}/')
                (self.directory / volume["name"] / name).write_text(text)

    def step(self) -> Object:
        """Start what can be started, look at what runs; the status to tell the cluster."""
        for container in self.spec.get("initContainers", []):
            process = self._run(container)
            if container.get("restartPolicy") != "Always" and process.poll() != 0:
                return self._status(started=False)
        for container in self._main():
            self._run(container)
        self.ready = self._alive() and all(map(self._answers, self._main()))
        return self._status(started=True)

    def end(self) -> None:
        """Kill what still runs: TF Serving as process 1 does not hear SIGTERM."""
        for process in self.processes.values():
            process.kill()
            process.wait()

    @property
    def address(self) -> Address:
        """Where its model server answers."""
        return Address(self.ports[8501], self.ports[8500])

    def log(self) -> str:
        """What all of its containers said."""
        return "\n".join(file.read_text() for file in sorted(self.directory.glob("*.log")))

    def _main(self) -> list[Object]:
        return list(self.spec["containers"])

    def _run(self, container: Object) -> "subprocess.Popen[bytes]":
        name = container["name"]
        if name not in self.processes:
            log = self.directory / f"{name}.log"
            quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
            with log.open("wb") as output:
                self.processes[name] = subprocess.Popen(
                    list(self._words(container)),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **quiet},
                )
        return self.processes[name]

    def _words(self, container: Object) -> Iterator[str]:
        """Command and arguments: variables expanded, paths and ports those of this machine."""
        words: list[str] = [*container["command"], *container["args"]]
        theirs = shutil.which("tensorflow_model_server")
        known: dict[str, Sequence[str]] = {
            _SERVER: (theirs,) if theirs else OWN,
            "python": (sys.executable,),
        }
        yield from known[words[0]]
        values = {one["name"]: self._value(container, one) for one in container.get("env", [])}
        for word in words[1:]:
            word = re.sub(r"\$\((\w+)\)", lambda found: values[found[1]], word)
            for mount in [one for one in container["volumeMounts"] if one["name"] != "tmp"]:
                path = self.directory / mount["name"]
                word = re.sub(rf"(?<==){re.escape(mount['mountPath'])}(?=/|$)", str(path), word)
            yield re.sub(
                r"(?<=port=)\d+$", lambda found: str(self.ports.get(int(found[0]), 0)), word
            )

    def _value(self, container: Object, variable: Object) -> str:
        if "value" in variable:
            return str(variable["value"])
        (kind, source), *_ = variable["valueFrom"].items()
        if kind == "configMapKeyRef":
            return self.configs[source["name"]][source["key"]]
        assert source["resource"] == "limits.cpu", variable
        return str(math.ceil(amount(container["resources"]["limits"]["cpu"]) or 1))

    def _alive(self) -> bool:
        return all(self.processes[one["name"]].poll() is None for one in self._main())

    def _answers(self, container: Object) -> bool:
        """Its readiness probe."""
        get = container["readinessProbe"]["httpGet"]
        (number,) = [p["containerPort"] for p in container["ports"] if p["name"] == get["port"]]
        connection = HTTPConnection("127.0.0.1", self.ports[number], timeout=5)
        try:
            connection.request("GET", get["path"])
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _status(self, *, started: bool) -> Object:
        told = {"Initialized": started, "ContainersReady": self.ready, "Ready": self.ready}
        return {
            "phase": "Running" if started else "Pending",
            "conditions": [{"type": kind, "status": str(is_so)} for kind, is_so in told.items()],
            "initContainerStatuses": list(map(self._told, self.spec.get("initContainers", []))),
            "containerStatuses": list(map(self._told, self._main())),
        }

    def _told(self, container: Object) -> Object:
        process = self.processes.get(container["name"])
        code = None if process is None else process.poll()
        if process is None:
            state: Object = {"waiting": {"reason": "PodInitializing"}}
        elif code is None:
            state = {"running": {}}
        elif code == 0:
            state = {"terminated": {"exitCode": 0, "reason": "Completed"}}
        else:
            state = {"waiting": {"reason": "CrashLoopBackOff", "message": f"it ended with {code}"}}
        return {
            **{"name": container["name"], "image": container["image"], "imageID": ""},
            **{"ready": self.ready, "restartCount": int(bool(code)), "state": state},
        }


@dataclass
class Kubelet:
    """Runs the pods of one namespace while a block runs."""

    client: Any
    namespace: str
    directory: Path
    full: bool = False
    """Whether there is no room: a new pod is not scheduled."""
    pods: dict[str, Pod] = field(default_factory=dict)
    wrong: list[BaseException] = field(default_factory=list)

    @contextmanager
    def running(self) -> Generator["Kubelet"]:
        """Look again and again; at the end, no process is left."""
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(0.2):
                try:
                    self._look()
                except BaseException as error:
                    self.wrong.append(error)
                    return

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()
            for pod in self.pods.values():
                pod.end()
        assert not self.wrong, self.wrong

    @contextmanager
    def reach(self, live: Object) -> Generator[Sequence[str]]:
        """The addresses of one of a Deployment's pods, as `kubectl port-forward` has them."""
        address = self.address(live["spec"]["selector"]["matchLabels"])
        if address is None:
            reason = "no pod is ready"
            raise NotYet(reason)
        yield [f"grpc://127.0.0.1:{address.grpc}", f"http://127.0.0.1:{address.rest}"]

    def address(self, selector: Mapping[str, str]) -> Address | None:
        """A ready pod that a Service with this selector sends to; the newest."""
        for pod in reversed(list(self.pods.values())):
            if pod.ready and pod.left is None and selector.items() <= pod.labels.items():
                return pod.address
        return None

    def _look(self) -> None:
        kind = self.client.resources.get(api_version="v1", kind="Pod")
        found = kind.get(namespace=self.namespace).to_dict()["items"]
        there = {
            one["metadata"]["name"]: one
            for one in found
            if one["spec"].get("schedulerName") == SCHEDULER
            and "deletionTimestamp" not in one["metadata"]
        }
        for name, one in there.items():
            if name not in self.pods and not self.full:
                self.pods[name] = self._pod(name, one)
            ran = self.pods.get(name)
            self._tell(kind, name, ran.step() if ran else NO_ROOM)
        now = time.monotonic()
        for name, pod in self.pods.items():
            if name not in there:
                pod.left = now if pod.left is None else pod.left
                if now > pod.left + _DRAIN:
                    pod.end()

    def _pod(self, name: str, one: Object) -> Pod:
        kind = self.client.resources.get(api_version="v1", kind="ConfigMap")
        maps = kind.get(namespace=self.namespace).to_dict()["items"]
        configs = {m["metadata"]["name"]: m.get("data", {}) for m in maps}
        return Pod(one["spec"], one["metadata"]["labels"], configs, self.directory / name)

    def _tell(self, kind: Any, name: str, status: Object) -> None:
        from kubernetes.dynamic.exceptions import NotFoundError

        with suppress(NotFoundError):  # it has just gone
            kind.status.patch(
                {"status": status},
                name=name,
                namespace=self.namespace,
                content_type="application/merge-patch+json",
            )
