"""Steps as fresh processes: how they end, and that nothing of them stays."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lockstep.pipelines.engine.launch import Processes, Step, Stopped, log_tail

Write = Callable[[str], Step]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Turn a few lines of Python into a step."""

    def give(code: str) -> Step:
        (tmp_path / "work.py").write_text(code)
        return Step("work", ("a b", "$HOME"), {"MODE": "quick"}, tmp_path, tmp_path / "log.txt")

    return give


CHILD = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path("child.new").write_text(str(child.pid))
pathlib.Path("child.new").rename("child")
"""


def gone(pid: int) -> bool:
    """Whether a process has ended, or does so soon."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_a_step_is_a_module_with_arguments(write: Write) -> None:
    """No shell reads them; both streams are in the log, in order; code and memory are measured."""
    step = write("import os, sys\nprint(sys.argv[1:], os.environ['MODE'])\nsys.exit('bad')")
    ended = Processes().run(step)
    assert (ended.code, str(ended)) == (1, "exit code 1")
    assert ended.seconds > 0
    assert ended.peak_memory > 2**20
    assert step.log.read_text() == "['a b', '$HOME'] quick\nbad\n"


def test_a_signal_is_named(write: Write) -> None:
    """What was printed before is in the log."""
    step = write("import os\nprint('here')\nos.abort()")
    assert str(Processes().run(step)) == "killed by SIGABRT"
    assert step.log.read_text().startswith("here\n")


def test_what_a_step_leaves_behind_ends_with_it(write: Write) -> None:
    """A child in the background does not outlive the step."""
    step = write(CHILD)
    assert Processes().run(step).code == 0
    assert gone(int((step.directory / "child").read_text()))


@pytest.mark.parametrize("grace", [0.3, 0.0])
def test_stopping_insists_after_a_while(write: Write, grace: float) -> None:
    """A step that does not listen is killed with its children, and no other starts."""
    step = write(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)" + CHILD + "time.sleep(60)"
    )
    launcher = Processes()
    codes: list[int] = []
    running = threading.Thread(target=lambda: codes.append(launcher.run(step).code))
    running.start()
    while not (step.directory / "child").exists():
        time.sleep(0.01)
    launcher.stop(grace)
    running.join(timeout=10)
    assert codes == [-9]
    assert gone(int((step.directory / "child").read_text()))
    with pytest.raises(Stopped):
        launcher.run(step)


def test_the_end_of_a_long_log_is_enough(tmp_path: Path) -> None:
    """A log of any length is read from its end."""
    log = tmp_path / "log.txt"
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert log_tail(log, 2) == "line 99998\nline 99999"


def test_a_step_ends_with_its_engine(write: Write, tmp_path: Path) -> None:
    """Kill -9 of whoever has started it ends a step, too."""
    write("import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(60)")
    engine = (
        "from pathlib import Path\n"
        "from lockstep.pipelines.engine.launch import Processes, Step\n"
        "Processes().run(Step('work', (), {}, Path(), Path('log.txt')))\n"
    )
    with subprocess.Popen([sys.executable, "-c", engine], cwd=tmp_path) as process:
        log = tmp_path / "log.txt"
        while not (log.exists() and log.read_text().endswith("\n")):
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    assert gone(int(log.read_text().split()[1]))


def test_a_steps_own_error_is_shown_whole(tmp_path: Path) -> None:
    """However many lines a three-part error has, none is cut off, and nothing else is shown."""
    log = tmp_path / "log.txt"
    anomalies = "\n".join(f"    feature{i}: unexpected" for i in range(50))
    error = (
        f"AnomalousData: it does not fit:\n{anomalies}\n  allowed: fitting data\n  to do:   mend it"
    )
    log.write_text(f"INFO: noise\nValueError: an earlier one\nmore noise\n{error}\n")
    assert log_tail(log) == error
