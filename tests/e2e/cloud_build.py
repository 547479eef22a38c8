"""All that a build on main meets, on this machine: repository, Kubeflow, stores, model server."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import yaml

from lockstep.pipelines.ci.results import FOLDER, read
from lockstep.serving.client import Client
from lockstep.serving.store import ModelStore

from ..conformance.serving.servers import Server, start, wait_until_ready
from ..pipelines.remote.kfp_executed import Executor
from ..pipelines.remote.kfp_server import KfpServer
from ..pipelines.remote.kfp_state import State
from .containers import Containers

ROOT = Path(__file__).parents[2]
LOCKSTEP = Path(sys.executable).with_name("lockstep")
TOKEN = "token-of-the-build"
IMAGE = f"registry.example/lockstep/runtime@sha256:{'1' * 64}"
PROJECT_IMAGE = f"registry.example/lockstep/runtime-taxi@sha256:{'2' * 64}"
TRIP = ROOT / "pipelines/taxi/consumers/driver-app/at_the_end.yaml"
DATA = "package:tfx/components/testdata/external/csv"
Done = subprocess.CompletedProcess[str]


def git(root: Path, *words: str) -> str:
    """Run git as nobody in particular."""
    who = ("-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(root), *who, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def repository(into: Path) -> Path:
    """This project as it is here, in a repository with one commit."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)
    git(into, "init", "--quiet", "--initial-branch=main")
    commit(into, "the project as it is")
    return into


def commit(root: Path, message: str) -> str:
    """Commit all that has changed; the commit's id."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)
    return git(root, "rev-parse", "HEAD").strip()


def without(step: str, source: Path, into: Path) -> Path:
    """A Cloud Build file without a step, whose followers wait for what it has waited for."""
    build = yaml.safe_load(source.read_text())
    (gone,) = (one for one in build["steps"] if one["id"] == step)
    build["steps"].remove(gone)
    for one in build["steps"]:
        waits = one["waitFor"]
        if step in waits:
            one["waitFor"] = [w for w in waits if w != step] + [
                w for w in gone["waitFor"] if w not in waits
            ]
    build["options"]["substitutionOption"] = "ALLOW_LOOSE"
    into.write_text(yaml.safe_dump(build))
    return into


def stubbed_store(store: Path) -> Path:
    """A model store as it is on day one: the contract's stub, which answers before any model."""
    words = ["contract", "stub", "pipelines/taxi/contract.yaml", "--push", str(store)]
    subprocess.run([str(LOCKSTEP), *words], cwd=ROOT, check=True, capture_output=True)
    return store


@dataclass
class Site:
    """One environment: its folder, the repository, the pipeline service and the model server."""

    root: Path
    repository: Path
    runs: Path
    containers: Containers | None = None
    """Where steps are containers, and not processes of this machine."""
    kfp: KfpServer = field(init=False)
    executor: Executor = field(init=False)
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        """Steps of pipelines start in the repository, which as processes stands for their image."""
        options = self.containers.run if self.containers else ()
        self.executor = Executor(self.repository, self.runs, options)
        self.kfp = KfpServer(State(execute=self.executor.start), token=TOKEN)

    def __enter__(self) -> "Site":
        """Serve the stub, and take pipelines."""
        config = self.root / "models.config"
        config.write_text(
            f'model_config_list {{ config {{ name: "taxi" base_path: "{self.store}/taxi" '
            'model_platform: "tensorflow" model_version_policy { specific { versions: 0 } } } }\n'
        )
        flags = [f"--model_config_file={config}"]
        flags += ["--allow_version_labels_for_unavailable_models=true"]
        self.server = start((str(LOCKSTEP), "serve"), flags, self.root / "server.log")
        self.kfp.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """End what was started."""
        self.kfp.__exit__()
        self.executor.close()
        self.server.stop()

    @property
    def store(self) -> Path:
        """The model store of this environment."""
        return self.root / "models"

    @property
    def next_store(self) -> Path:
        """The model store of the next one."""
        return self.root / "next-models"

    @property
    def rest(self) -> str:
        """The model server's address for REST."""
        return f"http://127.0.0.1:{self.server.address.rest}"

    @property
    def grpc(self) -> str:
        """The model server's address for gRPC."""
        return f"grpc://127.0.0.1:{self.server.address.grpc}"

    def wait(self) -> None:
        """Wait until the model server answers."""
        wait_until_ready(self.server, ["taxi"])

    def build(
        self,
        name: str,
        *options: str,
        file: Path = Path("cloudbuild.yaml"),
        told: Mapping[str, str] = MappingProxyType({}),
    ) -> Done:
        """Run a build as whoever has nothing but the repository and its address book."""
        values = {
            "BUILD_ID": name,
            "PROJECT_ID": "project",
            "_STORE": str(self.store),
            "_NEXT_STORE": str(self.next_store),
            "_DATA": DATA,
            "_KFP_HOST": self.kfp.url,
            "_OVERLAY": "",
            "_CLUSTER": "",
            "_SERVER": self.grpc,
            "_REST": self.rest,
            "_USE_RUNTIME": IMAGE,
            "_USE_IMAGE": PROJECT_IMAGE,
            **(self.containers.substitutions if self.containers else {}),
            **told,
        }
        words = [str(LOCKSTEP), "ci", "run", str(file), "--keep", *options]
        words += self.containers.ci_run if self.containers else ()
        words += [f"--folder={self.root}/builds"]
        words += [f"--substitution={key}={value}" for key, value in values.items()]
        return subprocess.run(
            words,
            cwd=self.repository,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    @staticmethod
    def environment() -> dict[str, str]:
        """This process's, with the secret and without this project's own programs on the PATH."""
        path = os.environ.get("PATH", os.defpath).split(":")
        others = (one for one in path if not (Path(one) / "lockstep").exists())
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        return {**os.environ, **quiet, "PATH": ":".join(others), "KFP_EXISTING_TOKEN": TOKEN}

    def images(self, build: str) -> dict[str, str]:
        """The images of a build, by the substitutions that name them to another one."""
        folder = self.root / "builds" / build / "workspace" / FOLDER
        found = {"_USE_RUNTIME": read(folder, "runtime"), "_USE_IMAGE": read(folder, "image")}
        return {key: f"{one['image']}@{one['digest']}" for key, one in found.items()}

    def model(self, base: Path | None = None) -> ModelStore:
        """The model in a store, if not this environment's."""
        return ModelStore.open(str(base or self.store), "taxi")

    def answering(self) -> list[int]:
        """The versions that answer a caller who names none, over REST and gRPC."""
        trips, answers = yaml.safe_load(TRIP.read_text())["instances"], list[int]()
        for address in (self.rest, self.grpc):
            contract = ROOT / "pipelines/taxi/contract.yaml"
            with Client(address, "taxi", contract=contract) as client:
                (answer,) = client.predict_rows(trips)
                assert 0 <= answer["probability"][0] <= 1
                answers.append(client.describe().version)
        return answers
