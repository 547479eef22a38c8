"""The one entrypoint: what it loads, and how it refuses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lockstep.serving.errors import Exit

WATCHED = ("kfp", "tensorflow", "tfx", "apache_beam", "google.protobuf")


class Ended(NamedTuple):
    """A program that has ended."""

    code: int
    log: str


def python(*argv: str, cwd: Path) -> Ended:
    """Run Python in a process of its own."""
    done = subprocess.run(
        [sys.executable, *argv],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Ended(done.returncode, done.stdout)


def executor_input(root: Path, **parameters: Any) -> str:
    """Write an ExecutorInput of `champion`."""
    return json.dumps(
        {
            "inputs": {"parameterValues": parameters},
            "outputs": {
                "artifacts": {"model": {"artifacts": [{"uri": str(root / "model")}]}},
                "parameters": {
                    name: {"outputFile": str(root / name)} for name in ("found", "digest")
                },
                "outputFile": str(root / "executor_output.json"),
            },
        }
    )


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("csv_exmple_gen", "{}", "did you mean 'csv_example_gen'?"),
        ("zzz", "{}", "choose one of these"),
        ("trainer", "{", "no ExecutorInput"),
        ("trainer", "{}", "no ExecutorInput"),
    ],
)
def test_a_wrong_call_is_refused(tmp_path: Path, name: str, text: str, says: str) -> None:
    """An unknown component or malformed input: what was given, what is allowed, what to do."""
    argv = ("-m", "lockstep.components", name, "--executor_input", text)
    code, log = python(*argv, cwd=tmp_path)
    assert code == Exit.USAGE
    assert says in log
    assert "\n  allowed: " in log
    assert "\n  to do:   " in log
    assert "Traceback" not in log


@pytest.mark.parametrize("argv", [(), ("trainer",), ("trainer", "--executor_input")])
def test_a_call_that_lacks_something_is_refused(tmp_path: Path, argv: tuple[str, ...]) -> None:
    """Without a component or its input there is nothing to run."""
    code, log = python("-m", "lockstep.components", *argv, cwd=tmp_path)
    assert code == Exit.USAGE
    assert "usage: python -m lockstep.components" in log


def test_the_store_s_steps_stay_light(tmp_path: Path) -> None:
    """`champion` and `pusher` load neither kfp nor TensorFlow: they start in a moment."""
    program = (
        "import sys\n"
        "from lockstep.components.__main__ import execute\n"
        "execute('champion', sys.argv[1])\n"
        "import lockstep.components.executors.model_store\n"
        f"print(sorted(sys.modules.keys() & set({WATCHED})))\n"
    )
    text = executor_input(tmp_path, base_directory="models/taxi")
    assert python("-c", program, text, cwd=tmp_path) == (0, "[]\n")


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    """Without the extra, a step that needs TensorFlow says how to install it."""
    program = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(name, path, target=None):\n"
        "        if name in ('tensorflow', 'tfx'):\n"
        "            raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Absent)\n"
        "from lockstep.components.__main__ import main\n"
        "sys.exit(main())\n"
    )
    argv = ("-c", program, "trainer", "--executor_input", executor_input(tmp_path))
    code, log = python(*argv, cwd=tmp_path)
    assert code == Exit.ENVIRONMENT
    assert "trainer needs t" in log
    assert "uv sync --extra tfx" in log


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """A device without space is told as such, not as a traceback."""
    text = executor_input(tmp_path, base_directory="models/taxi")
    text = text.replace(str(tmp_path / "executor_output.json"), "/dev/full")
    program = (
        "import sys\n"
        "from lockstep.components import __main__, step\n"
        "step._write_text = lambda name, text: open(name, 'w').write(text * 9999)\n"
        "sys.exit(__main__.main())\n"
    )
    code, log = python("-c", program, "champion", "--executor_input", text, cwd=tmp_path)
    assert code == Exit.ENVIRONMENT
    assert "no space left on the device" in log
    assert "Traceback" not in log
