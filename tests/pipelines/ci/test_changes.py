"""What changed between two commits decides what a build does, and nothing is ever left undone."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from typer.testing import CliRunner

from lockstep.pipelines.ci.changes import ACTIONS, MEANS, changes, decide, kind_of, load_kinds
from lockstep.pipelines.ci.results import write
from lockstep.pipelines.cli import app
from lockstep.pipelines.errors import BadChanges
from lockstep.serving.errors import Exit, LockstepError, UnknownRevision

ROOT = Path(__file__).parents[3]
KINDS = load_kinds(ROOT / ".ci/changes.yaml")
FILES = {
    "README.md": "docs",
    "docs/ci.md": "docs",
    "manifests/README.md": "docs",
    "tests/conftest.py": "tests",
    "cloudbuild-pull-request.yaml": "tests",
    "pipelines/taxi/consumers/driver-app/two_at_once.yaml": "tests",
    "manifests/overlays/dev/models.config": "serving",
    "pipelines/taxi/schema.pbtxt": "data",
    "pipelines/taxi/model.py": "model",
    "pipelines/taxi/contract.yaml": "model",
    "pipelines/taxi/pipeline.py": "pipeline",
    "components/training.py": "pipeline",
    "uv.lock": "pipeline",
    "cloudbuild.yaml": "pipeline",
    "a new folder/file": "pipeline",
}


class Repository:
    """A git repository with a way to commit."""

    def __init__(self, root: Path) -> None:
        """Make it, with a first commit."""
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")
        (root / ".ci").mkdir()
        (root / ".ci/changes.yaml").write_bytes((ROOT / ".ci/changes.yaml").read_bytes())
        self.commit("README.md", ".gitignore")

    def git(self, *words: str) -> str:
        """Run git as nobody in particular."""
        who = ("-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false")
        command = ["git", *who, *words]
        done = subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, *files: str) -> str:
        """Change some files; the commit's id."""
        for name in files:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text() if path.exists() else ""
            path.write_text(".lockstep/\n" if name == ".gitignore" else f"{text}more\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository of one commit, in which commands run."""
    made = Repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    return made


def lockstep(*words: str) -> tuple[int, str]:
    """Run a command of the CLI; its exit code and what it said."""
    done = CliRunner().invoke(app, ["ci", *words])
    error = done.exception
    if isinstance(error, LockstepError):
        return int(error.exit_code), f"{done.output}{error}"
    assert error is None or isinstance(error, SystemExit), error
    return done.exit_code, done.output


@pytest.mark.parametrize(("file", "kind"), FILES.items())
def test_this_repository_knows_its_files(file: str, kind: str) -> None:
    """Each file of this repository is of the kind that one expects."""
    assert kind_of(file, KINDS) == kind


@given(st.lists(st.sampled_from([*FILES])), st.lists(st.sampled_from([*FILES])))
def test_more_changes_never_ask_for_less(some: Sequence[str], more: Sequence[str]) -> None:
    """A decision counts every file once, in any order, and is the most that one asks for."""
    fewer, all_ = (decide(files, KINDS, since="a", to="b") for files in (some, [*more, *some]))
    assert ACTIONS.index(fewer.action) <= ACTIONS.index(all_.action)
    assert decide(reversed([*more, *some]), KINDS, since="a", to="b") == all_
    assert sorted(f for files in all_.kinds.values() for f in files) == sorted({*some, *more})
    wanted = max((ACTIONS.index(MEANS[FILES[file]]) for file in {*some, *more}), default=0)
    assert ACTIONS.index(all_.action) == wanted


@given(st.text(min_size=1), st.dictionaries(st.sampled_from([*MEANS]), st.lists(st.text())))
def test_every_file_has_a_kind(file: str, kinds: dict[str, list[str]]) -> None:
    """What nobody has thought of retrains rather than being overlooked."""
    assert kind_of(file, kinds) in {*kinds, "pipeline"}
    assert kind_of(file, {}) == "pipeline"


def test_a_renamed_file_counts_at_both_places(repository: Repository) -> None:
    """A module that moves out of the pipeline's reach changes the pipeline."""
    before = repository.commit("pipelines/taxi/model.py")
    (repository.root / "docs").mkdir()
    repository.git("mv", "pipelines/taxi/model.py", "docs/model.py")
    repository.git("commit", "--quiet", "--message", "move")
    found = changes(repository.root, before, KINDS)
    assert found.action == "retrain"
    assert found.kinds == {"docs": ("docs/model.py",), "model": ("pipelines/taxi/model.py",)}


def test_names_of_files_may_be_anything(repository: Repository) -> None:
    """Blanks, line breaks and umlauts in a name do not hide a change."""
    before = repository.git("rev-parse", "HEAD")
    names = ("docs/ü b.md", 'pipelines/"quoted".py', "manifests/a\nb.yaml")
    repository.commit(*names)
    assert {f for some in changes(repository.root, before, KINDS).kinds.values() for f in some} == {
        *names
    }


def test_since_the_last_build_that_passed(repository: Repository) -> None:
    """What a failed build has left undone is done by the next one, and nothing twice."""
    record = f"--record={repository.root}/.lockstep/passed.json"
    (repository.root / ".lockstep").mkdir()
    assert lockstep("changes", record)[1].startswith("retrain: no build has passed yet")
    assert lockstep("passed", record, "--build=1")[0] == Exit.USAGE  # nothing was promoted
    write(repository.root / ".lockstep/ci", "promote", [])
    assert lockstep("passed", record, "--build=1")[0] == Exit.OK
    repository.commit("pipelines/taxi/model.py")  # its build fails
    repository.commit("README.md")
    code, said = lockstep("changes", record)
    assert (code, said.partition("\n")[0]) == (Exit.OK, "retrain: model: pipelines/taxi/model.py")
    lockstep("passed", record, "--build=2")
    repository.commit("README.md")
    assert lockstep("changes", record)[1].startswith("nothing: docs: README.md")
    passed = json.loads((repository.root / ".lockstep/passed.json").read_text())
    assert (passed["build"], passed["commit"]) == ("2", repository.git("rev-parse", "HEAD^"))


def test_a_commit_that_is_gone_counts_as_none(repository: Repository) -> None:
    """After the history was rewritten all counts as changed, and that is said."""
    record = repository.root / "passed.json"
    record.write_text(json.dumps({"commit": "f" * 40, "build": "", "at": ""}))
    said = lockstep("changes", f"--record={record}")[1]
    assert said.startswith(f"retrain: commit {'f' * 40}, which passed last, is not in this")


def test_a_shallow_clone_is_deepened(repository: Repository, tmp_path: Path) -> None:
    """Cloud Build's clone of one commit is compared all the same."""
    before = repository.git("rev-parse", "HEAD")
    repository.commit("manifests/a.yaml")
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth=1", f"file://{tmp_path}", str(clone))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(clone)
        assert lockstep("changes", f"--since={before}")[1].startswith("redeploy: serving:")
        assert lockstep("changes", "--since=origin/main")[1].startswith("nothing: no file differs")


def test_a_command_runs_only_if_it_is_asked_for(repository: Repository) -> None:
    """`when` runs what the decision includes, with its exit code, and nothing else."""
    executable = ROOT / ".venv/bin/lockstep"

    def when(action: str, *command: str) -> tuple[int, str]:
        words = [str(executable), "ci", "when", action, "--", *command]
        done = subprocess.run(words, cwd=repository.root, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    assert when("retrain", "true")[0] == Exit.USAGE  # nobody has said yet what changed
    repository.commit("manifests/a.yaml")
    assert lockstep("changes")[0] == Exit.OK
    assert when("redeploy", "sh", "-c", "echo $0 it; exit 5", "--did") == (5, "--did it\n")
    code, said = when("retrain", "sh", "-c", "exit 5")
    assert (code, said.partition(",")[0]) == (Exit.OK, "skipped")


@pytest.mark.parametrize(
    "text", ["- docs", "dogs: [a]", "docs: a", "docs: [1]", "docs: [a", "docs: {a: b}"]
)
def test_a_file_of_kinds_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    """A mistake in it is told, and does not change what a build does."""
    path = tmp_path / "changes.yaml"
    path.write_text(text)
    with pytest.raises(BadChanges):
        load_kinds(path)


def test_an_unknown_commit_is_told(repository: Repository) -> None:
    """A wrong name of a commit is no reason to retrain."""
    with pytest.raises(UnknownRevision):
        changes(repository.root, "elsewhere", KINDS)
    assert lockstep("changes", "--since=--output=x")[0] == Exit.DEFINITION


def test_a_damaged_record_is_told(repository: Repository) -> None:
    """A record that is none is not taken for a first build."""
    record = repository.root / "passed.json"
    record.write_text("[]")
    assert lockstep("changes", f"--record={record}")[0] == Exit.DEFINITION
