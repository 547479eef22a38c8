"""What the packages of `lockstep contract client` ask with: `lockstep.serving.client`, typed."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from typing_extensions import Self, TypedDict, Unpack

from ...client import AsyncClient, Client, Predictions, Retry
from .typed import TypedInstance, TypedPrediction

if TYPE_CHECKING:
    from ...client.call import AsyncTransport, Transport
    from ...prediction_log import PredictionLog
    from ..model import Contract

__all__ = ["AsyncTypedClient", "Options", "TypedClient", "TypedPredictions"]

I = TypeVar("I", bound=TypedInstance)  # noqa: E741 - the instance
P = TypeVar("P", bound=TypedPrediction)


class Options(TypedDict, total=False):
    """What `lockstep.serving.client.Client` may be told."""

    version: int | None
    label: str | None
    timeout: float
    retry: Retry
    log: "PredictionLog | None"
    arm: str
    headers: Mapping[str, str]


class TypedPredictions(list[P]):
    """The answers in the order of the instances, with what outcomes are joined by."""

    ids: Sequence[str] = ()
    """One for each prediction."""
    version: int | None = None
    """The version that answered; REST does not tell unless it was asked for by number."""


class _Typed(Generic[I, P]):
    """What both clients have in common; a generated package fills in the class attributes."""

    package: str
    prediction: type[P]

    @classmethod
    def contract(cls) -> "Contract":
        """The contract that the package was made of."""
        return _contract(cls.package)

    def _rows(self, instances: Sequence[I]) -> list[dict[str, Any]]:
        return [instance.as_instance() for instance in instances]

    def _typed(self, answers: Predictions) -> TypedPredictions[P]:
        typed = TypedPredictions(self.prediction.model_validate(answer) for answer in answers)
        typed.ids, typed.version = answers.ids, answers.version
        return typed


class TypedClient(_Typed[I, P]):
    """A model on a server; threads may share it.

    Args:
        target: `http://host:8501` or `https://` for REST; `grpc://host:8500` or `grpcs://`.
        transport: How bytes get there, if not as the target says.
        options: As of `lockstep.serving.client.Client`: version or label, timeout, retry, log,
            arm, headers.
    """

    def __init__(
        self, target: str, *, transport: "Transport | None" = None, **options: Unpack[Options]
    ) -> None:
        """Make a client; nothing is sent before the first request."""
        contract = self.contract()
        self.client = Client(
            target, contract.model, contract=contract, transport=transport, **options
        )

    def predict(self, instances: Sequence[I]) -> TypedPredictions[P]:
        """Ask about instances; one prediction each, in the same order.

        Raises:
            PredictionFailed: the server did not answer as asked.
        """
        if not instances:
            return TypedPredictions()
        return self._typed(self.client.predict_rows(self._rows(instances)))

    def predict_one(self, instance: I) -> P:
        """Ask about one instance.

        Raises:
            PredictionFailed: the server did not answer as asked.
        """
        return self.predict([instance])[0]

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def __enter__(self) -> Self:
        """Nothing more: connections are made when they are needed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()


class AsyncTypedClient(_Typed[I, P]):
    """A model on a server, for asyncio; tasks may share it.

    Args:
        target: `http://host:8501` or `https://` for REST; `grpc://host:8500` or `grpcs://`.
        transport: How bytes get there, if not as the target says.
        options: As of `lockstep.serving.client.AsyncClient`: version or label, timeout, retry,
            log, arm, headers.
    """

    def __init__(
        self, target: str, *, transport: "AsyncTransport | None" = None, **options: Unpack[Options]
    ) -> None:
        """Make a client; nothing is sent before the first request."""
        contract = self.contract()
        self.client = AsyncClient(
            target, contract.model, contract=contract, transport=transport, **options
        )

    async def predict(self, instances: Sequence[I]) -> TypedPredictions[P]:
        """Ask about instances; one prediction each, in the same order.

        Raises:
            PredictionFailed: the server did not answer as asked.
        """
        if not instances:
            return TypedPredictions()
        return self._typed(await self.client.predict_rows(self._rows(instances)))

    async def predict_one(self, instance: I) -> P:
        """Ask about one instance.

        Raises:
            PredictionFailed: the server did not answer as asked.
        """
        return (await self.predict([instance]))[0]

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()

    async def __aenter__(self) -> Self:
        """Nothing more: connections are made when they are needed."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()


@cache
def _contract(package: str) -> "Contract":
    from ..file import loads

    return loads((files(package) / "contract.json").read_bytes(), f"{package}/contract.json").value
