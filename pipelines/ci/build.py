"""A Cloud Build file as frozen data: its steps, what waits for what, and its substitutions.

The rules are those of Cloud Build's documentation (build-config-file-schema,
substitute-variable-values and configure-build-step-order).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from ...serving.errors import one_of
from ..errors import BadSubstitution, DefinitionError

BUILT_IN: Final = (
    *("PROJECT_ID", "PROJECT_NUMBER", "BUILD_ID", "LOCATION", "TRIGGER_NAME"),
    *("COMMIT_SHA", "REVISION_ID", "SHORT_SHA", "REPO_NAME", "REPO_FULL_NAME", "BRANCH_NAME"),
    *("TAG_NAME", "REF_NAME", "TRIGGER_BUILD_CONFIG_PATH", "SERVICE_ACCOUNT"),
    *("SERVICE_ACCOUNT_EMAIL", "_HEAD_BRANCH", "_BASE_BRANCH", "_HEAD_REPO_URL", "_PR_NUMBER"),
)
"""What Cloud Build itself sets; where it does not know one, that is the empty string."""
AT_ONCE: Final = "-"
"""In `waitFor`: the step waits for nothing."""

_KEY: Final = "[A-Z_][A-Z0-9_]*"
_PLACE: Final = re.compile(
    rf"\$(?:(?P<dollar>\$)|(?P<bare>{_KEY})|\{{(?P<key>{_KEY})(?P<more>[^}}]*)\}})"
)


class BadBuild(DefinitionError):
    """A Cloud Build file cannot be read, or says what Cloud Build would refuse."""


def _seconds(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d{1,9})?s", value):
        return float(value[:-1])
    if isinstance(value, str):
        message = "a duration is seconds with an s, such as 600s"
        raise ValueError(message)
    return value


Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Strings = tuple[str, ...]


class _Part(BaseModel):
    # Lists of YAML become tuples, so not pydantic's strict mode; it still turns no number to text.
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )


class Volume(_Part):
    """A directory that several steps see, apart from the workspace."""

    name: str
    path: str


class Step(_Part):
    """One step: a container's image and what it runs."""

    name: str
    id: str = ""
    entrypoint: str = ""
    args: Strings = ()
    script: str = ""
    env: Strings = ()
    secret_env: Strings = ()
    dir: str = ""
    wait_for: Strings = ()
    timeout: Duration | None = None
    volumes: tuple[Volume, ...] = ()
    allow_failure: bool = False
    allow_exit_codes: tuple[int, ...] = ()
    automap_substitutions: bool | None = None


class Options(_Part):
    """What holds for all steps; what only the service understands stays as it is written."""

    model_config = _Part.model_config | ConfigDict(extra="allow")
    env: Strings = ()
    secret_env: Strings = ()
    volumes: tuple[Volume, ...] = ()
    substitution_option: Literal["MUST_MATCH", "ALLOW_LOOSE"] = "MUST_MATCH"
    dynamic_substitutions: bool = False
    automap_substitutions: bool = False


class Build(_Part):
    """A whole file; `steps` are as written, or with their substitutions made."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    substitutions: dict[str, str] = {}
    images: Strings = ()
    tags: Strings = ()
    timeout: Duration | None = None
    queue_ttl: Duration | None = None
    service_account: str = ""
    logs_bucket: str = ""
    options: Options = Options()
    available_secrets: dict[str, Any] = {}
    artifacts: dict[str, Any] = {}

    def label(self, number: int) -> str:
        """A step's id, or its number where it has none.

        >>> Build(steps=(Step(name="a", id="test"), Step(name="b"))).label(1)
        '#1'
        """
        return self.steps[number].id or f"#{number}"


def load(path: Path) -> Build:
    """Read a Cloud Build file strictly.

    Raises:
        BadBuild: it cannot be read, has an unknown or wrong field, or waits for what is not there.
    """
    try:
        build = Build.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadBuild(
            given=f"{path} cannot be read: {error}",
            allowed="a Cloud Build file in YAML or JSON",
            todo="correct the file, or name another",
        ) from error
    except ValidationError as error:
        raise _wrong(path, error) from None
    waits(build)
    if strange := [key for key in build.substitutions if not re.fullmatch("_[A-Z0-9_]+", key)]:
        raise BadBuild(
            given=f"{path}: the substitution {strange[0]}",
            allowed="an underscore, then capitals, digits and underscores",
            todo="rename it",
        )
    return build


def _wrong(path: Path, error: ValidationError) -> BadBuild:
    told = error.errors(include_url=False)
    first = told[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    fields = {**Build.model_fields, **Step.model_fields}
    known = sorted({field.alias or name for name, field in fields.items()})
    unknown = first["type"] == "extra_forbidden"
    return BadBuild(
        given=f"{path}: {where}: {first['msg']}"
        + (f" (and {len(told) - 1} more)" if len(told) > 1 else ""),
        allowed=one_of(known, str(first["loc"][-1])) if unknown else "what Cloud Build's file says",
        todo="correct the field; cloud.google.com/build/docs/build-config-file-schema has them all",
    )


def waits(build: Build) -> tuple[frozenset[int], ...]:
    """For each step, the numbers of those that must have succeeded before it starts.

    Without `waitFor` that is every step before it; with `-`, none.

    Raises:
        BadBuild: an id stands twice, or `waitFor` names none that stands before.
    """
    numbers: dict[str, int] = {}
    found: list[frozenset[int]] = []
    for number, step in enumerate(build.steps):
        for name in step.wait_for:
            if name not in numbers and name != AT_ONCE:
                raise BadBuild(
                    given=f"step {build.label(number)} waits for {name!r}",
                    allowed=f"ids of steps before it, or -; {one_of(numbers, name)}",
                    todo="correct the id, or move the step behind what it waits for",
                )
        if step.id in numbers:
            raise BadBuild(
                given=f"two steps have the id {step.id!r}",
                allowed="an id for one step each",
                todo="rename one of them",
            )
        named = frozenset(numbers[name] for name in step.wait_for if name != AT_ONCE)
        found.append(named if step.wait_for else frozenset(range(number)))
        if step.id:
            numbers[step.id] = number
    return tuple(found)


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of `$KEY` and `${KEY}`; `$$` is a dollar sign.

    >>> substitute("$_A-${_A}b $$HOME $(date)", {"_A": "1"})
    '1-1b $HOME $(date)'

    What Cloud Build itself sets is empty where there is no value.

    Raises:
        BadBuild: a key has no value, or a bash expansion is asked for.
    """

    def value(place: re.Match[str]) -> str:
        if place["dollar"]:
            return "$"
        key = place["bare"] or place["key"]
        if place["more"]:
            raise BadBuild(
                given=f"{place[0]} is a bash expansion",
                allowed="$KEY and ${KEY}: expansions differ between a trigger and gcloud",
                todo=f"write the expansion in the step's script, or $${place[0][1:]} in its args",
            )
        if key not in values and key not in BUILT_IN:
            raise BadBuild(
                given=f"{place[0]} has no value",
                allowed=one_of([*values, *BUILT_IN], key),
                todo=f"declare {key} under substitutions, or write ${place[0]} for the shell",
            )
        return values.get(key, "")

    return _PLACE.sub(value, text)


def keys(build: Build) -> frozenset[str]:
    """Every key that a step, an image or another field uses; scripts are never looked into."""
    places = (place for text in _texts(_written(build)) for place in _PLACE.finditer(text))
    return frozenset(found for place in places if (found := place["bare"] or place["key"]))


def values(build: Build, given: Mapping[str, str]) -> dict[str, str]:
    """The file's defaults under what is given, and with `dynamicSubstitutions` through each other.

    Raises:
        BadSubstitution: a key is given that the file does not declare.
        BadBuild: one is declared and not used where the file demands a match, or they go round.
    """
    declared = {*build.substitutions, *BUILT_IN}
    for key in given:
        if key not in declared:
            raise BadSubstitution(
                given=f"a value for {key}, which the file does not declare",
                allowed=one_of(declared, key),
                todo="correct the name, or declare it under substitutions",
            )
    merged = {**build.substitutions, **given}
    if "COMMIT_SHA" in merged:
        merged = {
            "SHORT_SHA": merged["COMMIT_SHA"][:7],
            "REVISION_ID": merged["COMMIT_SHA"],
        } | merged
    if build.options.dynamic_substitutions:
        merged = _through_each_other(merged)
    mapped = build.options.automap_substitutions or any(
        step.automap_substitutions for step in build.steps
    )
    loose = build.options.substitution_option == "ALLOW_LOOSE" or mapped
    inner = {key for text in build.substitutions.values() for key in _keys(text)}
    if unused := set() if loose else {*build.substitutions} - keys(build) - inner:
        raise BadBuild(
            given=f"the substitution {min(unused)} is declared, and nothing uses it",
            allowed="what steps use, or options.substitutionOption: ALLOW_LOOSE",
            todo="delete it, or use it",
        )
    return merged


def substituted(build: Build, given: Mapping[str, str]) -> Build:
    """The build with all its substitutions made, mapped ones in the environment.

    Raises:
        BadBuild, BadSubstitution: see `values` and `substitute`.
    """
    known = values(build, given)
    made = Build.model_validate(_made(_written(build), known))
    steps = [
        step.model_copy(
            update={"script": old.script, "env": (*_mapped(build, old, known), *step.env)}
        )
        for old, step in zip(build.steps, made.steps, strict=True)
    ]
    return made.model_copy(update={"steps": tuple(steps), "substitutions": known})


def _mapped(build: Build, step: Step, known: Mapping[str, str]) -> Iterator[str]:
    own = step.automap_substitutions
    if build.options.automap_substitutions if own is None else own:
        yield from (f"{key}={value}" for key, value in sorted(known.items()))


def _keys(text: str) -> set[str]:
    return {key for place in _PLACE.finditer(text) if (key := place["bare"] or place["key"])}


def _through_each_other(merged: Mapping[str, str]) -> dict[str, str]:
    done: dict[str, str] = {}
    left = dict(merged)
    while left:
        ready = [key for key, text in left.items() if not _keys(text) & {*left}]
        if not ready:
            raise BadBuild(
                given=f"the substitutions {', '.join(sorted(left))} need each other",
                allowed="substitutions that end in plain text",
                todo="give one of them a plain value",
            )
        for key in ready:
            done[key] = substitute(left.pop(key), done)
    return done


def _written(build: Build) -> dict[str, Any]:
    tree = build.model_dump(exclude={"substitutions": True}, exclude_unset=True)
    for step in tree["steps"]:
        step.pop("script", None)
    return tree


def _made(tree: Any, known: Mapping[str, str]) -> Any:
    if isinstance(tree, str):
        return substitute(tree, known)
    if isinstance(tree, dict):
        return {key: _made(value, known) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_made(value, known) for value in tree]
    return tree


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, (dict, list, tuple)):
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from _texts(value)
