"""What the tests of contracts share: models that TensorFlow has written, once, and asked."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ...conformance.serving.warm import Warm

PROGRAM = Path(__file__).with_name("exported.py")


@dataclass(frozen=True)
class Exported:
    """A directory of models, and what they answered (see exported.py)."""

    directory: Path
    answers: dict[str, Any]


@pytest.fixture(scope="session")
def exported(forks: Warm, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Models by contract, to be read and not to be changed."""
    directory = tmp_path_factory.mktemp("exported")
    forks.run([str(PROGRAM), str(directory)], directory / "log")
    return Exported(directory, json.loads((directory / "answers.json").read_text()))
