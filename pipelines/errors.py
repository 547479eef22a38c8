"""The mistakes of definitions and runs: the third floor's tree."""

from ..serving.errors import Exit, LockstepError


class DefinitionError(LockstepError):
    """A pipeline cannot be loaded, compiled or read."""

    exit_code = Exit.DEFINITION


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
