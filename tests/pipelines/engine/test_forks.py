"""Steps as forks of a warm template."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.components.catalogue import WARM
from lockstep.pipelines.engine.forks import Forks, Template
from lockstep.pipelines.engine.launch import Step, Stopped

PROGRAM = """
import os, random, sys, time
print("ran", sys.argv[1:], os.environ.get("COLOUR"), os.getcwd(), __name__, flush=True)
what = sys.argv[1]
if what == "sleep":
    time.sleep(60)
if what == "random":
    print("drew", random.random())
if what == "crash":
    os.kill(os.getpid(), 9)
if what == "raise":
    raise ValueError("no such thing")
if what == "pid":
    print("pid", os.getpid(), flush=True)
    time.sleep(60)
sys.exit(3 if what == "fail" else 0)
"""

LOOK = """
import sys, threading
from tensorflow.python.eager import context
import tensorflow_model_analysis, tfx.components.trainer.component
assert context._context is None or not context._context._initialized, "an operation has run"
assert threading.active_count() == 1, threading.enumerate()
import tensorflow as tf
assert int(tf.reduce_sum(tf.ones(3))) == 3
"""


@pytest.fixture
def template() -> Iterator[Template]:
    """A template that imports next to nothing."""
    made = Template("json", {})
    yield made
    made.close()


def step(directory: Path, *arguments: str, timeout: float | None = None) -> Step:
    """A step that runs PROGRAM."""
    (directory / "program.py").write_text(PROGRAM)
    log = directory / "log.txt"
    return Step("program", arguments, {"COLOUR": "red"}, directory, log, timeout)


def test_a_fork_is_like_python_m(template: Template, tmp_path: Path) -> None:
    """A step sees its arguments, environment and directory, and what it prints is in its log."""
    ended = template.run(step(tmp_path, "fail", "x"))
    assert ended.code == 3
    assert ended.peak_memory > 0
    log = (tmp_path / "log.txt").read_text()
    assert log == f"ran ['fail', 'x'] red {tmp_path} __main__\n"


def test_a_crash_is_the_steps_own(template: Template, tmp_path: Path) -> None:
    """A step that is killed, or raises, fails with its log; the next one runs."""
    assert template.run(step(tmp_path, "crash")).code == -signal.SIGKILL
    assert template.run(step(tmp_path, "raise")).code == 1
    assert "ValueError: no such thing" in (tmp_path / "log.txt").read_text()
    assert template.run(step(tmp_path, "nothing")).code == 0


def test_forks_draw_different_random_numbers(template: Template, tmp_path: Path) -> None:
    """Two forks of one template do not share the state of its random numbers."""
    for _ in range(2):
        template.run(step(tmp_path, "random"))
    drawn = [x for x in (tmp_path / "log.txt").read_text().splitlines() if "drew" in x]
    assert len(set(drawn)) == 2


def test_a_timeout_ends_the_step(template: Template, tmp_path: Path) -> None:
    """A step that takes longer than its timeout is killed, and says so."""
    ended = template.run(step(tmp_path, "sleep", timeout=0.3))
    assert ended.breach == "timeout"
    assert ended.seconds < 10


def test_stop_ends_running_steps_and_starts_no_more(template: Template, tmp_path: Path) -> None:
    """After `stop` the running step is gone, and another is refused."""
    codes: list[int] = []
    runner = threading.Thread(
        target=lambda: codes.append(template.run(step(tmp_path, "sleep")).code)
    )
    runner.start()
    _wait_for(lambda: "ran" in _text(tmp_path / "log.txt"))
    template.stop(grace=5)
    runner.join(10)
    assert codes == [-signal.SIGTERM]
    with pytest.raises(Stopped):
        template.run(step(tmp_path, "nothing"))


def test_a_template_that_dies_fails_its_steps_and_is_replaced(tmp_path: Path) -> None:
    """Kill the template: its step ends as killed, and the next step gets a new template."""
    forks = Forks()
    first = forks._template("kfp.dsl.executor_main")  # pyright: ignore[reportPrivateUsage]  # the seam under test
    codes: list[int] = []
    runner = threading.Thread(target=lambda: codes.append(first.run(step(tmp_path, "pid")).code))
    runner.start()
    _wait_for(lambda: "pid" in _text(tmp_path / "log.txt").partition("ran")[2])
    first._process.kill()  # pyright: ignore[reportPrivateUsage]  # as the kernel would
    runner.join(10)
    assert codes == [-signal.SIGKILL]
    pid = int((tmp_path / "log.txt").read_text().rpartition("pid ")[2])
    _wait_for(lambda: not _lives(pid))
    again = forks._template("kfp.dsl.executor_main")  # pyright: ignore[reportPrivateUsage]  # the seam under test
    assert again is not first
    assert again.run(step(tmp_path, "nothing")).code == 0
    forks.close()


def test_nothing_outlives_an_engine_that_is_killed(tmp_path: Path) -> None:
    """Kill -9 of the engine ends the template and its steps."""
    (tmp_path / "program.py").write_text(PROGRAM)
    engine = tmp_path / "engine.py"
    engine.write_text(
        "from pathlib import Path\n"
        "from lockstep.pipelines.engine.forks import Template\n"
        "from lockstep.pipelines.engine.launch import Step\n"
        f"at = Path({str(tmp_path)!r})\n"
        "Template('json', {}).run(Step('program', ('pid',), {}, at, at / 'log.txt'))\n"
    )
    process = subprocess.Popen([sys.executable, str(engine)])
    _wait_for(lambda: "pid " in _text(tmp_path / "log.txt"))
    pid = int((tmp_path / "log.txt").read_text().rpartition("pid ")[2])
    process.kill()
    process.wait()
    _wait_for(lambda: not _lives(pid))
    assert not _lives(pid)


def test_a_template_that_still_imports_ends_with_its_engine(tmp_path: Path) -> None:
    """It does not look at its socket for seconds then."""
    (tmp_path / "slow.py").write_text(
        "import os, time\nopen('pid', 'w').write(f'{os.getpid()}\\n')\ntime.sleep(60)\n"
    )
    engine = (
        "import time\nfrom lockstep.pipelines.engine.forks import Template\n"
        "Template('slow', {})\ntime.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", engine], cwd=tmp_path)
    _wait_for(lambda: _text(tmp_path / "pid").endswith("\n"))
    pid = int(_text(tmp_path / "pid"))
    assert _lives(pid)
    process.kill()
    process.wait()
    _wait_for(lambda: not _lives(pid))


def test_a_template_outlives_the_thread_that_has_started_it(tmp_path: Path) -> None:
    """Only the end of the process ends it."""
    made: list[Template] = []
    starter = threading.Thread(target=lambda: made.append(Template("json", {})))
    starter.start()
    starter.join()
    time.sleep(0.3)
    assert made[0].run(step(tmp_path, "nothing")).code == 0
    made[0].close()


def test_the_warm_template_has_run_nothing(tmp_path: Path) -> None:
    """A fork of the components' template finds TFX imported, no operation run and no thread."""
    (tmp_path / "look.py").write_text(LOOK)
    template = Template(WARM, {})
    ended = template.run(Step("look", (), {}, tmp_path, tmp_path / "log.txt"))
    template.close()
    assert ended.code == 0, _text(tmp_path / "log.txt")


def _wait_for(condition: object, seconds: float = 20) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")
