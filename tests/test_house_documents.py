"""What the documents say is true: the README, the tables, the links, `make help`."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

from lockstep.components.catalogue import COMPONENTS
from lockstep.serving.errors import Exit

ROOT = Path(__file__).parents[1]
LOCKSTEP = Path(sys.executable).with_name("lockstep")


def test_the_readme_example_compiles(tmp_path: Path) -> None:
    """The README's pipeline compiles as it stands there."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 1
    (tmp_path / "tips.py").write_text(blocks[0])
    (tmp_path / "tips_module.py").write_text("def run_fn(fn_args): ...\n")
    command = [str(LOCKSTEP), "compile", "tips.py", "-o", "tips.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "exec-pusher" in (tmp_path / "tips.yaml").read_text()


def test_every_make_target_is_documented() -> None:
    """`make` prints every target with what it does."""
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert targets == re.findall(r"^  make (\S+) +\S", shown, re.MULTILINE)


def test_exit_codes_are_documented() -> None:
    """docs/exit-codes.md lists the exit codes, and each error class ends in one of them."""
    table = re.findall(
        r"^\| (\d+) \| `(\w+)` \| \S", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE
    )
    assert [(int(code), name) for code, name in table] == [(e.value, e.name) for e in Exit]


def test_every_component_is_documented() -> None:
    """docs/components.md says what the declarations say."""
    page = runpy.run_path(str(ROOT / "scripts/components_page.py"))["page"]()
    assert (ROOT / "docs/components.md").read_text() == page
    assert sorted(re.findall(r"^### `(\w+)`", page, re.MULTILINE)) == sorted(COMPONENTS)


def test_the_changelog_is_open() -> None:
    """The changelog has a place for what is not released yet."""
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text()


def test_links_between_documents_lead_somewhere() -> None:
    """Every relative link in a document names a file that exists."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    assert not [
        f"{document.name}: {link}"
        for document in documents
        for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", document.read_text())
        if not (document.parent / link).exists()
    ]
