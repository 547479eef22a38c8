"""The mistakes a user can mend, and the exit codes they end in: the ground floor's tree."""

from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum
from functools import partial
from typing import Any


class Exit(IntEnum):
    """Exit codes of every `lockstep` command and of every step's process."""

    OK = 0
    """Done."""
    INTERNAL = 1
    """A defect of lockstep itself: the traceback says where."""
    USAGE = 2
    """A wrong option, argument or pipeline parameter."""
    DEFINITION = 3
    """The pipeline does not load, compile or pass the lint; or a contract's file is malformed."""
    STEP_FAILED = 4
    """A step of the run failed; its log says why."""
    NOT_BLESSED = 5
    """The run succeeded, but the model was not blessed: nothing was pushed."""
    STORE = 6
    """The model store refused: no such model, version or alias, or a conflict."""
    ENVIRONMENT = 7
    """This machine cannot do it: a full disk, a missing extra, another image's container."""
    DATA = 8
    """The data was refused: unreadable, empty, or anomalous against its schema."""
    SERVICE_UNAVAILABLE = 9
    """A pipeline service or model server gave no usable answer: the same may succeed later."""
    SERVICE_REFUSED = 10
    """A pipeline service or model server refused: credentials, permissions, or what it was sent."""
    CANCELLED = 11
    """The run was cancelled before it had ended."""
    CONTRACT = 12
    """The contract is broken: a finding at or above --fail-on, or a load test's service level."""
    ROLLED_BACK = 13
    """The new version does not answer as it has to: what was served before still is."""
    INTERRUPTED = 130
    """Stopped by SIGINT (Ctrl-C)."""


class LockstepError(Exception):
    """A mistake that its user can mend: what was given, what is allowed, what to do."""

    exit_code = Exit.INTERNAL

    def __init__(self, *, given: str, allowed: str, todo: str) -> None:
        """Keep the three parts apart, so that a terminal, a log and JSON can each show them."""
        super().__init__(given, allowed, todo)
        self.given, self.allowed, self.todo = given, allowed, todo

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a process of a pool hand the error to its parent."""
        return partial(type(self), given=self.given, allowed=self.allowed, todo=self.todo), ()

    def __str__(self) -> str:
        """Three lines: what was given, what is allowed, what to do."""
        return f"{self.given}\n  allowed: {self.allowed}\n  to do:   {self.todo}"


class StoreError(LockstepError):
    """The model store cannot do what was asked."""

    exit_code = Exit.STORE


class UnknownModel(StoreError):
    """The store has no model of this name."""


class UnknownVersion(StoreError):
    """The model has no live version of this number."""


class TakenVersion(StoreError):
    """The number that a push asks for belongs to another model."""


class UnknownAlias(StoreError):
    """No alias of the model has this name."""


class AliasConflict(StoreError):
    """The alias does not stand where the caller expected it: somebody else was faster."""


class BadName(StoreError):
    """A model, alias or paper has a name that the store's layout cannot hold."""


class BadModel(StoreError):
    """The directory to push is not a whole SavedModel."""


class BadPaper(StoreError):
    """A paper cannot be written, or would replace one that is already there."""


class CorruptRecord(StoreError):
    """The model's `lockstep.json` cannot be read; it is left as it is."""


class LostClaim(StoreError):
    """A push took so long that another one cleared it away."""


class UnreachableStore(StoreError):
    """No filesystem is installed here for the store's address."""

    exit_code = Exit.ENVIRONMENT


class BadContract(LockstepError):
    """A contract, or a file beside it, does not say what its format asks for."""

    exit_code = Exit.DEFINITION


class NothingToCompare(LockstepError):
    """The commit or the version that should have the other contract has none."""

    exit_code = Exit.DEFINITION


class UnknownRevision(LockstepError):
    """git is missing, this is no repository, or it has no such commit."""

    exit_code = Exit.DEFINITION


class UnknownEnvironment(LockstepError):
    """The file of environments has none of this name."""

    exit_code = Exit.DEFINITION


class BadModelConfig(LockstepError):
    """A models.config, or an overlay's, does not say what is to be served."""

    exit_code = Exit.DEFINITION


class RolloutFailed(LockstepError):
    """A step of a rollout failed."""

    exit_code = Exit.ROLLED_BACK


class RolledBack(RolloutFailed):
    """A step of a rollout failed, and everything is again as it was."""


class NotUndone(LockstepError):
    """A step of a rollout failed, and what was there before could not be brought back."""

    exit_code = Exit.SERVICE_UNAVAILABLE


class NothingToUndo(LockstepError):
    """No rollout is on record."""

    exit_code = Exit.USAGE


class MissingKustomize(LockstepError):
    """No kustomize is installed here that is new enough."""

    exit_code = Exit.ENVIRONMENT


class KustomizeFailed(LockstepError):
    """An overlay does not render."""

    exit_code = Exit.DEFINITION


class UnreachableCluster(LockstepError):
    """No Kubernetes cluster can be asked: no kubeconfig, no such context, or no answer."""

    exit_code = Exit.SERVICE_UNAVAILABLE


class ClusterRefused(LockstepError):
    """The cluster refuses an object: permissions, a webhook, or what it says."""

    exit_code = Exit.SERVICE_REFUSED


class BadSchema(LockstepError):
    """A file is no TFDV schema."""

    exit_code = Exit.DATA


class BadSample(LockstepError):
    """A file that should hold a sample of data does not, or holds no row."""

    exit_code = Exit.DATA


class UnreadableModel(LockstepError):
    """A directory holds no SavedModel whose signatures can be read."""

    exit_code = Exit.DATA


class ContractBroken(LockstepError):
    """A model's features or outputs are not those that its contract promises."""

    exit_code = Exit.CONTRACT


class MissingTensorFlow(LockstepError):
    """What was asked for runs a model, or writes one, and TensorFlow is not installed here."""

    exit_code = Exit.ENVIRONMENT


class MissingLibrary(LockstepError):
    """An optional library is not installed here."""

    exit_code = Exit.ENVIRONMENT


class BadInput(LockstepError):
    """What was given for a prediction is not what the model, or its contract, takes."""

    exit_code = Exit.DATA

    def __init__(self, *, given: str, allowed: str, todo: str, row: int | None = None) -> None:
        """Name the instance, too, counted from 0 as TF Serving does, if it is a certain one."""
        at = "" if row is None else f"instance {row}: "
        super().__init__(given=at + given, allowed=allowed, todo=todo)
        self.row = row


class BadTarget(LockstepError):
    """An address, a version or an option of a client that cannot be meant."""

    exit_code = Exit.USAGE


class PredictionFailed(LockstepError):
    """A model server did not answer as asked; `code` is gRPC's name of the reason."""

    exit_code = Exit.SERVICE_REFUSED

    def __init__(self, *, given: str, allowed: str, todo: str, code: str = "UNKNOWN") -> None:
        """Keep the code for programs."""
        super().__init__(given=given, allowed=allowed, todo=todo)
        self.code = code


class RequestRefused(PredictionFailed):
    """The model server understood the request and will not answer it."""


class NotServed(PredictionFailed):
    """The model server has no such model, version or label, or not yet."""


class ServerUnavailable(PredictionFailed):
    """The model server cannot be reached, or is overloaded; later it may answer."""

    exit_code = Exit.SERVICE_UNAVAILABLE


class DeadlinePassed(PredictionFailed):
    """There was no answer in time."""

    exit_code = Exit.SERVICE_UNAVAILABLE


class BadAnswer(PredictionFailed):
    """What came back is no answer of TF Serving's, or not what the contract promises."""

    exit_code = Exit.SERVICE_UNAVAILABLE


def one_of(names: Iterable[str], given: str) -> str:
    """The names that are allowed, the one that was perhaps meant first.

    >>> one_of(["taxi", "penguin"], "taxy")
    'did you mean taxi? There are: penguin, taxi'
    """
    known = sorted(names)
    near = get_close_matches(given, known, n=1)
    hint = f"did you mean {near[0]}? There are: " if near else ""
    return hint + (", ".join(known) or "none yet")
