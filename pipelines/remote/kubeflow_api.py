"""Kubeflow Pipelines' REST API (v2beta1) through kfp's own client: its credentials, our errors."""

import json
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from ..errors import MalformedAnswer, NotAuthenticated, NotTrusted, Unreachable
from ..ir import Json
from .failures import failure, persist
from .service import Request

API: Final = "/apis/v2beta1"

_TIMEOUT: Final = (10.0, 60.0)
"""Seconds to wait for a connection, and for an answer."""

_CONTEXT: Final = Path("~/.config/kfp/context.json")
"""Where kfp keeps what its users have told it: a namespace, a cookie, a header."""


@dataclass
class Api:
    """One server's API; it is connected to when it is first asked."""

    host: str
    namespace: str = ""
    sleep: Callable[[float], None] = time.sleep
    _client: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Settle what kfp would, so that plans are the same with and without a connection."""
        if "://" not in self.host:
            self.host = f"https://{self.host}"
        self.host = self.host.rstrip("/")
        self.namespace = self.namespace or _kfp_namespace()

    @property
    def shown(self) -> str:
        """The server's address without a password that may be in it."""
        return re.sub(r"//[^/@]*@", "//", self.host)

    @property
    def ui(self) -> str:
        """Where people look at runs."""
        return os.environ.get("KF_PIPELINES_UI_ENDPOINT", self.shown).rstrip("/")

    def read(self, doing: str, path: str, **query: str | int) -> Json:
        """Ask for something that asking does not change, again and again if need be."""
        given = {key: value for key, value in query.items() if value not in ("", None)}
        address = f"{API}{path}?{urlencode(given)}" if given else f"{API}{path}"
        return persist(lambda: self._json("GET", address, doing), sleep=self.sleep)

    def pages(self, doing: str, path: str, key: str, **query: str | int) -> Iterator[Json]:
        """List everything under `key`, page after page."""
        token = ""
        while True:
            page = self.read(doing, path, page_token=token, **query)
            yield from self._list(page, key, doing)
            token = page.get("next_page_token", "")
            if not token:
                return

    def find(self, doing: str, path: str, key: str, name: str, **query: str) -> Json | None:
        """Look for the newest whose display name is `name`."""
        predicate = {"operation": "EQUALS", "key": "display_name", "string_value": name}
        page = self.read(
            doing,
            path,
            filter=json.dumps({"predicates": [predicate]}),
            sort_by="created_at desc",
            page_size=1,
            **query,
        )
        return next(iter(self._list(page, key, doing)), None)

    def send(self, request: Request, doing: str) -> Json:
        """Send a request once: whoever wants to repeat it must know that it can be."""
        return self._json(request.method, request.path, doing, request.body)

    def text(self, path: str, doing: str, tries: int = 5) -> str:
        """Read plain text, such as a log; `path` starts at the host."""
        return persist(lambda: self._call("GET", path, doing), tries=tries, sleep=self.sleep)

    def _list(self, page: Json, key: str, doing: str) -> list[Json]:
        found: Any = page.get(key) or []
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self.malformed(doing, json.dumps(page))
        return found

    def _json(self, method: str, path: str, doing: str, body: Json | str | None = None) -> Json:
        text = self._call(method, path, doing, body)
        try:
            answer: Any = json.loads(text or "{}")
        except ValueError as error:
            raise self.malformed(doing, text) from error
        if not isinstance(answer, dict):
            raise self.malformed(doing, text)
        return answer

    def _call(self, method: str, path: str, doing: str, body: Json | str | None = None) -> str:
        try:
            return self._ask(method, path, doing, body)
        except NotAuthenticated:
            if self._client is None:
                raise
        self._client = None  # what has let us in before has expired: log in again
        return self._ask(method, path, doing, body)

    def _ask(self, method: str, path: str, doing: str, body: Json | str | None) -> str:
        """Make one request with kfp's client, and tell its failures apart."""
        from kfp_server_api.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            client = self._client or _connect(self.host, self.namespace)
            text = _exchange(client, method, path, body)
        except ApiException as error:
            raise failure(error.status or 0, _message(error.body), self.shown, doing) from error
        except (HTTPError, OSError) as error:
            raise _unanswered(error, self.shown, doing) from error
        except UnicodeDecodeError as error:
            raise self.malformed(doing, str(error)) from error
        if re.match(r"\s*<(!doctype )?html", text, re.IGNORECASE):
            raise NotAuthenticated(
                given=f"{self.shown}, while {doing}: a web page, perhaps one to log in at",
                allowed="the address of the API, and credentials that it takes",
                todo="check --host, and see docs/submit.md, Authentication",
            )
        self._client = client
        return text

    def malformed(self, doing: str, text: str) -> MalformedAnswer:
        """The error for an answer that is not of the API."""
        return MalformedAnswer(
            given=f"{self.shown}, while {doing}, answers {text[:200]!r}",
            allowed="JSON of the API v2beta1",
            todo="check that --host is Kubeflow Pipelines 2, and what stands between",
        )


def _kfp_namespace() -> str:
    """The namespace that kfp has been told to use, if it has."""
    try:
        return str(json.loads(_CONTEXT.expanduser().read_text(encoding="utf-8"))["namespace"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _connect(host: str, namespace: str) -> Any:
    """Log in as kfp does: token, mounted service account, IAP, cookie (kfp's own settings)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        import kfp.client
        import kfp_server_api
        from google.auth.exceptions import GoogleAuthError

        class Client(kfp.client.Client):  # type: ignore[misc]  # kfp has no types
            def get_kfp_healthz(
                self, sleep_duration: int = 5
            ) -> kfp_server_api.V2beta1GetHealthzResponse:
                """Keep the constructor from asking the server: the namespace is settled."""
                return kfp_server_api.V2beta1GetHealthzResponse(multi_user=False)

            def connection(self) -> Any:
                """What all of its services send their requests through."""
                return self._run_api.api_client

        mounted = Path(
            os.environ.get(kfp.client.KF_PIPELINES_SA_TOKEN_ENV)
            or kfp.client.KF_PIPELINES_SA_TOKEN_PATH
        )
        try:
            client = Client(
                host=host,
                namespace=namespace or "kubeflow",
                existing_token=os.environ.get("KFP_EXISTING_TOKEN"),
                credentials=kfp.client.ServiceAccountTokenVolumeCredentials(str(mounted))
                if mounted.exists()
                else None,
                ssl_ca_cert=os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE"),
            )
        except GoogleAuthError as error:
            raise NotAuthenticated(
                given=f"google-auth gives no token: {error}",
                allowed="application default credentials that the server knows",
                todo="gcloud auth application-default login, or KFP_EXISTING_TOKEN",
            ) from error
    return client.connection()


def _exchange(client: Any, method: str, path: str, body: Json | str | None) -> str:
    """Send what is given and nothing else; a text is uploaded as a pipeline's file."""
    form = [("uploadfile", ("pipeline.yaml", body, "application/x-yaml"))]
    uploads = isinstance(body, str)
    before = getattr(client, "last_response", None)
    try:
        client.call_api(
            path,
            method,
            header_params={
                "Accept": "application/json",
                "Content-Type": "multipart/form-data" if uploads else "application/json",
            },
            body=None if uploads else body,
            post_params=form if uploads else None,
            auth_settings=["Bearer"],
            _request_timeout=_TIMEOUT,
        )
    except UnicodeDecodeError:
        if getattr(client, "last_response", None) is before:
            raise
    data: bytes | str = client.last_response.data
    return data.decode(errors="replace") if isinstance(data, bytes) else data


def _message(body: str | None) -> str:
    """What a server says of an error, in Kubeflow's two formats or in none."""
    try:
        said: Any = json.loads(body or "")
        text = said.get("message") or said.get("error_message") or said.get("error")
    except (ValueError, AttributeError):
        text = body
    return " ".join(str(text or "").split())[:500]


def _unanswered(error: Exception, where: str, doing: str) -> Unreachable | NotTrusted:
    from urllib3.exceptions import MaxRetryError, SSLError

    reason = (isinstance(error, MaxRetryError) and error.reason) or error
    words = str(reason).rpartition(": ")[2]
    if isinstance(reason, SSLError):
        return NotTrusted(
            given=f"{where}, while {doing}, cannot be trusted: {words}",
            allowed="TLS with a certificate of an authority that this machine knows",
            todo="name the authority's file in SSL_CERT_FILE; without TLS: --host http://...",
        )
    return Unreachable(
        given=f"{where} cannot be reached, while {doing}: {words}",
        allowed="the address of a Kubeflow Pipelines that answers",
        todo="check --host; for a server inside a cluster: "
        "kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888",
    )
