"""Rules about Cloud Build files: what the service refuses, or runs otherwise than was meant.

The rules take the file as it is written, so that one finding does not hide another. Facts are those
of Cloud Build's documentation (build-config-file-schema, substitute-variable-values, use-secrets).
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from ...serving.manifests.rule import Finding, Findings, Json, Rule, broken, dig
from .build import AT_ONCE, BUILT_IN

__all__ = ["RULES", "check"]

_PLACE: Final = re.compile(r"\$\$|\$(?:\{([A-Za-z_]\w*)[^}]*\}|([A-Z_][A-Z0-9_]*))")
_FIXED: Final = ("/workspace", "/builder/home", "/var/run/docker.sock")
WHOLE: Final = "build"
"""Where a finding is that is of no step."""


def check(build: Json, rules: dict[str, Rule[Json]] | None = None) -> list[Finding]:
    """What rules find in a parsed Cloud Build file."""
    return broken(RULES if rules is None else rules, build)


def _steps(build: Json) -> Iterator[tuple[str, Json]]:
    for number, step in enumerate(build.get("steps") or []):
        yield step.get("id") or f"#{number}", step


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _used(build: Json) -> dict[str, str]:
    """Each substitution that a file uses, and where first."""
    rest = {key: value for key, value in build.items() if key != "steps"}
    found: dict[str, str] = {}
    for where, part in [*_steps(build), (WHOLE, rest)]:
        for text in _texts(part):
            for match in _PLACE.finditer(text):
                if key := match[1] or match[2]:
                    found.setdefault(key, where)
    return found


def _parse(build: Json) -> Findings:
    with warnings.catch_warnings():  # what Google's libraries say about this Python's age
        warnings.simplefilter("ignore")
        from google.cloud.devtools.cloudbuild_v1.types import Build
        from google.protobuf import json_format

        try:
            json_format.ParseDict(build, Build.pb(Build()))
        except json_format.ParseError as error:
            yield WHOLE, str(error)


def _wait(build: Json) -> Findings:
    before: set[str] = {AT_ONCE}
    for where, step in _steps(build):
        for name in step.get("waitFor") or []:
            if name not in before:
                yield where, f"it waits for {name}, and no step before it has that id"
        before.add(step.get("id", ""))


def _id(build: Json) -> Findings:
    for where, step in _steps(build):
        if not step.get("id"):
            yield where, "it has no id"


def _id_twice(build: Json) -> Findings:
    ids = Counter(step["id"] for _, step in _steps(build) if step.get("id"))
    for name in sorted(name for name, count in ids.items() if count > 1):
        yield name, "several steps have this id"


def _undeclared(build: Json) -> Findings:
    known = {*BUILT_IN, *(build.get("substitutions") or {})}
    for key, where in _used(build).items():
        if key not in known:
            yield where, f"it uses ${key}"


def _unused(build: Json) -> Findings:
    if dig(build, "options", "automapSubstitutions"):
        return
    used = _used(build)
    for key in sorted(set(build.get("substitutions") or {}) - set(used)):
        if key.startswith("_"):
            yield WHOLE, f"nothing uses ${key}"


def _own_name(build: Json) -> Findings:
    for key in build.get("substitutions") or {}:
        if not re.fullmatch(r"_[A-Z0-9_]+", key):
            yield WHOLE, f"the substitution {key}"


def _image(build: Json) -> Findings:
    values = build.get("substitutions") or {}
    for where, step in _steps(build):
        name = str(step.get("name"))
        plain = _PLACE.sub(lambda m: values.get(m[1] or m[2], m[0]), name)
        last = plain.rpartition("/")[2]
        if "@sha256:" not in plain and (":" not in last or last.endswith(":latest")):
            yield where, f"its image is {plain}"


def _build_timeout(build: Json) -> Findings:
    if not build.get("timeout"):
        yield WHOLE, "it states no timeout"


def _step_timeout(build: Json) -> Findings:
    for where, step in _steps(build):
        if not step.get("timeout"):
            yield where, "it states no timeout"


def _longer(build: Json) -> Findings:
    whole = _seconds(build.get("timeout"))
    for where, step in _steps(build):
        own = _seconds(step.get("timeout"))
        if whole and own and own > whole:
            yield where, f"it may take {own:g} s, the whole build {whole:g} s"


def _seconds(text: Any) -> float | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)s", str(text))
    return float(found[1]) if found else None


def _secrets(build: Json) -> set[str]:
    known = dig(build, "availableSecrets", "secretManager") or []
    inline = dig(build, "availableSecrets", "inline") or []
    return {one.get("env") for one in known} | {key for one in inline for key in one["envMap"]}


def _wanted(build: Json) -> dict[str, str]:
    common = {name: WHOLE for name in dig(build, "options", "secretEnv") or []}
    own = {name: where for where, step in _steps(build) for name in step.get("secretEnv") or []}
    return common | own


def _secret_unknown(build: Json) -> Findings:
    for name, where in _wanted(build).items():
        if name not in _secrets(build):
            yield where, f"there is no secret {name}"


def _secret_unused(build: Json) -> Findings:
    for name in sorted(_secrets(build) - set(_wanted(build))):
        yield WHOLE, f"no step takes the secret {name}"


def _volume_alone(build: Json) -> Findings:
    names = Counter(v["name"] for _, step in _steps(build) for v in step.get("volumes") or [])
    for name in sorted(name for name, count in names.items() if count == 1):
        yield WHOLE, f"one step only mounts volume {name}"


def _volume_path(build: Json) -> Findings:
    for where, step in _steps(build):
        paths = [volume.get("path") for volume in step.get("volumes") or []]
        for path in paths:
            if path in _FIXED or paths.count(path) > 1:
                yield where, f"it mounts a volume at {path}, where something else is"


def _script(build: Json) -> Findings:
    for where, step in _steps(build):
        if step.get("script") and (step.get("args") or step.get("entrypoint")):
            yield where, "it has a script, and args or an entrypoint too"


def _account(build: Json) -> Findings:
    if not build.get("serviceAccount"):
        yield WHOLE, "it names no serviceAccount"


def _logs(build: Json) -> Findings:
    kept = build.get("logsBucket") or dig(build, "options", "defaultLogsBucketBehavior")
    elsewhere = dig(build, "options", "logging") in ("CLOUD_LOGGING_ONLY", "NONE")
    if build.get("serviceAccount") and not kept and not elsewhere:
        yield WHOLE, "its own account, and no place for logs"


RULES: Final[dict[str, Rule[Json]]] = {
    "build-proto": Rule(
        "The service's own proto does not take the file.",
        "Cloud Build refuses it.",
        "Correct the field.",
        _parse,
    ),
    "build-wait-for": Rule(
        "A step waits for an id that no step before it has.",
        "Cloud Build refuses it.",
        "Correct the id, or move the step behind what it waits for.",
        _wait,
    ),
    "build-id-missing": Rule(
        "A step has no id.",
        "Nothing can wait for it, and logs call it by a number that moves.",
        "Give it an id.",
        _id,
    ),
    "build-id-twice": Rule(
        "Several steps have one id.",
        "Cloud Build refuses it.",
        "Rename them.",
        _id_twice,
    ),
    "build-substitution-undeclared": Rule(
        "A substitution is used that the file does not declare.",
        "Cloud Build refuses it; `$$` is what a shell's own variable needs.",
        "Declare it with a default under substitutions.",
        _undeclared,
    ),
    "build-substitution-unused": Rule(
        "A substitution is declared that nothing uses.",
        "Cloud Build refuses it unless ALLOW_LOOSE is set; whoever sets it changes nothing.",
        "Remove it.",
        _unused,
    ),
    "build-substitution-name": Rule(
        "A user's substitution has another name than Cloud Build takes.",
        "Cloud Build refuses it.",
        "Begin with an underscore; then capitals, digits, underscores.",
        _own_name,
    ),
    "build-image": Rule(
        "A step's image has no tag, or the tag latest.",
        "The same commit builds otherwise tomorrow.",
        "Name a version, better a digest.",
        _image,
    ),
    "build-timeout": Rule(
        "A build states no timeout.",
        "Cloud Build ends it after 60 minutes, in whichever step it is.",
        "State timeout.",
        _build_timeout,
    ),
    "build-step-timeout": Rule(
        "A step states no timeout.",
        "One that hangs takes the whole build's time.",
        "State timeout.",
        _step_timeout,
    ),
    "build-step-longer": Rule(
        "A step may take longer than the whole build.",
        "It never can.",
        "Raise the build's timeout, or lower the step's.",
        _longer,
    ),
    "build-secret-unknown": Rule(
        "A step takes a secret that availableSecrets does not have.",
        "Cloud Build refuses it.",
        "Add it, or correct secretEnv.",
        _secret_unknown,
    ),
    "build-secret-unused": Rule(
        "A secret is fetched that no step takes.",
        "Its account needs a permission for nothing.",
        "Remove it.",
        _secret_unused,
    ),
    "build-volume-alone": Rule(
        "One step only mounts a volume.",
        "Cloud Build refuses it: a volume is for several steps.",
        "Mount it in another step, or remove it.",
        _volume_alone,
    ),
    "build-volume-path": Rule(
        "A volume is mounted where something else is.",
        "Cloud Build refuses it.",
        "Choose another path.",
        _volume_path,
    ),
    "build-script": Rule(
        "A step has a script, and args or an entrypoint too.",
        "Cloud Build refuses it.",
        "Keep one of them.",
        _script,
    ),
    "build-account": Rule(
        "A build runs under the project's default account.",
        "That may do far more than the build has to.",
        "Name a serviceAccount of its own.",
        _account,
    ),
    "build-logs": Rule(
        "A build with its own account does not say where logs go.",
        "Cloud Build refuses it.",
        "Set options.logging: CLOUD_LOGGING_ONLY, or a logsBucket.",
        _logs,
    ),
}
"""The rules about Cloud Build files, by id."""
