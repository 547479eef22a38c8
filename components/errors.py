"""The mistakes a step can name: the second floor's tree."""

from ..serving.errors import Exit, LockstepError


class StepError(LockstepError):
    """A step cannot do its work."""

    exit_code = Exit.STEP_FAILED


class UnknownComponent(StepError):
    """No component has this name."""

    exit_code = Exit.USAGE


class BadArgument(StepError):
    """A component's argument has a value that it cannot take."""

    exit_code = Exit.USAGE


class BadModule(StepError):
    """The user's module file is missing, does not load, or lacks a function."""


class BadData(StepError):
    """The input data is missing, empty or malformed."""

    exit_code = Exit.DATA


class AnomalousData(BadData):
    """The data does not fit its schema."""


class NoAccess(StepError):
    """A service that the step needs refuses it, or does not answer."""

    exit_code = Exit.ENVIRONMENT


class DiskFull(StepError):
    """There is no space left where the step writes."""

    exit_code = Exit.ENVIRONMENT


class MissingExtra(StepError):
    """What the step runs on is not installed."""

    exit_code = Exit.ENVIRONMENT
