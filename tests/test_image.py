"""The scripts around the runtime image: what is trimmed away, and how images are compared."""

import io
import json
import runpy
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import markupsafe._speedups
import pytest

from lockstep.components.catalogue import DEFAULT_IMAGE

ROOT = Path(__file__).parents[1]
TRIM = str(ROOT / "scripts/trim_image.py")
COMPARE = str(ROOT / "scripts/compare_images.py")


def test_what_no_step_reads_is_trimmed(tmp_path: Path) -> None:
    """Headers, stubs, tests and notebooks go, with empty folders; modules and data stay."""
    packages = tmp_path / "lib/python3.11/site-packages"
    gone = [
        "tensorflow/include/eigen/Core",
        "numpy/core/lib/libnpymath.a",
        "pandas/tests/test_frame.py",
        "tfx/components/pusher_test.py",
        "keras/__init__.pyi",
        "jupyterlab/static/main.js",
        "jupyterlab-4.0.dist-info/METADATA",
    ]
    kept = [
        "tensorflow/__init__.py",
        "pandas/testing.py",
        "tfx/components/testdata/data.csv",
        "keras/ab_test.py",
        "jupyterlab_pygments_theme.py",
    ]
    for name in gone + kept:
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).touch()
    record = "jupyterlab/static/main.js,sha256=x,1\njupyterlab-4.0.dist-info/METADATA,,\n"
    (packages / "jupyterlab-4.0.dist-info/RECORD").write_text(record)
    (tmp_path / "share/man").mkdir(parents=True)
    said = subprocess.run([sys.executable, TRIM, tmp_path], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    left = [str(path.relative_to(packages)) for path in packages.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(kept)
    assert not (packages / "jupyterlab").exists()
    assert not (tmp_path / "share").exists()


def test_a_trimmed_library_still_loads(tmp_path: Path) -> None:
    """It is shorter, and the loader finds all that it looks for; trimming twice changes nothing."""
    strip = runpy.run_path(TRIM)["strip"]
    source = Path(str(markupsafe._speedups.__file__))  # pyright: ignore[reportPrivateUsage] - any library would do
    library = tmp_path / source.name
    library.write_bytes(source.read_bytes() + b"symbols")
    strip(library)
    short = library.read_bytes()
    assert len(short) < source.stat().st_size
    strip(library)
    assert library.read_bytes() == short
    program = f"import sys; sys.path[0] = {str(tmp_path)!r}; import _speedups; print(_speedups)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert str(library) in said.stdout, said.stderr


def test_pipelines_name_the_image_that_make_builds() -> None:
    """`make image` and `lockstep compile` agree without being told."""
    said = subprocess.run(["make", "-n", "image"], cwd=ROOT, capture_output=True, text=True)
    assert f"--tag {DEFAULT_IMAGE} ." in said.stdout, said.stderr


def saved(**files: str) -> bytes:
    """An image of one layer, as `docker save` writes it."""
    return packed({"a/layer.tar": packed(files), "manifest.json": MANIFEST})


MANIFEST = json.dumps([{"Layers": ["a/layer.tar"]}])


def packed(files: Any) -> bytes:
    """Files in a tar archive."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for time, (name, content) in enumerate(files.items()):
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), time
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


def test_images_are_compared_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order and times do not count; content does, and so does a file that only one has."""
    for name, image in {
        "one": saved(x="1", y="2"),
        "same": saved(y="2", x="1"),
        "other": saved(x="1", y="3", z="4"),
    }.items():
        (tmp_path / name).write_bytes(image)
    (tmp_path / "docker").write_text(f'#!/bin/sh\ncat "{tmp_path}/$2"\n')
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def compare(*images: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, COMPARE, *images], capture_output=True, text=True)

    same, other = compare("one", "same"), compare("one", "other")
    assert (same.returncode, same.stdout) == (0, "1 layers, 2 files, 0 differ\n")
    assert other.returncode == 1
    assert [line.split(":")[1].strip() for line in other.stdout.splitlines()[:-1]] == ["y", "z"]
