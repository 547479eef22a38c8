"""A stand-in for `docker`: its containers are processes of this machine.

What it knows lies in the directory $FAKE_DOCKER: `images.json` (name -> id), `down` if no engine is
to answer, a file for each container, and `calls`, a line of JSON for each command.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

STATE = Path(os.environ["FAKE_DOCKER"])
FLAGS = ("--init", "--read-only", "--all", "--quiet", "--force")


def main(command: str, *words: str) -> int:
    """Do what the real one would."""
    with (STATE / "calls").open("a") as calls:
        calls.write(json.dumps([command, *words]) + "\n")
    if (STATE / "down").exists():
        return fail("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")
    options, rest = parse(words)
    answers: dict[str, Callable[[], int]] = {
        "version": lambda: say("20.10.24"),
        "image": lambda: image(rest[-1]),
        "pull": lambda: fail(f"pull access denied for {rest[-1]}"),
        "run": lambda: run(options, *rest),
        "inspect": lambda: inspect(rest[0], dict(options)["--format"]),
        "ps": lambda: ps(dict(options)),
        "kill": lambda: kill(rest[0], dict(options)["--signal"]),
        "rm": lambda: remove(rest),
    }
    return answers[command]()


def image(name: str) -> int:
    """Say the id of an image."""
    known = images().get(name)
    return say(known) if known else fail(f"Error: No such image: {name}")


def run(options: list[tuple[str, str]], image: str, *arguments: str) -> int:
    """Start a process, wait for it, and write down how it ended."""
    named = dict(options)
    if image not in images().values():
        return fail("docker: Error response from daemon: No such image.", 125)
    environment = dict(value.split("=", 1) for key, value in options if key == "--env")
    entry = named["--entrypoint"].replace("python", sys.executable)
    process = subprocess.Popen(
        [entry, *arguments],
        env={**os.environ, **environment},
        cwd=named.get("--workdir", STATE),
        start_new_session=True,
    )
    state = {"Pid": process.pid, "ExitCode": 0, "OOMKilled": False, "Error": ""}
    labels = [value for key, value in options if key == "--label"]
    write(named["--name"], state, labels)
    code = process.wait()
    code = 128 - code if code < 0 else code
    ended = {"Pid": 0, "ExitCode": code, "OOMKilled": code == 137 and "--memory" in named}
    if (STATE / named["--name"]).exists():
        write(named["--name"], state | ended, labels)
    return code


def inspect(name: str, format_: str) -> int:
    """Say what is known of a container."""
    if not (STATE / name).exists():
        return fail(f"Error: No such object: {name}")
    state = json.loads((STATE / name).read_text())["state"]
    return say(str(state["Pid"]) if "Pid" in format_ else json.dumps(state))


def ps(options: dict[str, str]) -> int:
    """List containers that have a label."""
    label = options["--filter"].removeprefix("label=")
    for file in STATE.glob("lockstep-*"):
        labels = json.loads(file.read_text())["labels"]
        if label in labels:
            runs = [x.removeprefix("lockstep.run=") for x in labels if "lockstep.run" in x]
            say(runs[0] if "--format" in options else file.name)
    return 0


def kill(name: str, number: str) -> int:
    """Signal a container's processes."""
    if not (STATE / name).exists():
        return fail(f"Error: No such container: {name}")
    pid = json.loads((STATE / name).read_text())["state"]["Pid"]
    if pid:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.Signals[number])
    return 0


def remove(names: list[str]) -> int:
    """End containers, and forget them."""
    for name in names:
        kill(name, "SIGKILL")
        (STATE / name).unlink(missing_ok=True)
    return 0


def parse(words: tuple[str, ...]) -> tuple[list[tuple[str, str]], list[str]]:
    """Take options apart from what they are for."""
    options: list[tuple[str, str]] = []
    rest = list(words)
    if rest and rest[0] == "inspect":  # docker image inspect
        rest.pop(0)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        options.append((option, "" if option in FLAGS else rest.pop(0)))
    return options, rest


def images() -> dict[str, str]:
    """The images that are here."""
    found: dict[str, str] = json.loads((STATE / "images.json").read_text())
    return found


def write(name: str, state: dict[str, Any], labels: list[str]) -> None:
    """Note a container, whole or not at all."""
    aside = STATE / f".{name}"
    aside.write_text(json.dumps({"state": state, "labels": labels}))
    aside.replace(STATE / name)


def say(line: str) -> int:
    """Print an answer."""
    print(line)  # noqa: T201 - what a command is for
    return 0


def fail(message: str, code: int = 1) -> int:
    """Print what is wrong."""
    print(message, file=sys.stderr)  # noqa: T201 - what a command is for
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
