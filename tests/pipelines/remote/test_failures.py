"""How a server's failures are told apart, and which are tried again."""

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from lockstep.pipelines.errors import (
    BadRequest,
    BrokenService,
    Conflict,
    MalformedAnswer,
    NotAuthenticated,
    NotAuthorized,
    NotFound,
    NotTrusted,
    Overloaded,
    ServiceError,
    Unreachable,
)
from lockstep.pipelines.remote.failures import failure, persist
from lockstep.pipelines.remote.kubeflow import Kubeflow
from lockstep.pipelines.remote.labels import LONGEST, commit_of, dump_labels, load_labels
from lockstep.pipelines.remote.service import Submission
from lockstep.serving.errors import Exit

from .kfp_server import KfpServer

FIELDS = [
    "run_id", "display_name", "state", "state_history", "created_at", "finished_at", "description",
    "runtime_config", "parameters", "error", "message", "run_details", "task_details", "task_id",
    "start_time", "end_time", "child_tasks", "pod_name",
]  # fmt: skip
"""What a run, or something in it, has in API v2beta1."""


def _listed(kubeflow: Kubeflow) -> list[str]:
    return [run.id for run in kubeflow.newest(3)]


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, BadRequest, Exit.SERVICE_REFUSED),
        (401, NotAuthenticated, Exit.SERVICE_REFUSED),
        (403, NotAuthorized, Exit.SERVICE_REFUSED),
        (404, NotFound, Exit.SERVICE_REFUSED),
        (409, Conflict, Exit.SERVICE_REFUSED),
        (418, BadRequest, Exit.SERVICE_REFUSED),
        (429, Overloaded, Exit.SERVICE_UNAVAILABLE),
        (500, BrokenService, Exit.SERVICE_UNAVAILABLE),
        (503, BrokenService, Exit.SERVICE_UNAVAILABLE),
    ],
)
def test_each_status_is_an_error_of_its_own(
    server: KfpServer, status: int, error: type[ServiceError], code: Exit
) -> None:
    """Who asks in vain is told where, what was being done, and what the server says."""
    server.fail("GET", "/runs", times=99, status=status)
    kubeflow = Kubeflow(server.url, sleep=lambda seconds: None)
    with pytest.raises(error) as raised:
        _listed(kubeflow)
    assert type(raised.value) is error
    assert raised.value.exit_code is code
    assert f"{server.url}, while listing runs: {status} injected" in raised.value.given


@pytest.mark.parametrize("fault", [{"status": 429}, {"status": 502}, {"drop": True}])
def test_what_passes_is_waited_out(server: KfpServer, fault: dict[str, int]) -> None:
    """Reading is tried again, later and later."""
    waits: list[float] = []
    server.fail("GET", "/runs", times=3, **fault)
    assert _listed(Kubeflow(server.url, sleep=waits.append)) == []
    assert waits == sorted(waits)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_what_does_not_pass_is_not_asked_again(server: KfpServer, status: int) -> None:
    """A refusal is final."""
    server.fail("GET", "/runs", times=1, status=status)
    with pytest.raises(ServiceError):
        _listed(Kubeflow(server.url, sleep=lambda seconds: None))
    assert len(server.received) == 1


@pytest.mark.parametrize("answer", ["[]", "{", "3", '{"runs": 3}', '{"runs": ["x"]}', "nonsense"])
def test_an_answer_that_is_not_of_the_api_is_told_as_such(server: KfpServer, answer: str) -> None:
    """It names the server and shows what it said."""
    server.fail("GET", "/runs", times=99, body=answer)
    with pytest.raises(MalformedAnswer) as raised:
        _listed(Kubeflow(server.url, sleep=lambda seconds: None))
    assert server.url in raised.value.given
    assert "v2beta1" in raised.value.allowed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_run_is_so_odd_that_it_ends_in_a_traceback(run: dict[str, Any]) -> None:
    """It is read, or it is told that it is not of the API."""
    kubeflow = Kubeflow("http://127.0.0.1:1")
    with suppress(MalformedAnswer):
        assert isinstance(kubeflow.to_run(run).id, str)


@pytest.mark.parametrize("path", ["/pipelines$", "/upload_version", "/experiments$", "/runs$"])
def test_an_answer_without_an_id_is_not_of_the_api(
    server: KfpServer, submission: Submission, path: str
) -> None:
    """What has been added has an id; nothing is done with one that is not there."""
    server.fail("POST", path, body="{}")
    with pytest.raises(MalformedAnswer, match="while adding the"):
        Kubeflow(server.url, sleep=lambda seconds: None).submit(submission)


def test_a_page_in_place_of_an_answer_is_one_to_log_in_at(server: KfpServer) -> None:
    """A proxy that wants a session answers 200 with a page."""
    server.fail("GET", "/runs", body="<!doctype html><html>Log in</html>")
    with pytest.raises(NotAuthenticated, match="a web page, perhaps one to log in at"):
        _listed(Kubeflow(server.url))


def test_a_server_that_is_not_there_is_unreachable() -> None:
    """The message says what to do where the server is inside a cluster."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(Unreachable, match="Connection refused") as raised:
            _listed(Kubeflow(url, sleep=lambda seconds: None))
    assert "kubectl port-forward" in raised.value.todo


def test_a_server_that_does_not_answer_in_time_is_unreachable(
    server: KfpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for without end."""
    monkeypatch.setattr("lockstep.pipelines.remote.kubeflow_api._TIMEOUT", (1.0, 0.02))
    server.fail("GET", "/runs", times=99, delay=0.5)
    with pytest.raises(Unreachable, match="timed out"):
        _listed(Kubeflow(server.url, sleep=lambda seconds: None))


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[KfpServer, Path]]:
    """Give a server with a certificate that nobody knows, and the certificate."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    tls = KfpServer(tls=lambda plain: context.wrap_socket(plain, server_side=True))
    with tls as serving:
        yield serving, certificate


def test_a_certificate_must_be_trusted(
    secure: tuple[KfpServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown one is an error, and is not tried again; SSL_CERT_FILE makes it known."""
    server, certificate = secure
    with pytest.raises(NotTrusted, match="cannot be trusted"):
        _listed(Kubeflow(server.url, sleep=lambda seconds: pytest.fail("tried again")))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert _listed(Kubeflow(server.url)) == []


def test_a_server_without_tls_is_told_as_such(server: KfpServer) -> None:
    """An address without a scheme means TLS, as for kfp; the message says how to do without."""
    with pytest.raises(NotTrusted, match="--host http://"):
        _listed(Kubeflow(server.url.removeprefix("http://")))


def test_a_token_of_the_environment_lets_in(
    server: KfpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kfp's own variable for a token made elsewhere."""
    server.token = "s3cret"
    with pytest.raises(NotAuthenticated):
        _listed(Kubeflow(server.url))
    monkeypatch.setenv("KFP_EXISTING_TOKEN", "s3cret")
    assert _listed(Kubeflow(server.url)) == []


def test_a_mounted_service_account_lets_in_and_its_token_may_change(
    server: KfpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Kubernetes renews the token in the file; it is read anew."""
    token = tmp_path / "token"
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token))
    kubeflow = Kubeflow(server.url)
    for secret in ("first", "second"):
        token.write_text(secret)
        server.token = secret
        assert _listed(kubeflow) == []


def test_a_session_that_expires_is_renewed_once(
    server: KfpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has been let in before logs in again; what never was does not try forever."""
    server.token = "one"
    monkeypatch.setenv("KFP_EXISTING_TOKEN", "one")
    kubeflow = Kubeflow(server.url)
    assert _listed(kubeflow) == []
    server.token = "two"
    monkeypatch.setenv("KFP_EXISTING_TOKEN", "two")
    assert _listed(kubeflow) == []
    server.token = "three"
    with pytest.raises(NotAuthenticated):
        _listed(kubeflow)


def test_kfp_s_cookie_and_namespace_are_used(server: KfpServer, tmp_path: Path) -> None:
    """What `~/.config/kfp/context.json` says holds for lockstep, too; and no secret is shown."""
    server.cookie = "session=s3cret"
    context = tmp_path / ".config" / "kfp" / "context.json"
    context.parent.mkdir(parents=True)
    context_json = {"namespace": "team-a", "client_authentication_cookie": "session=s3cret"}
    context.write_text(json.dumps(context_json))
    command = [
        str(Path(sys.executable).with_name("lockstep")),
        "runs",
        "list",
        "--host",
        server.url,
    ]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "namespace=team-a" in server.received[-1].path
    server.cookie = "session=other"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == Exit.SERVICE_REFUSED
    assert "s3cret" not in done.stdout + done.stderr


def test_a_password_in_the_address_is_not_shown(submission: Submission) -> None:
    """Neither in errors nor in a run's URL."""
    kubeflow = Kubeflow("http://me:s3cret@127.0.0.1:1", sleep=lambda seconds: None)
    with pytest.raises(Unreachable) as raised:
        kubeflow.submit(submission)
    assert "s3cret" not in str(raised.value) + kubeflow.api.ui


def test_nothing_is_asked_twice_that_is_refused() -> None:
    """`persist` tries what passes five times and no more."""
    tries: list[int] = []

    def ask() -> None:
        tries.append(1)
        raise failure(503, "", "there", "asking")

    with pytest.raises(BrokenService):
        persist(ask, sleep=lambda seconds: None)
    assert len(tries) == 5


@settings(deadline=None)
@given(st.text(max_size=400))
def test_labels_fit_every_kubeflow(why: str) -> None:
    """Whatever the reason: what identifies the run is whole, and the whole has 255 characters."""
    labels = {"digest": "d" * 64, "commit": f"{'c' * 40}-dirty", "why": why}
    text = dump_labels(labels)
    assert len(text) <= LONGEST
    assert load_labels(text)["commit"] == labels["commit"]
    assert load_labels(text)["digest"] == labels["digest"]


@settings(deadline=None)
@given(st.text())
def test_any_description_can_be_read(text: str) -> None:
    """One that somebody else has written gives no labels, and never an error."""
    assert isinstance(load_labels(text), dict)


def test_the_commit_is_git_s(tmp_path: Path) -> None:
    """With a mark if files differ from it; none where there is no repository."""
    assert commit_of(tmp_path) == ""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y"]
    (tmp_path / "file").write_text("1")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "1"]):
        subprocess.run([*git, *arguments], check=True)
    commit = commit_of(tmp_path)
    assert len(commit) == 40
    (tmp_path / "file").write_text("2")
    assert commit_of(tmp_path) == f"{commit}-dirty"
