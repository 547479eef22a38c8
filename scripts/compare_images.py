"""Compare two images layer by layer and file by file; times are left out.

    .venv/bin/python scripts/compare_images.py IMAGE OTHER

Prints each file that differs, and how; exits with 1 if any does. The order of files in a layer and
the times that they carry are the builder's.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

Layer = dict[str, tuple[Any, ...]]
"""What is known of each file, by name."""


def main() -> int:
    """Compare the two images that the command line names."""
    number, count, differences = 0, 0, 0
    pairs = zip_longest(layers(sys.argv[1]), layers(sys.argv[2]), fillvalue=Layer())
    for number, (one, other) in enumerate(pairs, 1):
        count += len(one)
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                differences += 1
                print(f"layer {number}: {name}: {one.get(name)} and {other.get(name)}")  # noqa: T201
    print(f"{number} layers, {count} files, {differences} differ")  # noqa: T201
    return int(differences > 0)


def layers(image: str) -> Iterator[Layer]:
    """Give the layers of an image as `docker save` writes them, the lowest first."""
    with tempfile.NamedTemporaryFile() as saved:
        subprocess.run(["docker", "save", image], stdout=saved, check=True)
        with tarfile.open(saved.name) as archive:
            (manifest,) = json.loads(content(archive, "manifest.json"))
            for name in manifest["Layers"]:
                with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                    yield {member.name: facts(layer, member) for member in layer}


def facts(layer: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[Any, ...]:
    """What makes a file what it is: kind, mode, owner, target and content."""
    digest = hashlib.sha256(content(layer, member)).hexdigest()[:16] if member.isfile() else ""
    return member.type, oct(member.mode), member.uid, member.gid, member.linkname, digest


def content(archive: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    """Read one file of an archive."""
    file = archive.extractfile(member)
    return file.read() if file else b""


if __name__ == "__main__":
    sys.exit(main())
