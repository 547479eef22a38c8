"""What an infra validation leaves, and whether an earlier one stands. No TensorFlow here."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ...serving.contract.consumers.recording import FOLDER
from ...serving.model_files import digest
from ...serving.store import ModelStore
from ..paths import resolve
from ..step import Metadata, Results, Step
from . import pages
from .blessing import bless
from .contract import project_file
from .model_store import SERVING_MODEL, STAMPED_MODEL

WARM_UP: Final = "tf_serving_warmup_requests"
_EVIDENCE: Final = "evidence/infra_validation.json"
_SERVER: Final = "tensorflow_model_server"


def infra_validator(step: Step) -> Results | None:
    """Bless what the store holds as blessed already, if it was asked the same questions then."""
    if not (base := step.parameters.get("base_directory")):
        return None
    store, model, question = ModelStore(resolve(base)), _digest(step), asked(step)
    for version in store.versions():
        if version.digest != model or _EVIDENCE not in (papers := store.papers(version.number)):
            continue
        verdict = json.loads(store.read_paper(version.number, _EVIDENCE))
        if verdict.get("blessed") and question.items() <= verdict.items():
            warm_up = store.read_paper(version.number, WARM_UP) if WARM_UP in papers else None
            print(f"version {version.number} is this very model, asked the same")  # noqa: T201  # a step's log
            return to_results(step, verdict, warm_up)
    return None


def asked(step: Step) -> Metadata:
    """Give a digest, as `asked`, of what the verdict depends on, but for the model itself."""
    parameters = {k: v for k, v in step.parameters.items() if k != "base_directory"}
    examples = step.inputs.get("examples")
    parts: list[Any] = [parameters, examples.metadata if examples else None, shutil.which(_SERVER)]
    parts += ((str(file), hashlib.sha256(file.read_bytes()).hexdigest()) for file in _files(step))
    return {"asked": hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()}


def to_results(step: Step, verdict: Metadata, warm_up: bytes | None) -> Results:
    """Write page and blessing and, as TFX does, the model with its warm-up requests into it."""
    pages.write(step.output_as_file("html"), "infra_validation", **verdict)
    papers: dict[str, Any] = {_EVIDENCE: verdict}
    if warm_up is not None:
        papers[WARM_UP] = warm_up
        stamped = step.output("blessing") / STAMPED_MODEL
        shutil.copytree(Path(step.inputs["model"].path) / SERVING_MODEL, stamped)
        (stamped / "assets.extra").mkdir(exist_ok=True)
        (stamped / "assets.extra" / WARM_UP).write_bytes(warm_up)
    said = bless(step, verdict["reason"], papers, blessed=verdict["blessed"], prefix="INFRA_")
    has_model = int(warm_up is not None)
    return Results({"blessing": {"tfx_type": "InfraBlessing", **said, "has_model": has_model}})


def _digest(step: Step) -> str:
    return digest(str(Path(step.inputs["model"].path) / SERVING_MODEL))


def _files(step: Step) -> Iterator[Path]:
    """The contract, and what its consumers have recorded beside it."""
    if location := step.parameters.get("contract_file"):
        contract = Path(project_file(location))
        yield contract
        yield from sorted(f for f in (contract.parent / FOLDER).rglob("*") if f.is_file())
