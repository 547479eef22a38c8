"""1.6 and what else needs a server of its own: versions, labels, starts, ends, full queues."""

import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

import pytest

from . import asking
from .case import Error, Rest
from .cases_config import (
    SCENARIOS,
    STARTS,
    Ask,
    Put,
    Reload,
    Scenario,
    Start,
    Write,
    answers,
    config,
    model,
    not_found,
)
from .compare import fits
from .conftest import Find
from .servers import Address, arguments, start, wait_until_ready
from .warm import Warm

SHOWN: Final = (
    "1.4 batching: joined",
    "1.4 batching: queue full",
    "1.6 nothing there",
    "1.6 invalid config on poll",
    "1.6 empty config",
    "1.6 SIGTERM",
    "1.6 warmup off",
)
"""The facts that the functions of this file show, beside the tables."""

PATIENCE: Final = 15.0
"""Seconds within which a server has noticed what happened to its files."""


def put(step: Put, base: Path, models: Path) -> None:
    """Copy a model aside, then rename it into place; in an incomplete one, add what it lacks."""
    aside = base.parent / f"{base.name}-aside"
    shutil.copytree(models / step.model, aside, ignore=shutil.ignore_patterns(*step.without))
    if step.warmup:
        (aside / "assets.extra").mkdir()
        shutil.copy(
            models / "warmups" / step.warmup, aside / "assets.extra" / "tf_serving_warmup_requests"
        )
    target = base / step.path
    if target.exists():  # complete it, the graph last, as a slow copy does
        shutil.copytree(aside, target, ignore=shutil.ignore_patterns("*.pb"), dirs_exist_ok=True)
        for file in aside.glob("*.pb"):
            shutil.copy(file, target / file.name)
        shutil.rmtree(aside)
    else:
        aside.rename(target)


def write(step: Write, base: Path) -> None:
    """Write a file, or make a directory."""
    path = base / step.path
    if step.path.endswith("/"):
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(step.data)


def reload(step: Reload, address: Address, base: Path) -> None:
    """Send a configuration, and look at what the server says of it."""
    request = f"config {{ {step.config.replace('DIR', str(base))} }}"
    with asking.channel(address) as channel:
        code, given = asking.call(channel, "ModelService/HandleReloadConfigRequest", request)
    assert code == step.code, f"{request}\n  got {code} {given}"
    if code == "OK":
        assert given.HasField("status")
        assert given.status.error_code == 0
    if isinstance(step.answer, Error):
        assert step.answer.fits(given), f"expected {step.answer}\n  got {given}"


def ask(step: Ask, address: Address, seconds: float = PATIENCE) -> None:
    """Ask until the answer is as expected; then it stays so for a second, if it is to stay."""
    deadline = time.monotonic() + seconds
    while problem := _problem(step.case, address):
        assert time.monotonic() < deadline, problem
        time.sleep(0.05)
    deadline = time.monotonic() + (1.5 if step.stays else 0)
    while time.monotonic() < deadline:
        assert not (problem := _problem(step.case, address)), problem
        time.sleep(0.05)


def _problem(case: Rest, address: Address) -> str:
    try:
        reply = asking.send(address, case)
    except (OSError, HTTPException) as error:
        return f"{case.request}: {error!r}"
    problem = asking.wrong(case, reply)
    got = f"got {reply.status} {reply.body[:600]!r}"
    return problem and f"{case.request}\n  {problem}\n  {got}"


def renamed(value: Any, name: str) -> Any:
    """A step about another model than m: a server remembers the versions of each name."""
    if isinstance(value, str):
        return re.sub(r"\bm\b", name, value)
    if is_dataclass(value) and not isinstance(value, type | Put | Write):
        changed = {one.name: renamed(getattr(value, one.name), name) for one in fields(value)}
        return replace(value, **changed)
    return value


def play(steps: Sequence[Any], address: Address, base: Path, models: Path, name: str = "m") -> None:
    """Do one step after the other."""
    for written in steps:
        step = renamed(written, name)
        match step:
            case Put():
                put(step, base, models)
            case Write():
                write(step, base)
            case Reload():
                reload(step, address, base)
            case _:
                ask(step, address)


@pytest.mark.parametrize(
    "scenario", [pytest.param(s, id=f"{s.fact} {n}") for n, s in enumerate(SCENARIOS)]
)
def test_versions_and_labels(
    scenario: Scenario, find: Find, ours: bool, directory: Path, tmp_path: Path
) -> None:
    """Versions come and go, and labels move, as TF Serving has it, or better."""
    address, name = find("empty"), f"m{SCENARIOS.index(scenario)}"
    base = tmp_path / "versions"
    base.mkdir()
    last = scenario.ours if ours else scenario.theirs
    try:
        play([*scenario.steps, *last], address, base, directory, name)
    finally:
        reload(Reload(config()), address, base)


@pytest.mark.parametrize(
    "case", [pytest.param(s, id=f"{s.fact} {n}") for n, s in enumerate(STARTS)]
)
def test_starts_that_fail(
    case: Start, command: Sequence[str], directory: Path, forks: Warm, tmp_path: Path
) -> None:
    """A server that cannot do what it is told ends with 255 and says why."""
    base = tmp_path / "m"
    base.mkdir()
    play(case.put, Address(0, 0), base, directory)
    (tmp_path / "config").write_text(case.config.replace("DIR", str(base)))
    flags = {
        name: value.replace("CONFIG", str(tmp_path / "config")).replace("DIR", str(base))
        for name, value in case.flags.items()
    }
    server = start(command, arguments(flags, str(base)), tmp_path / "log", forks)
    try:
        ended = server.process.wait(240)
    finally:
        server.stop()
    assert case.says in server.said(), server.said()[-3000:]
    assert ended == 255


def test_a_server_without_models_starts(find: Find) -> None:
    """1.6 empty config: it answers that there is no such model."""
    ask(Ask(not_found("Latest(m)")), find("empty"))


def test_a_warmup_file_is_not_read_if_told_so(find: Find) -> None:
    """1.6 warmup off: the model of this server has a warm-up file that would fail."""
    answer = {"predictions": [[14.0]]}
    case = Rest("", "POST /v1/models/t:predict", 200, answer, '{"instances":[[1,2,3]]}')
    ask(Ask(case), find("bare"))


def predicting(signature: str, instances: str) -> Rest:
    """A request for rows; its answer is not looked at."""
    body = f'{{"signature_name":"{signature}","instances":{instances}}}'
    return Rest("", "POST /v1/models/t:predict", 200, body=body)


def test_each_request_of_a_batch_gets_its_rows(find: Find) -> None:
    """1.4 batching: joined: requests that come together get their own rows, one or two each."""
    address = find("batching")

    def one(number: int) -> bool:
        rows = [float(number + i) for i in range(1 + number % 2)]
        reply = asking.send(address, predicting("ident", str(rows)))
        return fits({"predictions": rows}, reply.body)

    with ThreadPoolExecutor(4) as threads:  # more would not fit into the queue
        assert all(threads.map(one, range(64)))


def test_a_full_queue_is_unavailable(find: Find) -> None:
    """1.4 batching: queue full: what does not fit is 503, and all else is answered."""
    address = find("batching")
    slow = predicting("spin", str(4 * [10_000]))
    with ThreadPoolExecutor(12) as threads:
        replies = list(threads.map(lambda _: asking.send(address, slow), range(12)))
    statuses = [reply.status for reply in replies]
    assert set(statuses) == {200, 503}, statuses
    refusal = next(reply for reply in replies if reply.status == 503)
    assert refusal.body.startswith(b"{")
    ask(Ask(predicting("spin", "[1]")), address)


def test_what_is_not_there_is_waited_for(
    command: Sequence[str], ours: bool, directory: Path, forks: Warm, tmp_path: Path
) -> None:
    """1.6 nothing there, invalid config on poll, SIGTERM: a server's life, from waiting to end."""
    base, file = tmp_path / "m", tmp_path / "models.config"
    file.write_text(config(model("specific { versions: 1 }", base=str(base))))
    flags = {
        "model_config_file": str(file),
        "model_config_file_poll_wait_seconds": "1",
        "file_system_poll_wait_seconds": "1",
    }
    server = start(command, arguments(flags, ""), tmp_path / "log", forks)
    try:
        waits(server.address, server.process.poll)
        base.mkdir()
        waits(server.address, server.process.poll)
        put(Put("1", "constant/1"), base, directory)
        wait_until_ready(server, ["m"])
        ask(Ask(answers(1)), server.address)
        polled(file, base, directory, server.address)
        ends(server.address, server.process, ours)
    finally:
        server.stop()


def waits(address: Address, ended: Callable[[], int | None]) -> None:
    """It lives, and answers no prediction."""
    time.sleep(1.5)
    assert ended() is None
    problem = _problem(answers(1), address)
    assert problem


def polled(file: Path, base: Path, models: Path, address: Address) -> None:
    """A configuration that cannot be read changes nothing; the next one is taken."""
    good = file.read_text()
    for bad in ("model_config_list { config {", config(model(base="m6"))):
        file.write_text(bad)
        ask(Ask(answers(1), stays=True), address)
    put(Put("2", "constant/2"), base, models)
    file.write_text(good.replace("versions: 1", "versions: 2"))
    ask(Ask(answers(2)), address)


def ends(address: Address, process: Any, ours: bool) -> None:
    """After SIGTERM TF Serving is dead at once; ours answers what it has taken, and ends with 0."""
    slow = re.sub("instances.*]", 'instances":[0,0,0,0]', str(answers(2).body))
    replies: list[asking.Reply | Exception] = []

    def keep_asking() -> None:
        while process.poll() is None:
            try:
                replies.append(asking.send(address, Rest("", answers(2).request, 200, body=slow)))
            except (OSError, HTTPException) as error:
                if not isinstance(error, ConnectionRefusedError):
                    replies.append(error)

    thread = threading.Thread(target=keep_asking)
    thread.start()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    ended = process.wait(40)
    thread.join()
    if ours:
        assert ended == 0
        assert all(isinstance(r, asking.Reply) and r.status == 200 for r in replies), replies[-3:]
    else:
        assert ended == -signal.SIGTERM
