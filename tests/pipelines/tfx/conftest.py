"""What TFX pipelines compile to, all asked of one process that has imported TFX."""

import json
from pathlib import Path
from typing import Any

import pytest

from lockstep.pipelines.engine.forks import Template
from lockstep.pipelines.engine.launch import Step

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def outcomes(warm: Template, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Outcome by name: what compiled, `text`, `spec`, `platform` and `here`; else the `error`."""
    directory = tmp_path_factory.mktemp("tfx")
    files = [*(HERE / "pipelines").glob("*.py"), *(HERE / "refused").glob("*.py")]
    asked = {file.stem: [str(file), str(file.parent)] for file in files if file.stem != "module"}
    asked["by name"] = [f"{HERE / 'refused' / 'two_pipelines.py'}:second", str(HERE / "refused")]
    asked["from above"] = [str(HERE / "pipelines" / "standard.py"), str(HERE)]
    question, answer, log = (directory / name for name in ("asked.json", "answer.json", "log.txt"))
    question.write_text(json.dumps(asked))
    step = Step("compile_all", (str(question), str(answer)), {}, HERE, log, timeout=600)
    assert warm.run(step).code == 0, log.read_text()
    return json.loads(answer.read_text())
