"""Rules about namespaces, scaling, permissions and jobs."""

import re
from typing import Final

from .rule import CLUSTER_WIDE, Findings, Json, Rendered, Rule, called, dig, namespace


def _twice(seen: Rendered) -> Findings:
    names = [(namespace(one), called(one)) for one in seen.objects]
    for space, name in sorted({one for one in names if names.count(one) > 1}):
        yield name, f"it stands twice in {space or 'the cluster'}"


def _name(seen: Rendered) -> Findings:
    for one in seen.objects:
        name = str(dig(one, "metadata", "name") or "")
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.:-]{0,251}[a-z0-9])?", name):
            yield called(one), f"{name!r} is no name of an object"


def _spaced(seen: Rendered) -> list[Json]:
    return [one for one in seen.objects if one.get("kind") not in CLUSTER_WIDE]


def _no_namespace(seen: Rendered) -> Findings:
    for one in _spaced(seen):
        if not namespace(one):
            yield called(one), "it names no namespace"


def _unknown_namespace(seen: Rendered) -> Findings:
    known = {dig(one, "metadata", "name") for one in seen.of("Namespace")}
    for one in _spaced(seen):
        if namespace(one) and namespace(one) not in known:
            yield called(one), f"there is no Namespace {namespace(one)}"


def _restricted(seen: Rendered) -> Findings:
    for one in seen.of("Namespace"):
        labels = dig(one, "metadata", "labels") or {}
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            yield called(one), "it takes any pod"


def _scaled(seen: Rendered) -> list[tuple[Json, Json | None]]:
    found: list[tuple[Json, Json | None]] = []
    for scaler in seen.of("HorizontalPodAutoscaler"):
        target = dig(scaler, "spec", "scaleTargetRef") or {}
        kind, name = target.get("kind", ""), target.get("name", "")
        found.append((scaler, seen.find(kind, name, namespace(scaler))))
    return found


def _target(seen: Rendered) -> Findings:
    for scaler, target in _scaled(seen):
        if target is None:
            named = dig(scaler, "spec", "scaleTargetRef", "name")
            yield called(scaler), f"there is nothing called {named} to scale"


def _bounds(seen: Rendered) -> Findings:
    for scaler in seen.of("HorizontalPodAutoscaler"):
        least = dig(scaler, "spec", "minReplicas") or 1
        if least > (most := dig(scaler, "spec", "maxReplicas")):
            yield called(scaler), f"it wants at least {least} and at most {most} pods"


def _replicas(seen: Rendered) -> Findings:
    for scaler, target in _scaled(seen):
        if target and "replicas" in target["spec"]:
            yield called(target), f"it states replicas, which {called(scaler)} decides"


def _metric(seen: Rendered) -> Findings:
    pods = {id(one.owner): one for one in seen.pods}
    for scaler, target in _scaled(seen):
        for metric in dig(scaler, "spec", "metrics") or []:
            name = dig(metric, "containerResource", "container")
            owned = pods.get(id(target))
            if name and owned and name not in [one.get("name") for one in owned.containers]:
                yield called(scaler), f"{owned.where} has no container {name}"


def _budget(seen: Rendered) -> Findings:
    for budget in seen.of("PodDisruptionBudget"):
        if not seen.selected(dig(budget, "spec", "selector"), namespace(budget)):
            yield called(budget), "its selector takes no pod"


def _blocked(seen: Rendered) -> Findings:
    for budget in seen.of("PodDisruptionBudget"):
        spec = budget.get("spec") or {}
        if spec.get("maxUnavailable") in (0, "0%") or spec.get("minAvailable") == "100%":
            yield called(budget), "it never lets a pod go"


def _wildcard(seen: Rendered) -> Findings:
    for role in seen.of("Role", "ClusterRole"):
        for rule in role.get("rules") or []:
            for key in ("apiGroups", "resources", "verbs"):
                if "*" in (rule.get(key) or []):
                    yield called(role), f"{key} has *"


def _role(seen: Rendered) -> Findings:
    for binding in seen.of("RoleBinding"):
        kind, name = dig(binding, "roleRef", "kind"), dig(binding, "roleRef", "name")
        if kind == "Role" and not seen.has("Role", name, namespace(binding)):
            yield called(binding), f"there is no Role {name}"


def _subject(seen: Rendered) -> Findings:
    for binding in seen.of("RoleBinding", "ClusterRoleBinding"):
        for one in binding.get("subjects") or []:
            space = one.get("namespace") or namespace(binding)
            own = any(space == dig(n, "metadata", "name") for n in seen.of("Namespace"))
            account = one.get("kind") == "ServiceAccount"
            if account and own and not seen.has("ServiceAccount", one["name"], space):
                yield called(binding), f"there is no ServiceAccount {one['name']} in {space}"


def _overlap(seen: Rendered) -> Findings:
    for job in seen.of("CronJob"):
        if dig(job, "spec", "concurrencyPolicy") not in ("Forbid", "Replace"):
            yield called(job), "its runs may overlap"


def _schedule(seen: Rendered) -> Findings:
    for job in seen.of("CronJob"):
        text = str(dig(job, "spec", "schedule"))
        if not re.fullmatch(r"@\w+|[\w*,/-]+( [\w*,/-]+){4}", text):
            yield called(job), f"{text!r} is no schedule of five fields"


def _jobs(seen: Rendered) -> list[tuple[str, Json]]:
    plain = [(called(one), one.get("spec") or {}) for one in seen.of("Job")]
    timed = [(called(o), dig(o, "spec", "jobTemplate", "spec") or {}) for o in seen.of("CronJob")]
    return [*plain, *timed]


def _deadline(seen: Rendered) -> Findings:
    for where, spec in _jobs(seen):
        if not spec.get("activeDeadlineSeconds"):
            yield where, "it may run for ever"


def _restart(seen: Rendered) -> Findings:
    for where, spec in _jobs(seen):
        policy = dig(spec, "template", "spec", "restartPolicy")
        if policy not in ("Never", "OnFailure"):
            yield where, f"its restartPolicy is {policy}"


RULES: Final[dict[str, Rule[Rendered]]] = {
    "object-twice": Rule(
        "Two objects have one kind, namespace and name.",
        "The one that is applied last wins.",
        "Rename or remove one.",
        _twice,
    ),
    "object-name": Rule(
        "A name that Kubernetes does not take.",
        "The API server refuses it; schemas only see a text.",
        "Use lower case letters, digits, - and dots.",
        _name,
    ),
    "namespace-missing": Rule(
        "An object names no namespace.",
        "It lands in whichever the caller's kubectl points at.",
        "Set `namespace:` in the overlay.",
        _no_namespace,
    ),
    "namespace-unknown": Rule(
        "An object is in a namespace that is not rendered.",
        "Into an empty cluster it cannot be applied.",
        "Add the Namespace, or correct the name.",
        _unknown_namespace,
    ),
    "pod-security": Rule(
        "A namespace does not enforce Pod Security `restricted`.",
        "Whoever may create pods there owns the node.",
        "Label it pod-security.kubernetes.io/enforce: restricted.",
        _restricted,
    ),
    "hpa-target": Rule(
        "An autoscaler scales nothing.",
        "The number of pods stays what it is, at any load.",
        "Name a workload in scaleTargetRef.",
        _target,
    ),
    "hpa-bounds": Rule(
        "An autoscaler's least is above its most.",
        "The API server refuses it.",
        "Correct minReplicas or maxReplicas.",
        _bounds,
    ),
    "hpa-replicas": Rule(
        "A workload states replicas although an autoscaler decides them.",
        "Each apply sets the pods back to that number, at any load.",
        "Remove replicas from the workload.",
        _replicas,
    ),
    "hpa-container": Rule(
        "An autoscaler measures a container that its pods do not have.",
        "It never scales.",
        "Name a container of the workload.",
        _metric,
    ),
    "pdb-without-pods": Rule(
        "A PodDisruptionBudget takes no pod.",
        "A drained node takes all pods along.",
        "Give its selector labels of the workload's template.",
        _budget,
    ),
    "pdb-blocks": Rule(
        "A PodDisruptionBudget never lets a pod go.",
        "Nodes cannot be drained, and upgrades of the cluster hang.",
        "Set maxUnavailable: 1.",
        _blocked,
    ),
    "rbac-wildcard": Rule(
        "A role grants everything of some sort.",
        "It grants what comes to the cluster later, too.",
        "List what is needed.",
        _wildcard,
    ),
    "role-unknown": Rule(
        "A RoleBinding grants a Role that is not rendered.",
        "It is accepted, and grants nothing.",
        "Add the Role, or correct roleRef.",
        _role,
    ),
    "role-subject": Rule(
        "A binding grants to a ServiceAccount that is not rendered.",
        "It is accepted, and grants nothing: to nobody, or to whoever makes it later.",
        "Add the ServiceAccount, or correct the subject.",
        _subject,
    ),
    "cron-overlap": Rule(
        "A CronJob's runs may overlap.",
        "Two retrainings would race for one model.",
        "Set concurrencyPolicy: Forbid.",
        _overlap,
    ),
    "cron-schedule": Rule(
        "A schedule that Kubernetes cannot read.",
        "The API server refuses it; schemas only see a text.",
        "Write five fields: minute, hour, day, month, day of the week.",
        _schedule,
    ),
    "job-deadline": Rule(
        "A Job may run for ever.",
        "One that hangs keeps all later ones from starting.",
        "Set activeDeadlineSeconds.",
        _deadline,
    ),
    "job-restart-policy": Rule(
        "A Job's pods have a restartPolicy that Jobs do not take.",
        "The API server refuses it; schemas only see a text.",
        "Write Never or OnFailure.",
        _restart,
    ),
}
"""The rules about namespaces, scaling, permissions and jobs, by id."""
