"""`lockstep ci image` with real buildx and BuildKit: the image and its papers in a registry."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lockstep.pipelines.ci.image import CACHE
from lockstep.pipelines.ci.results import FOLDER, read

from .cloud_build import LOCKSTEP, commit, git
from .containers import ask, base_image, missing_for_papers, registry, told

WHY = missing_for_papers()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(WHY), reason=WHY or "nothing is missing")]

DOCKERFILE = """ARG RUNTIME=scratch
FROM ${RUNTIME}
COPY made_by.txt /
RUN python3 --version > /python.txt
"""


def build(project: Path, image: str, base: str) -> dict[str, Any]:
    """Build and push the project's commit; what the steps that follow are told."""
    words = [str(LOCKSTEP), "ci", "image", image, f"--build-arg=RUNTIME={base}"]
    words.append(f"--network={told().get('_BUILD_NETWORK', 'default')}")
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[1] == "with SBOM and provenance"
    found: dict[str, Any] = read(project / FOLDER, "image")
    return found


def paper(reference: str, name: str) -> Any:
    """What lies beside an image: its `SBOM` or its `Provenance`."""
    words = ("imagetools", "inspect", reference, "--format", f"{{{{json .{name}}}}}")
    return json.loads(ask("buildx", *words))


def test_an_image_comes_with_its_papers(tmp_path: Path) -> None:
    """By digest: what is in it, and what it was made from; its layers are kept for the next one."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "Dockerfile").write_text(DOCKERFILE)
    (project / "made_by.txt").write_text("lockstep\n")
    (project / ".gitignore").write_text(".lockstep/\n")
    git(project, "init", "--quiet", "--initial-branch=main")
    revision = commit(project, "an image")
    with registry(tmp_path) as address:
        base, image = f"{address}/local/base:1", f"{address}/local/thing"
        ask("tag", base_image(), base)
        ask("push", "--quiet", base)
        made = build(project, image, base)
        reference = f"{image}@{made['digest']}"
        assert (made["tag"], made["attested"]) == (revision, True)
        packages = {one["name"] for one in paper(reference, "SBOM")["SPDX"]["packages"]}
        assert {"libc6", "python3"} & packages
        provenance = json.dumps(paper(reference, "Provenance")["SLSA"])
        assert f"{base}@sha256:" in provenance
        ask("pull", "--quiet", reference)
        shown = (
            "run",
            "--rm",
            "--network",
            "none",
            reference,
            "cat",
            "/made_by.txt",
            "/python.txt",
        )
        assert ask(*shown).splitlines()[0] == "lockstep"
        assert ask("buildx", "imagetools", "inspect", f"{image}:{CACHE}")
