"""Google Cloud's REST APIs over httpx: who asks, how lists go on, what an error says."""

import time
from collections.abc import Callable, Generator, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from ..errors import MalformedAnswer, NotAuthenticated, Unreachable
from ..ir import Json
from .failures import failure, persist

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"


class GoogleAuth(httpx.Auth):
    """Google's credentials: those given, or the application default ones of this machine.

    They are looked for at the first request, and refreshed when they have expired or are refused.
    """

    def __init__(self, credentials: "Credentials | None" = None) -> None:
        """Take credentials, or None for `google.auth.default()`."""
        self._credentials = credentials

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put a valid token on the request; one that is refused is renewed once."""
        request.headers["Authorization"] = f"Bearer {self._token()}"
        response = yield request
        if response.status_code == 401:
            request.headers["Authorization"] = f"Bearer {self._token(renew=True)}"
            yield request

    def _token(self, renew: bool = False) -> str:
        import google.auth
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        tokens = "the server of Google's tokens"
        try:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[_SCOPE])
            if renew or not self._credentials.valid:
                self._credentials.refresh(Request())  # type: ignore[no-untyped-call]  # not said
        except TransportError as error:
            raise _unreachable(tokens, error) from error
        except (GoogleAuthError, AttributeError, ValueError) as error:  # a malformed key
            raise NotAuthenticated(
                given=f"no usable Google credentials: {error.args[0] if error.args else error}",
                allowed="application default credentials, as every Google library finds them",
                todo="gcloud auth application-default login; in CI, workload identity",
            ) from error
        return str(self._credentials.token)


class Rest:
    """One REST API: JSON in, JSON out, and a `ServiceError` for everything else."""

    def __init__(
        self,
        address: str,
        auth: httpx.Auth | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the API's address, such as `https://europe-west4-aiplatform.googleapis.com`."""
        self._where, self._auth, self._sleep = address, auth or GoogleAuth(), sleep

    @cached_property
    def _client(self) -> httpx.Client:
        """Made when first needed: reading the certificates of this machine takes its time."""
        return httpx.Client(base_url=self._where, auth=self._auth, timeout=60)

    def send(
        self, method: str, path: str, body: Json | None = None, *, doing: str, twice: bool
    ) -> Json:
        """Send one request; `twice` says that it does no harm to send it again.

        Then it is, for a while, as long as it is not answered or answered by 429 or 5xx.
        """

        def ask() -> Json:
            return self._ask(method, path, body, doing)

        return persist(ask, sleep=self._sleep) if twice else ask()

    def get(self, path: str, doing: str) -> Json:
        """Ask for something; nothing is changed."""
        return self.send("GET", path, doing=doing, twice=True)

    def pages(self, path: str, key: str, doing: str, size: int = 100) -> Iterator[Json]:
        """Give the items of a list, page after page; `path` already has a query."""
        token = ""
        while True:
            answer = self.get(f"{path}&pageSize={size}{token}", doing)
            yield from answer.get(key, [])
            if not answer.get("nextPageToken"):
                return
            token = f"&pageToken={quote(answer['nextPageToken'], safe='')}"

    def _ask(self, method: str, path: str, body: Json | None, doing: str) -> Json:
        where = f"{self._where}, while {doing}"
        try:
            response = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise _unreachable(where, error) from error
        try:
            answer: Any = response.json() if response.content else {}
        except ValueError:
            answer = None
        if response.is_error:
            raise failure(response.status_code, _said(response, answer), self._where, doing)
        if not isinstance(answer, dict):
            raise MalformedAnswer(
                given=f"{where}: {response.status_code} with what is no JSON object",
                allowed="the JSON of Google's API",
                todo="check the address: a proxy or a login page may have answered",
            )
        return answer


def _said(response: httpx.Response, answer: Any) -> str:
    """What the service says of an error: the message in Google's form, or the status' name."""
    detail = answer.get("error") if isinstance(answer, dict) else None
    message = detail.get("message") if isinstance(detail, dict) else None
    return str(message or response.reason_phrase)


def _unreachable(where: str, error: Exception) -> Unreachable:
    return Unreachable(
        given=f"{where}: no answer: {str(error) or type(error).__name__}",
        allowed="an address that answers, with a certificate that this machine trusts",
        todo="check network, proxy, project and region, and try again",
    )
