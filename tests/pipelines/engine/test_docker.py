"""What a container is given, and how its end is read: without a Docker engine."""

import csv
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lockstep.pipelines.engine.cgroup import Meter, cpu_of, group_of, memory_of
from lockstep.pipelines.engine.docker import Docker, Room, check_visible, command_line, ended
from lockstep.pipelines.engine.launch import Step
from lockstep.pipelines.errors import BadParameter

ROOM = Room("taxi-1", Path("/srv/.lockstep"), Path("/srv"), user="1000:1000", engine="e1")
STEP = Step(
    "lockstep.components",
    ("pusher", "--executor_input", "{}"),
    {"MODE": "quick"},
    Path("/srv"),
    Path("/srv/.lockstep/runs/taxi-1/pusher/log.txt"),
    memory=10**9,
    scratch=Path("/scratch"),
    image="sha256:abc",
    cpu="500m",
)


def test_a_step_is_one_docker_run() -> None:
    """The caller's user, its places, read-only but where it writes, its limits; by digest."""
    assert command_line(STEP, ROOM, "lockstep-1") == [
        *("docker", "run", "--init", "--name", "lockstep-1", "--log-driver", "none"),
        *("--user", "1000:1000", "--security-opt", "no-new-privileges"),
        *("--tmpfs", "/tmp:exec,mode=1777", "--read-only", "--workdir", "/srv"),
        *("--label", "lockstep.run=taxi-1", "--label", "lockstep.root=/srv/.lockstep"),
        *("--label", "lockstep.engine=e1"),
        *("--mount", "type=bind,source=/srv,target=/srv,readonly"),
        *("--mount", "type=bind,source=/srv/.lockstep,target=/srv/.lockstep"),
        *("--mount", "type=bind,source=/scratch,target=/scratch"),
        *("--env", "TMPDIR=/scratch", "--env", "HOME=/scratch", "--env", "MODE=quick"),
        *("--memory", "1000000000", "--memory-swap", "1000000000", "--cpus", "0.5"),
        *("--entrypoint", "python", "sha256:abc"),
        *("-m", "lockstep.components", "pusher", "--executor_input", "{}"),
    ]


def test_another_image_keeps_its_own_ways() -> None:
    """It starts in its own directory and may write there, as on Kubeflow; no limit, no option."""
    step = replace(STEP, module="", arguments=("sh", "-c", "ls"), memory=None, cpu="")
    line = command_line(step, ROOM, "lockstep-1")
    assert line[-5:] == ["--entrypoint", "sh", "sha256:abc", "-c", "ls"]
    assert not {"--workdir", "--read-only", "--memory", "--cpus", "--network"} & set(line)


def test_what_kubernetes_would_bring_is_lent_by_this_machine() -> None:
    """A variable by name, so that its value shows nowhere; a path as it is here."""
    step = replace(STEP, borrowed=("TOKEN",), places=("/mnt/claim",))
    line = command_line(step, ROOM, "lockstep-1")
    assert ("--env", "TOKEN") in pairwise(line)
    assert ("--mount", "type=bind,source=/mnt/claim,target=/mnt/claim") in pairwise(line)


def test_volumes_and_network_are_as_the_caller_says() -> None:
    """A volume is read-only unless it says otherwise; even the project may be written to."""
    docker = Docker(("/data", "/models:rw", "/srv:rw"), network="none")
    line = command_line(STEP, replace(ROOM, docker=docker), "lockstep-1")
    mounts = [value for option, value in pairwise(line) if option == "--mount"]
    assert "type=bind,source=/data,target=/data,readonly" in mounts
    assert "type=bind,source=/models,target=/models" in mounts
    assert "type=bind,source=/srv,target=/srv" in mounts
    assert line[line.index("--network") + 1] == "none"


@given(
    text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    name=st.text(
        st.characters(exclude_characters="/\0\r\n", exclude_categories=["Cs"]), min_size=1
    ),
)
def test_no_text_is_more_than_one_word(text: str, name: str) -> None:
    """Values and paths with spaces, commas or quotes arrive as they are; values on lines, too."""
    step = replace(STEP, arguments=("shout", text), environment={"TEXT": text})
    line = command_line(step, replace(ROOM, project=Path("/p") / name), "lockstep-1")
    assert line[-2:] == ["shout", text]
    assert line[line.index("HOME=/scratch") + 2] == f"TEXT={text}"
    (mount,) = csv.reader([line[line.index("--mount") + 1]], strict=True)
    assert mount[1] == f"source={Path('/p') / name}"


@pytest.mark.parametrize(
    ("client", "state", "words"),
    [
        (0, {"ExitCode": 0}, "exit code 0"),
        (7, {"ExitCode": 7}, "exit code 7"),
        (137, {"ExitCode": 137}, "killed by SIGKILL, as when memory runs out: it held 5 MiB"),
        (143, {"ExitCode": 143}, "killed by SIGTERM"),
        (137, {"ExitCode": 137, "OOMKilled": True}, "stopped by its memory limit: it held 5 MiB"),
        (0, {"ExitCode": 0, "OOMKilled": True}, "exit code 0"),
        (127, {"ExitCode": 127, "Error": "no such file"}, "Docker could not start it, or has lost"),
        (125, None, "Docker could not start it, or has lost"),
        (0, None, "Docker could not start it, or has lost"),
    ],
)
def test_an_end_is_told_in_words(client: int, state: Any, words: str) -> None:
    """Signals stand below zero; that Docker itself has failed is no success."""
    whole = state and {"OOMKilled": False, "Error": "", **state}
    end = ended(client, whole, 1.0, Meter(int, cpu=2.0, peak_memory=5 * 2**20))
    assert str(end).startswith(words)
    assert bool(end.code) == (str(end) != "exit code 0")


def test_what_no_container_would_see_is_refused(tmp_path: Path) -> None:
    """A path that is here but not there; the error says how to mount it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "project").mkdir()
    room = Room("", tmp_path / "root", tmp_path / "project")
    data, store = str(tmp_path / "data"), str(tmp_path / "models")
    fine = {"a": "gs://bucket", "b": "data", "c": 3, "d": "/nowhere", "e": f"{room.root}/models"}
    check_visible(fine, room)
    for hidden in (data, store):
        with pytest.raises(BadParameter, match=f"--volume {hidden}") as error:
            check_visible({"place": hidden}, room)
        assert "the parameter place is" in error.value.given
    mounted = replace(room, docker=Docker((data, f"{tmp_path}:rw")))
    check_visible({"data": data, "store": store}, mounted)
    with pytest.raises(BadParameter, match="no such file or directory"):
        check_visible({}, replace(room, docker=Docker((store,))))


V1 = "9:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/docker/x\n"


@pytest.mark.parametrize(
    ("lines", "files"),
    [
        (V1, {"cpuacct/docker/x/cpuacct.usage": "1500000000"}),
        ("0::/docker/x\n", {"docker/x/cpu.stat": "usage_usec 1500000\nuser_usec 9\n"}),
    ],
)
def test_use_is_read_from_either_version_of_control_groups(
    tmp_path: Path, lines: str, files: dict[str, str]
) -> None:
    """Processor time, and memory without what was read from files."""
    memory = "memory/docker/x" if lines == V1 else "docker/x"
    stat = "cache 7\ntotal_rss 4096\n" if lines == V1 else "anon 4096\nfile 7\n"
    files = {**files, f"{memory}/memory.stat": stat}
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    (tmp_path / "proc/77").mkdir(parents=True)
    (tmp_path / "proc/77/cgroup").write_text(lines)
    groups = group_of(77, tmp_path / "proc", tmp_path / "groups")
    assert (cpu_of(groups), memory_of(groups)) == (1.5, 4096)


def test_an_engine_elsewhere_is_not_measured(tmp_path: Path) -> None:
    """Its processes are not on this machine: nothing is known, and nothing fails."""
    groups = group_of(77, tmp_path, tmp_path)
    assert (groups, cpu_of(groups), memory_of(groups)) == ({}, 0.0, 0)
