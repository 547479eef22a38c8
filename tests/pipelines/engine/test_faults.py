"""Whatever is killed, and whenever: a resumed run ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import gettempdir

import pytest

from lockstep.pipelines import ir
from lockstep.pipelines.compile import compile_pipeline
from lockstep.pipelines.engine.database import connect
from lockstep.pipelines.engine.history import read_run
from lockstep.pipelines.engine.sweep import sweep
from lockstep.serving.errors import Exit

LOCKSTEP = Path(sys.executable).with_name("lockstep")
PLACES = ("written", "digested", "recording", "recorded")
VICTIMS = ("engine", "step", "both")


@dataclass(frozen=True)
class Ground:
    """A project with the cheap pipeline, and what an undisturbed run of it leaves behind."""

    project: Path
    parameters: tuple[str, ...]
    """Of the pipeline, where `PLACE` stands for what a run has to itself."""
    seconds: float = 0.0
    digests: dict[str, str] = field(default_factory=dict[str, str])

    def command(self, place: Path, *arguments: str) -> list[str]:
        """`lockstep run`, with a root and a store of its own."""
        root = ["--root", str(place / "root"), "--project", str(self.project)]
        return [str(LOCKSTEP), "run", *arguments, *root]

    def start(self, place: Path) -> list[str]:
        """The command that starts a run."""
        parameters = (f"--param={x.replace('PLACE', str(place))}" for x in self.parameters)
        return self.command(place, "pipeline.yaml", *parameters)


def digests(root: Path) -> dict[str, str]:
    """The digest of every artifact of the one run under a root; each is recorded once."""
    (directory,) = (root / "runs").iterdir()
    assert read_run(root, directory.name)["state"] == "SUCCEEDED"
    rows = connect(root).execute(
        "SELECT task, name, artifacts.digest FROM artifacts JOIN executions ON execution=id"
    )
    found = [(f"{row['task']}.{row['name']}", row["digest"]) for row in rows]
    assert len(dict(found)) == len(found)
    return dict(found)


def undisturbed(project: Path, source: str, *parameters: str) -> Ground:
    """Run a pipeline once, undisturbed."""
    compiled = compile_pipeline(str(Path(__file__).with_name(source)), project_root=project)
    (project / "pipeline.yaml").write_text(ir.dump(compiled))
    ground, place = Ground(project, parameters), project / "undisturbed"
    started = time.monotonic()
    subprocess.run(ground.start(place), cwd=project, check=True, capture_output=True)
    return replace(ground, seconds=time.monotonic() - started, digests=digests(place / "root"))


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """The pipeline with a model that is pushed."""
    project = tmp_path_factory.mktemp("project")
    (project / "data").mkdir()
    (project / "data/data.csv").write_text("a,b\n1,2\n")
    ground = undisturbed(project, "cheap.py", "data=data", "model_store=PLACE/models")
    assert len(ground.digests) == 6
    return ground


@pytest.fixture(scope="module")
def taxi(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """The cheap part of the taxi pipeline: from a CSV file to its anomalies."""
    ground = undisturbed(tmp_path_factory.mktemp("taxi"), "cheap_taxi.py")
    assert len(ground.digests) == 6
    return ground


def descendants(pid: int) -> Iterator[int]:
    """Every process below one."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += (task / "children").read_text().split()
    except OSError:
        return
    for child in map(int, set(children)):
        yield child
        yield from descendants(child)


def lives(pid: int) -> bool:
    """Whether a process has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def kill(pid: int) -> None:
    """As the kernel does when memory runs out."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def disturb(ground: Ground, place: Path, chance: random.Random, failpoint: str) -> None:
    """Start a run and kill: at the failpoint, or some process at some moment."""
    environment = {**os.environ, **({"LOCKSTEP_FAILPOINT": failpoint} if failpoint else {})}
    with subprocess.Popen(
        ground.start(place),
        cwd=ground.project,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as engine:
        below: set[int] = set()
        if not failpoint:
            victim, moment = chance.choice(VICTIMS), chance.uniform(0, ground.seconds)
            print(f"{victim} after {moment:.2f} s")  # noqa: T201 - to repeat it by
            time.sleep(moment)
            below = set(descendants(engine.pid))
            if victim != "engine" and below:
                kill(chance.choice(sorted(below)))
            if victim != "step":
                kill(engine.pid)
        engine.wait(60)
    end = time.monotonic() + 20
    while any(map(lives, below)):
        assert time.monotonic() < end, "a process has outlived the engine"
        time.sleep(0.02)


def check(ground: Ground, chance: random.Random, place: Path, failpoint: str) -> None:
    """Disturb a run, resume it, and look at what is there."""
    disturb(ground, place, chance, failpoint)
    root = place / "root"
    runs = list((root / "runs").glob("*")) if root.exists() else []
    begun = [run for run in runs if _is_recorded(root, run.name)]
    command = ground.command(place, "--resume", begun[0].name) if begun else ground.start(place)
    done = subprocess.run(command, cwd=ground.project, capture_output=True, text=True)
    assert done.returncode == Exit.OK, done.stdout + done.stderr
    if not begun:
        sweep(root)  # at most an empty directory, made before the run was recorded
    assert digests(root) == ground.digests
    assert sweep(root, dry_run=True) == []
    (run,) = (root / "runs").iterdir()
    assert not list(Path(gettempdir()).glob(f"*{run.name}*"))
    versions = list((place / "models/cheap").glob("[0-9]*"))  # a push may leave `.tmp-*` for a day
    assert len(versions) == len([name for name in ground.digests if "pushed_model" in name])


def _is_recorded(root: Path, run: str) -> bool:
    query = "SELECT 1 FROM runs WHERE run=?"
    return connect(root).execute(query, (run,)).fetchone() is not None


def many(ground: Ground, place: Path, count: int) -> None:
    """Disturb so many runs, two of every five at a failpoint; `check` asserts how each ends."""
    seed = int(os.environ.get("LOCKSTEP_SEED", time.time()))
    print(f"LOCKSTEP_SEED={seed}")  # noqa: T201 - to repeat it by
    chance = random.Random(seed)
    for number in range(count):
        failpoint = ""
        if number % 5 < 2:
            failpoint = f"{chance.choice(PLACES)}:{chance.randint(1, 7)}"
        print(number, failpoint)  # noqa: T201 - to repeat it by
        check(ground, chance, place / str(number), failpoint)


def test_killed_runs_end_as_if_nothing_had_happened(ground: Ground, tmp_path: Path) -> None:
    """Five times: the same digests, nothing twice, nothing left over, one model pushed."""
    many(ground, tmp_path, 5)


def test_killed_taxi_runs_end_as_if_nothing_had_happened(taxi: Ground, tmp_path: Path) -> None:
    """Five times the cheap part of the taxi pipeline, in forks of the template with TFX."""
    many(taxi, tmp_path, 5)


@pytest.mark.full
def test_fifty_killed_runs_end_as_if_nothing_had_happened(ground: Ground, tmp_path: Path) -> None:
    """Fifty times, twenty of them between write, digest and record."""
    many(ground, tmp_path, 50)


@pytest.mark.full
def test_fifty_killed_taxi_runs_end_as_if_nothing_had_happened(
    taxi: Ground, tmp_path: Path
) -> None:
    """Fifty times, twenty of them between write, digest and record."""
    many(taxi, tmp_path, 50)


def test_several_engines_share_a_root(ground: Ground, tmp_path: Path) -> None:
    """Three at once, from its very beginning: all succeed, and one model is pushed."""
    command = ground.start(tmp_path)
    engines = [
        subprocess.Popen(command, cwd=ground.project, stdout=subprocess.DEVNULL) for _ in range(3)
    ]
    assert [engine.wait(120) for engine in engines] == [Exit.OK] * 3
    runs = [read_run(tmp_path / "root", run.name) for run in (tmp_path / "root/runs").iterdir()]
    assert [run["state"] for run in runs] == ["SUCCEEDED"] * 3
    assert sweep(tmp_path / "root") == []
    versions = [path for path in (tmp_path / "models/cheap").iterdir() if path.is_dir()]
    assert len(versions) == 1
