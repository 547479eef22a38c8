"""A compiled pipeline: the PipelineSpec 2.1 that every runner reads, and nothing else."""

import hashlib
import json
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from .errors import DefinitionError

Json = dict[str, Any]


@dataclass(frozen=True)
class CompiledPipeline:
    """The documents of one compiled file: the pipeline spec and, if there is one, `platforms:`."""

    spec: Json
    platform: Json = field(default_factory=dict[str, Any])
    here: Json = field(default_factory=dict[str, Any], compare=False)
    """Values that its source gives parameters, and that hold on this machine only: in no file."""

    @property
    def name(self) -> str:
        """The pipeline's name, as it stands in `pipelineInfo`."""
        return str(self.spec["pipelineInfo"]["name"])

    @property
    def inputs(self) -> Json:
        """The pipeline's own parameters: name to `parameterType`, `defaultValue`, `isOptional`."""
        definitions: Json = self.spec["root"].get("inputDefinitions", {})
        parameters: Json = definitions.get("parameters", {})
        return parameters

    @property
    def digest(self) -> str:
        """Sha256 (hex) of the canonical JSON of every document, less `sdkVersion` and comments."""
        documents = [{k: v for k, v in self.spec.items() if k != "sdkVersion"}]
        if self.platform:
            documents.append(self.platform)
        canonical = json.dumps(documents, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def load(path: Path) -> CompiledPipeline:
    """Read a compiled file; `DefinitionError` names the file and the line that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _malformed(str(path), f"cannot be read: {error}") from error
    return parse(text, str(path))


def parse(text: str, source: str = "<text>") -> CompiledPipeline:
    """Read a compiled pipeline from YAML (or JSON) text; errors call it `source`."""
    try:
        read = yaml.load_all(text, StrictLoader)
        documents = [document for document in read if document is not None]
        json.dumps(documents, allow_nan=False)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        raise _malformed(where, f"is not the YAML of a pipeline: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _malformed(source, f"is not the YAML of a pipeline: {error}") from error
    for document in documents:
        if not isinstance(document, dict):
            raise _malformed(source, f"has a document that is no mapping: {document!r:.60}")
    specs = [document for document in documents if "platforms" not in document]
    platforms = [document for document in documents if "platforms" in document]
    if len(specs) != 1 or len(platforms) > 1:
        found = f"{len(specs)} pipeline specs and {len(platforms)} platform documents"
        raise _malformed(source, f"holds {found}")
    _check_shape(specs[0], source)
    return CompiledPipeline(specs[0], *platforms)


def dump(compiled: CompiledPipeline) -> str:
    """Write the one text of a compiled pipeline: header, spec, platforms; keys in order."""
    documents = [compiled.spec, *([compiled.platform] if compiled.platform else [])]
    body = yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=True, allow_unicode=True, default_flow_style=False
    )
    return "".join(f"# {line}\n" for line in _header(compiled)) + body


def _header(compiled: CompiledPipeline) -> Iterator[str]:
    """Say what the file is and how to run it; a comment, which no digest sees."""
    yield f"Pipeline {json.dumps(compiled.name)}, compiled by lockstep."
    yield f"Digest: sha256:{compiled.digest}"
    yield "Inputs:" if compiled.inputs else "Inputs: none"
    for name, parameter in sorted(compiled.inputs.items()):
        kind = str(parameter.get("parameterType", "?")).removeprefix("NUMBER_").lower()
        default = "required"
        if "defaultValue" in parameter:
            default = f"default {json.dumps(parameter['defaultValue'], sort_keys=True)}"
        elif parameter.get("isOptional"):
            default = "optional"
        yield f"   {name}: {kind}, {default}"
    yield "Run it on this machine: lockstep run FILE --param NAME=VALUE ..."
    vertex = "" if compiled.platform else " or Vertex AI"
    yield f"On Kubeflow Pipelines{vertex}: upload this file unchanged."


def _check_shape(spec: Json, source: str) -> None:
    """Refuse what no runner could read: the parts that every PipelineSpec 2.1 has."""
    if spec.get("schemaVersion") != "2.1.0":
        given = spec.get("schemaVersion", "missing")
        raise _malformed(source, f"has schemaVersion {given}: not a compiled pipeline 2.1.0")
    for path in ("pipelineInfo", "deploymentSpec", "components", "root", "root.dag"):
        part = spec
        for key in path.split("."):
            part = part.get(key)  # type: ignore[assignment]  # checked in the next line
            if not isinstance(part, dict):
                raise _malformed(source, f"has no mapping `{path}`")
    if not isinstance(spec["pipelineInfo"].get("name", ""), str):
        raise _malformed(source, "has a pipelineInfo.name that is no string")


def _malformed(where: str, problem: str) -> DefinitionError:
    return DefinitionError(
        given=f"{where} {problem}",
        allowed="the YAML file that `lockstep compile` or kfp's compiler writes",
        todo="compile the pipeline again: lockstep compile FILE.py -o FILE.yaml",
    )


_TYPES: Final = ("null", "bool", "int", "float", "str", "seq", "map")


class StrictLoader(yaml.CSafeLoader):
    """YAML as JSON knows it: its types only, keys once; what looks like a date is a string."""

    yaml_constructors = {  # noqa: RUF012 - the base class declares it so
        tag: construct
        for tag, construct in yaml.CSafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in _TYPES
    }

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class declares it so
        first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping, refusing keys that JSON has not and keys that hide one another."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str" or key.value in seen:
                problem = f"key {key.value!r:.60} is no string or stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.CSafeDumper):
    """YAML that diffs well: source text as blocks, no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out, so that equal values are equal text."""
        return True


def _represent_str(_: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_str)
