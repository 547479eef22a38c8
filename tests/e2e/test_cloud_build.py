"""From a commit to an answering model: the steps of cloudbuild.yaml, executed as the file says.

`lockstep ci run` reads the file itself. Kubeflow is the test server, whose runs are executed by
`lockstep run`; the model is served by `lockstep serve`. Where there is a Docker engine, each step
of the build runs in a container of the builder image, images are built and pushed to a registry of
this test, and each step of the pipeline runs in the image that was built. Without one they are
processes, and images are named by digest and not built.
"""

import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lockstep.pipelines.ci.build import load
from lockstep.serving.errors import Exit

from .cloud_build import (
    PROJECT_IMAGE,
    ROOT,
    TOKEN,
    Done,
    Site,
    commit,
    git,
    repository,
    stubbed_store,
    without,
)
from .containers import Containers, ask, missing_for_builds, registry

pytestmark = pytest.mark.slow

STEPS = [step.id for step in load(ROOT / "cloudbuild.yaml").steps]
MISSED = {
    **dict(itertools.pairwise(STEPS)),
    "candidate": "deploy",
    "target": "deploy",
    "deploy": "rollback",  # the smoke test may fail
}
"""Without a step this one fails; without the last one nothing does, and nothing is on record."""
LACKING = missing_for_builds()


@pytest.fixture(scope="module", params=[f"processes ({LACKING})" if LACKING else "containers"])
def containers(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Containers | None]:
    """Where steps run: in containers if this machine can."""
    if LACKING:
        yield None
        return
    with registry(folder) as address:
        yield Containers(address, tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it all happens."""
    return tmp_path_factory.mktemp("cloud-build")


@pytest.fixture(scope="module")
def day_one(folder: Path) -> Path:
    """A store with the contract's stub, to be copied."""
    return stubbed_store(folder / "day-one")


@pytest.fixture(scope="module")
def new_site(folder: Path, day_one: Path, containers: Containers | None) -> Callable[..., Site]:
    """Make an environment in which nothing has been built yet."""

    def make(root: Path, source: Path, runs: str) -> Site:
        root.mkdir()
        shutil.copytree(day_one, root / "models")
        return Site(root, source, folder / runs, containers)

    return make


@pytest.fixture(scope="module")
def main(folder: Path, new_site: Callable[..., Site]) -> Iterator[Site]:
    """The environment of this project's own commit."""
    with new_site(folder / "main", repository(folder / "project"), "main-runs") as site:
        yield site


@pytest.fixture(scope="module")
def journey(main: Site) -> Done:
    """The whole build of that commit, with nothing left out."""
    return main.build("journey")


def states(done: Done) -> dict[str, str]:
    """Every step's state, by the table at the end."""
    lines = [line.split("  ") for line in done.stdout.splitlines() if " | " not in line]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    return {row[0]: row[1] for row in rows if row and row[0] in STEPS}


def test_a_commit_becomes_an_answering_model(main: Site, journey: Done) -> None:
    """Every step succeeds; a model is trained, pushed, served, promoted, and on record."""
    assert journey.returncode == Exit.OK, journey.stdout[-5000:] + journey.stderr
    assert states(journey) == dict.fromkeys(STEPS, "succeeded")
    store, after = main.model(), main.model(main.next_store)
    number = store.newest().number
    assert number > 0
    assert main.answering() == [number, number]
    assert {store.alias("candidate"), store.alias("champion")} == {number}
    assert after.alias("champion") == after.newest().number
    assert after.newest().digest == store.newest().digest
    passed = json.loads((main.store / "passed.json").read_text())
    assert passed["commit"] == git(main.repository, "rev-parse", "HEAD").strip()
    assert passed["build"] == "journey"


def test_kubeflow_ran_the_image_that_was_named_by_digest(main: Site, journey: Done) -> None:
    """One version, one run named after the build, and every step of it in the project's image."""
    assert journey.returncode == Exit.OK
    (version,), (run,) = main.kfp.state.versions.values(), main.kfp.state.runs.values()
    executors = version["pipeline_spec"]["deploymentSpec"]["executors"].values()
    runtime, project = main.images("journey").values()
    assert (project == PROJECT_IMAGE) == (main.containers is None)
    assert re.fullmatch(r".*/lockstep/runtime-taxi@sha256:[0-9a-f]{64}", project)
    assert {one["container"]["image"] for one in executors} == {project}
    assert runtime not in json.dumps(version)
    assert (run["display_name"], run["state"]) == ("build-journey", "SUCCEEDED")
    details = main.kfp.state.run(run["run_id"])["run_details"]["task_details"]
    tasks = {one["display_name"] for one in details if one["state"] == "SUCCEEDED"}
    assert {"trainer", "evaluator", "infra-validator", "pusher"} <= tasks
    assert TOKEN not in journey.stdout + journey.stderr


@pytest.mark.skipif(bool(LACKING), reason=f"{LACKING}; steps were processes" if LACKING else "-")
def test_steps_were_containers(main: Site, journey: Done) -> None:
    """The commit's lockstep was installed by one into the workspace, and images were built."""
    assert journey.returncode == Exit.OK
    installed = main.root / "builds/journey/workspace/.venv/bin/lockstep"
    assert installed.read_text().startswith("#!/workspace/.venv/bin/python")
    for reference in main.images("journey").values():
        labels = ask("image", "inspect", "--format", "{{json .Config.Labels}}", reference)
        revision = json.loads(labels)["org.opencontainers.image.revision"]
        assert revision == git(main.repository, "rev-parse", "HEAD").strip()


def patient(contract: Path) -> None:
    """Let a contract promise no quick answers: it is steps that are tried, on a busy machine."""
    text, count = re.subn(r'(p50_ms|p99_ms)("?: )\d+', r"\1\g<2>9000", contract.read_text())
    assert count == 2
    contract.write_text(text)


@pytest.fixture(scope="module")
def short(folder: Path, main: Site, journey: Done) -> Path:
    """A repository whose pipeline pushes the model of the journey, and whose environment is there.

    So a whole build takes seconds: no step of cloudbuild.yaml is changed.
    """
    assert journey.returncode == Exit.OK
    root = folder / "short"
    git(main.root, "clone", "--quiet", str(main.repository), str(root))
    shutil.copy(ROOT / "tests/e2e/pipelines/deliver.py", root / "pipelines/taxi/pipeline.py")
    patient(root / "pipelines/taxi/contract.yaml")
    commit(root, "A pipeline that delivers")
    for name in (".venv", ".uv"):
        (root / name).symlink_to(main.root / "builds/journey/workspace" / name)
    commit(root, "An environment that is there")
    return root


@pytest.fixture
def quick(
    tmp_path: Path, short: Path, main: Site, new_site: Callable[..., Site]
) -> Iterator[tuple[Site, dict[str, str]]]:
    """A new environment for the short build, and what it is told."""
    model, own = tmp_path / "model", tmp_path / "project"
    shutil.copytree(main.model().newest().path, model / "Format-Serving")
    patient(model / "Format-Serving/assets.extra/contract.json")
    git(short, "clone", "--quiet", str(short), str(own))
    with new_site(tmp_path / "site", own, "short-runs") as site:
        yield site, {"_DATA": str(model), **main.images("journey")}


def delivered(site: Site, done: Done) -> bool:
    """Whether a build has come to what a build is for."""
    store, record = site.model(), site.store / "passed.json"
    numbers = [one.number for one in store.versions() if one.number]
    return (
        done.returncode == Exit.OK
        and len(numbers) == 1
        and site.answering() == numbers * 2
        and store.alias("champion") == numbers[0]
        and site.model(site.next_store).alias("champion") is not None
        and json.loads(record.read_text() if record.exists() else "{}").get("commit")
        == git(site.repository, "rev-parse", "HEAD").strip()
    )


@pytest.mark.parametrize("step", STEPS)
def test_no_step_can_be_left_out(
    quick: tuple[Site, dict[str, str]], tmp_path: Path, step: str
) -> None:
    """Without it the build fails, or has not done what it is for; whatever waits for what."""
    site, told = quick
    if STEPS.index(step) > STEPS.index("submit"):
        site.wait()
    file = without(step, site.repository / "cloudbuild.yaml", tmp_path / "cloudbuild.yaml")
    plain = ("--commit=HEAD^",) if step == "environment" else ()  # where none is there already
    done = site.build("reduced", *plain, file=file, told=told)
    assert not delivered(site, done), done.stdout
    assert not (site.store / "passed.json").exists()
    found = states(done)
    if step in MISSED:
        assert done.returncode == Exit.STEP_FAILED, done.stdout + done.stderr
        assert [name for name, state in found.items() if state == "failed"] == [MISSED[step]]
    else:
        assert set(found.values()) == {"succeeded"}
        assert site.model().alias("champion") == site.model().newest().number


def another_model(model: Path, into: Path) -> Path:
    """A copy with one more file, so that its digest is another."""
    shutil.copytree(model, into)
    assets = into / "Format-Serving/assets"
    assets.mkdir(exist_ok=True)
    (assets / "other.txt").write_text("another model")
    return into


def test_a_model_that_fails_the_smoke_test_is_taken_back(
    quick: tuple[Site, dict[str, str]], tmp_path: Path
) -> None:
    """A good build, one whose model no application could use, and one of documents only."""
    site, told = quick
    site.wait()
    first = site.build("first", told=told)
    assert delivered(site, first), first.stdout + first.stderr
    champion = site.model().alias("champion")

    worse = another_model(Path(told["_DATA"]), tmp_path / "worse")
    root = site.repository
    recording = root / "pipelines/taxi/consumers/driver-app/at_the_end.yaml"
    good = recording.read_text()
    recording.write_text(good.replace("{min: 0, max: 1,", "{min: 2, max: 3,"))
    model = root / "pipelines/taxi/model.py"
    model.write_text(model.read_text() + "\n# changed\n")
    commit(root, "A model that does something else")
    second = site.build("second", told=told | {"_DATA": str(worse)})
    assert second.returncode == Exit.STEP_FAILED, second.stdout + second.stderr
    found = states(second)
    assert found["smoke"] == "failed, which is allowed"
    assert (found["deploy"], found["rollback"]) == ("succeeded", "failed")
    assert (found["promote"], found["passed"]) == ("not run", "not run")
    rejected = site.model().newest().number
    assert rejected != champion
    assert site.answering() == [champion, champion]
    assert site.model().alias("rejected") == rejected
    for base in (site.store, site.next_store):
        assert site.model(base).alias("champion") == champion
    passed = json.loads((site.store / "passed.json").read_text())
    assert passed["build"] == "first"

    git(root, "reset", "--quiet", "--hard", "HEAD^")
    (root / "README.md").write_text("Words.\n")
    commit(root, "Only words")
    third = site.build("third", told=told)
    assert third.returncode == Exit.OK, third.stdout + third.stderr
    assert third.stdout.count("skipped, since what changed asks for nothing") == 10
    assert site.answering() == [champion, champion]
    assert json.loads((site.store / "passed.json").read_text())["build"] == "third"
