"""What any test may ask for."""

from collections.abc import Iterator

import pytest

from lockstep.components.catalogue import WARM
from lockstep.pipelines.engine.forks import Template


@pytest.fixture(scope="session")
def warm() -> Iterator[Template]:
    """Start one process that imports TensorFlow and TFX; programs run in forks of it."""
    template = Template(WARM, {})
    yield template
    template.close()
