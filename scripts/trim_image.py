"""Take out of an environment what no step ever reads; runs while the runtime image is built.

    python3 trim_image.py /opt/lockstep

What goes is listed here and nowhere else. `tests/test_image.py` imports all that steps import from
what is left.
"""

import shutil
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

NOTEBOOKS: Final = (
    "babel debugpy jupyter_builder jupyter_lsp jupyter_server jupyter_server_terminals jupyterlab "
    "jupyterlab_pygments jupyterlab_server jupyterlab_widgets nbclient nbconvert notebook "
    "notebook_shim widgetsnbextension"
)
"""The servers and pages behind the notebooks that TFMA and TFDV can draw in."""

TOOLS: Final = "libclang tensorboard_data_server virtualenv distlib"
"""For generating bindings, showing logs and making environments."""

BESIDE: Final = (".gitignore", ".lock", "CACHEDIR.TAG", "etc", "include", "share")
"""What stands beside the environment's packages for uv, notebooks, compilers and manual pages."""

HEADERS: Final = ("tensorflow/include", "pyarrow/include", "numpy/core/include")
SUFFIXES: Final = frozenset({".a", ".h", ".hh", ".hpp", ".lib", ".pxd", ".pyi", ".pyx", ".cc"})
"""What only compilers, linkers and type checkers read."""

TESTED: Final = frozenset({"apache_beam", "kfp", "tensorflow_data_validation", "tfx", "tfx_bsl"})
TESTED_TOO: Final = frozenset({"ml_metadata", "tensorflow_model_analysis", "tensorflow_transform"})
"""Packages that ship their tests beside their modules, as `NAME_test.py`."""


def main() -> None:
    """Trim one environment, and say by how much."""
    environment = Path(sys.argv[1])
    (packages,) = environment.glob("lib/python3.*/site-packages")
    before = size(environment)
    remove(environment / name for name in BESIDE)
    for name in (NOTEBOOKS + " " + TOOLS).split():
        remove(files_of(packages, name))
    remove(packages / name for name in HEADERS)
    remove(sorted(packages.rglob("tests")))
    remove([file for file in packages.rglob("*") if is_for_developers(file, packages)])
    for library in packages.rglob("*.so*"):
        strip(library)
    for folder in sorted(packages.rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    print(f"{before / 1e6:.0f} MB, trimmed to {size(environment) / 1e6:.0f} MB")  # noqa: T201


def files_of(packages: Path, name: str) -> Iterator[Path]:
    """What a distribution has installed, its own papers included; nothing if it is not there."""
    for papers in packages.glob(f"{name}-*.dist-info"):
        for line in (papers / "RECORD").read_text(encoding="utf-8").splitlines():
            yield packages / line.rsplit(",", 2)[0].strip('"')
        yield papers


def is_for_developers(file: Path, packages: Path) -> bool:
    """Whether only compilers, type checkers or test runners read a file."""
    top = file.relative_to(packages).parts[0]
    tested = top in TESTED | TESTED_TOO and file.name.endswith("_test.py")
    return tested or (file.suffix in SUFFIXES and file.is_file())


def strip(library: Path) -> None:
    """Cut off what follows the last segment of a shared library: symbols for debuggers.

    The loader reads segments, and finds them in the program header; the section header, and what
    only it leads to, lie behind them (System V ABI, chapters 4 and 5).
    """
    with library.open("rb") as file:
        head = bytearray(file.read(64))
        if bytes(head[:6]) != b"\x7fELF\x02\x01" or library.is_symlink():  # 64 bits, little-endian
            return
        (start,) = struct.unpack_from("<Q", head, 32)
        width, count = struct.unpack_from("<HH", head, 54)
        file.seek(start)
        table = file.read(width * count)
    segments = [struct.unpack_from("<8xQ16xQ", table, n * width) for n in range(count)]
    end = max(start + width * count, *(offset + length for offset, length in segments))
    struct.pack_into("<Q", head, 40, 0)  # e_shoff
    struct.pack_into("<HH", head, 60, 0, 0)  # e_shnum, e_shstrndx
    with library.open("r+b") as file:
        file.write(head)
        file.truncate(end)


def remove(paths: Iterable[Path]) -> None:
    """Remove files and whole directories; what has gone already is fine."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def size(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(file.lstat().st_size for file in directory.rglob("*") if not file.is_dir())


if __name__ == "__main__":
    main()
