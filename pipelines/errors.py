"""The mistakes of definitions and runs: the third floor's tree."""

from ..serving.errors import Exit, LockstepError


class DefinitionError(LockstepError):
    """A pipeline cannot be loaded, compiled or read."""

    exit_code = Exit.DEFINITION


class NoCounterpart(DefinitionError):
    """A node of a TFX pipeline has no counterpart on Kubeflow Pipelines."""


class UnknownTarget(DefinitionError):
    """There is no target of this name to compile for."""

    exit_code = Exit.USAGE


class RunError(LockstepError):
    """A run cannot be started or finished."""

    exit_code = Exit.STEP_FAILED


class BadParameter(RunError):
    """A pipeline parameter is unknown, missing or of the wrong type."""

    exit_code = Exit.USAGE


class CannotRunHere(RunError):
    """A task needs something that the local engine does not offer."""

    exit_code = Exit.ENVIRONMENT


class UnknownRun(RunError):
    """No run of this name is recorded here."""

    exit_code = Exit.USAGE


class RunIsAlive(RunError):
    """Another engine is executing this very run."""

    exit_code = Exit.ENVIRONMENT


class ServiceError(LockstepError):
    """A pipeline service (Kubeflow Pipelines, Vertex AI) did not do what it was asked."""

    exit_code = Exit.SERVICE_REFUSED


class Unreachable(ServiceError):
    """No answer: no such host, a connection that is refused or lost, or too slow."""

    exit_code = Exit.SERVICE_UNAVAILABLE


class NotTrusted(ServiceError):
    """The service's certificate is not one that this machine trusts."""


class Overloaded(ServiceError):
    """The service asks for fewer requests (429)."""

    exit_code = Exit.SERVICE_UNAVAILABLE


class BrokenService(ServiceError):
    """The service has failed (5xx)."""

    exit_code = Exit.SERVICE_UNAVAILABLE


class MalformedAnswer(BrokenService):
    """The service answers what is not of its API."""


class NotAuthenticated(ServiceError):
    """The service does not know who asks (401), or there are no credentials."""


class NotAuthorized(ServiceError):
    """The service knows who asks, and that they may not (403)."""


class NotFound(ServiceError):
    """The service has no such thing (404)."""


class Conflict(ServiceError):
    """Something of this name is there already and differs, or stands in the way (409)."""


class BadRequest(ServiceError):
    """The service refuses what was sent (400 and other 4xx)."""


class BadSchedule(LockstepError):
    """A schedule is not one, or the service that is to keep it has no such thing."""

    exit_code = Exit.USAGE


class UnknownSchedule(LockstepError):
    """No schedule of this name is there, or several are."""

    exit_code = Exit.USAGE


class BuildError(LockstepError):
    """A step of a build cannot do its work."""

    exit_code = Exit.STEP_FAILED


class MissingResult(BuildError):
    """What an earlier step of the build writes is not there."""

    exit_code = Exit.USAGE


class BadChanges(BuildError):
    """The file that says what a change means does not say it."""

    exit_code = Exit.DEFINITION


class ImageNotBuilt(BuildError):
    """Docker is missing, or did not build or push the image."""

    exit_code = Exit.ENVIRONMENT


class CannotRunStep(BuildError):
    """A step of a build needs something that this machine, or the command, does not give it."""

    exit_code = Exit.ENVIRONMENT


class BadCommit(BuildError):
    """There is no such commit to build, or a build of this id is there already."""

    exit_code = Exit.USAGE


class BadSubstitution(BuildError):
    """A substitution is not the file's, or has no value that anybody here could know."""

    exit_code = Exit.USAGE


class StepFailed(BuildError):
    """A step of a build failed, or took too long."""


class SmokeFailed(BuildError):
    """The model that is served does not answer as it has to."""
