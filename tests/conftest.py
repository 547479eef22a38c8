"""What any test may ask for."""

import signal
from collections.abc import Iterator

import pytest

from lockstep.components.catalogue import WARM
from lockstep.pipelines.engine.forks import Template

from .conformance.serving.warm import Warm

# In a job that was put into the background SIGINT is ignored, and every child inherits that: then
# none of the runs that tests interrupt would notice.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def warm() -> Iterator[Template]:
    """Start one process that imports TensorFlow and TFX; programs run in forks of it."""
    template = Template(WARM, {})
    yield template
    template.close()


@pytest.fixture(scope="session")
def forks() -> Iterator[Warm]:
    """Start one process that imports TensorFlow and the model server; both run in forks of it."""
    forks = Warm()
    yield forks
    forks.close()
