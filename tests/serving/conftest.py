"""What the tests of client and server share: models, made once."""

from pathlib import Path

import pytest

from ..conformance.serving.warm import Warm

BUILDER = Path(__file__).with_name("server") / "models.py"


@pytest.fixture(scope="session")
def models(forks: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of models (see server/models.py), to be read and not to be changed."""
    directory = tmp_path_factory.mktemp("models")
    forks.run([str(BUILDER), str(directory)], directory / "log")
    return directory
