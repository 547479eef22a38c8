"""A compiled pipeline: the PipelineSpec 2.1 that every runner reads, and nothing else."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .errors import DefinitionError

Json = dict[str, Any]


@dataclass(frozen=True)
class CompiledPipeline:
    """The documents of one compiled file: the pipeline spec and, if there is one, `platforms:`."""

    spec: Json
    platform: Json = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The pipeline's name, as it stands in `pipelineInfo`."""
        return str(self.spec["pipelineInfo"]["name"])

    @property
    def digest(self) -> str:
        """Sha256 (hex) of the canonical JSON of every document, less `sdkVersion` and comments."""
        documents = [{k: v for k, v in self.spec.items() if k != "sdkVersion"}]
        if self.platform:
            documents.append(self.platform)
        canonical = json.dumps(documents, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()
