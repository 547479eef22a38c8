"""What a build needs beforehand is made by one script, once, and only what is missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lockstep.pipelines.ci.build import load, substituted
from lockstep.serving.errors import Exit

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts/cloud_build_setup.sh"
ALL = (
    "--project=proj",
    "--github=owner/name",
    "--repository=projects/proj/locations/l/connections/c/repositories/r",
)
GCLOUD = """#!/bin/sh
# Knows what was made; asked to describe, it says whether that is there.
key=$(echo "$*" | sed 's/-oidc//; s/@[^ ]*//; s/ github --name=/ /; s/add kfp-token/add 1/' \\
    | sed -E 's/ (describe|create|add) ([^ ]+).*/ \\2/')
echo "$*" >> "$LOG"
case "$*" in
    *"projects describe"*) echo 123456 ;;
    *" describe "*) grep -qxF -- "$key" "$LOG.made" ;;
    *" create "*|*" create-oidc "*|*"versions add"*) echo "$key" >> "$LOG.made" ;;
    *add-iam-policy-binding*) [ -e "$LOG.slow" ] || { touch "$LOG.slow"; exit 1; } ;;
esac
"""


def setup(*options: str, path: str = "/usr/bin:/bin", **more: str) -> tuple[int, str, str]:
    """Run the script with nothing but the system's programs; exit code, output, error."""
    environment = {"PATH": path, "SETUP_PAUSE": "0", **more}
    done = subprocess.run(
        ["sh", str(SCRIPT), *options], env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A PATH with what the script needs, and without gcloud."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "sed", "sleep", "grep", "touch"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return str(folder)


def test_a_dry_run_needs_nothing_and_is_a_script(bare: str, tmp_path: Path) -> None:
    """Without gcloud every command is printed; what is printed could be run as it is."""
    code, plan, left = setup("--dry-run", *ALL, path=bare)
    assert code == Exit.OK, left
    lines = [line for line in plan.splitlines() if line]
    assert len(lines) > 40
    assert all(line.startswith(("gcloud ", "    gcloud ")) for line in lines)
    subprocess.run(["sh", "-n"], input=plan, text=True, check=True)
    assert "manifests/access" in left
    assert setup(*ALL, path=bare)[0] == Exit.ENVIRONMENT


def test_only_what_is_missing_is_made(bare: str, tmp_path: Path) -> None:
    """It runs what the dry run has printed, waits for accounts, and makes nothing twice."""
    gcloud = Path(bare) / "gcloud"
    gcloud.write_text(GCLOUD)
    gcloud.chmod(0o755)
    (tmp_path / "token").write_text("t0p")
    log = tmp_path / "log"
    (tmp_path / "log.made").touch()
    options = (*ALL, f"--kfp-token={tmp_path}/token")
    first = setup(*options, path=bare, LOG=str(log))
    assert first[0] == Exit.OK, first[2]
    asked = log.read_text().splitlines()
    planned = setup("--dry-run", *options, path=bare)[1].replace("PROJECT_NUMBER", "123456")
    made = [line for line in asked if re.search(" (create|create-oidc|versions add) ", line)]
    unquoted = planned.replace("'\\''", "\0").replace("'", "").replace("\0", "'")
    assert len(made) == planned.count("||\n")
    for line in asked:
        assert line.startswith("projects describe") or f"gcloud {line}" in unquoted, line
    log.unlink()
    again = setup(*options, path=bare, LOG=str(log))
    assert again[0] == Exit.OK, again[2]
    asked = log.read_text().splitlines()
    assert not [line for line in asked if re.search(" (create|create-oidc|versions add) ", line)]
    assert "t0p" not in "".join((*first[1:], *again[1:]))


def test_what_the_builds_name_is_made() -> None:
    """Accounts, buckets, registry, secret and builder of both files are the script's."""
    plan = setup("--dry-run", *ALL)[1]
    for name, account in (("", "lockstep-build"), ("-pull-request", "lockstep-review")):
        build = load(ROOT / f"cloudbuild{name}.yaml")
        made = substituted(build, {"PROJECT_ID": "proj"})
        assert made.service_account.endswith(f"/{account}@proj.iam.gserviceaccount.com")
        assert f"service-accounts create {account} " in plan
        assert f"_BUILDER={made.substitutions['_BUILDER']}" in plan
        for value in made.substitutions.values():
            if value.startswith("gs://"):
                assert f"buckets create gs://{value[5:].partition('/')[0]} " in plan
        for secret in made.available_secrets.get("secretManager", ()):
            assert f"secrets create {secret['versionName'].split('/')[3]} " in plan
    assert "buckets create gs://proj-reviews " in plan


def test_an_account_may_do_what_it_has_to() -> None:
    """Nobody may own, edit or administer; a pull request's build reads no model and no secret."""
    plan = setup("--dry-run", *ALL)[1].splitlines()
    granted = {
        (account, role)
        for line in plan
        for account in re.findall(r"--member=serviceAccount:([\w-]+)@", line)
        for role in re.findall(r"--role=(\S+)", line)
    }
    assert not [role for _, role in granted if re.search("owner|editor|[aA]dmin", role)]
    assert {role for account, role in granted if account == "lockstep-review"} == {
        "roles/logging.logWriter",
        "roles/artifactregistry.reader",
        "roles/storage.objectCreator",
    }
    page = (ROOT / "docs/ci.md").read_text()
    for account, role in granted:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{account}` |"))
        assert role.rpartition("/")[2] in row
    github = next(line for line in plan if "attribute-condition" in line)
    assert "owner/name" in github
    assert "refs/heads/main" in github


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), Exit.USAGE),
        (("--project=P",), Exit.USAGE),
        (("--project=proj", "--github=name"), Exit.USAGE),
        (("--project=proj", "--kfp-token=/no/such/file"), Exit.USAGE),
        (("--projct=proj",), Exit.USAGE),
    ],
)
def test_a_mistake_is_told(options: tuple[str, ...], code: int) -> None:
    """In three parts, before anything is made."""
    found, out, error = setup("--dry-run", *options)
    assert (found, out) == (code, "")
    assert re.match(r"error: .+\n  allowed: .+\n  to do:   .+\n$", error)


def test_the_script_is_clean() -> None:
    """As shellcheck sees it, where there is one."""
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck on the PATH: apt install shellcheck")
    subprocess.run(["shellcheck", str(SCRIPT)], check=True)


def test_the_builder_is_pinned() -> None:
    """Every image that it is made of has a version, and Python is the project's."""
    text = (ROOT / "scripts/builder.Dockerfile").read_text()
    images = re.findall(r"^ARG \w+_IMAGE=(\S+)$", text, re.MULTILINE)
    assert len(images) == 3
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in images)
    python = (ROOT / ".python-version").read_text().strip()
    assert any(image.startswith(f"python:{python}.") for image in images)
    assert os.linesep + "ENV PATH=/workspace/.venv/bin:$PATH" in text
