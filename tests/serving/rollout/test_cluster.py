"""A rollout to a cluster: the official client against a small API server."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lockstep.pipelines.cli import app
from lockstep.serving.errors import ClusterRefused, Exit, LockstepError, RolledBack
from lockstep.serving.rollout.answers import Expected
from lockstep.serving.rollout.cluster import plan_rollout
from lockstep.serving.rollout.engine import roll_out
from lockstep.serving.rollout.history import Record, last
from lockstep.serving.rollout.objects import difference, made_from, owned, pin

from .fake_cluster import FakeCluster
from .scenarios import NAMESPACE, PROMISED, Story, contract, overlay

OTHER = PROMISED.replace(b"tips", b"other")


@dataclass
class Clock:
    """Time that passes only where one waits."""

    now: float = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float, /) -> None:
        """Let it pass."""
        self.now += 10 * seconds


@pytest.fixture
def fake() -> FakeCluster:
    """An empty cluster."""
    return FakeCluster()


@pytest.fixture
def address(fake: FakeCluster) -> Iterator[str]:
    """Where it answers."""
    with fake.running() as url:
        yield url


@pytest.fixture
def story(address: str) -> Story:
    """A rollout to it."""
    from kubernetes import client, dynamic

    configuration: Any = client.Configuration()
    configuration.host = address
    configuration.retries = False
    api: Any = client.ApiClient(configuration)
    return Story(dynamic.DynamicClient(api, cache_file=f"{os.devnull}/none"))


def test_the_first_rollout_makes_everything(story: Story, fake: FakeCluster) -> None:
    """Nobody is served yet, so there is no rehearsal; the version is pinned, and answers."""
    story.deploy(1, Clock())
    assert "versions: 1" in story.config()
    assert story.asked == ["tf-serving"]
    assert fake.requests[0] == ("apply", f"api/v1/namespaces/{NAMESPACE}")


def test_a_version_is_asked_aside_before_callers_are_sent_to_it(
    story: Story, fake: FakeCluster
) -> None:
    """The pod aside has labels of its own, and is gone at the end."""
    story.deploy(1, Clock())
    story.asked.clear()
    fake.requests.clear()
    story.deploy(1, Clock())
    assert story.asked == ["tf-serving-rehearsal", "tf-serving"]
    aside = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/tf-serving-rehearsal"
    assert ("apply", aside) in fake.requests
    assert fake.get("Deployment", "tf-serving-rehearsal") is None


def kept(fake: FakeCluster) -> dict[str, Any]:
    """Every object, less its metadata."""
    return {
        path: {key: value for key, value in one.items() if key != "metadata"}
        for path, one in fake.objects.items()
    }


@pytest.mark.parametrize("what", ["missing signature", "wrong version", "stuck"])
def test_a_bad_version_never_reaches_callers(what: str, story: Story, fake: FakeCluster) -> None:
    """What serves callers is as it was, object by object, and nothing is left aside."""
    story.deploy(1, Clock())
    before = {
        path: {**one, "metadata": one["metadata"]["name"]} for path, one in fake.objects.items()
    }
    if what == "missing signature":
        story.served = contract(OTHER)
    fake.stuck = lambda one: what == "stuck" and "rehearsal" in one["metadata"]["name"]
    with pytest.raises(RolledBack) as caught:
        story.deploy(1 if what == "missing signature" else 2, Clock())
    assert caught.value.exit_code == Exit.ROLLED_BACK
    after = {
        path: {**one, "metadata": one["metadata"]["name"]} for path, one in fake.objects.items()
    }
    assert after == before
    assert "versions: 1" in story.config()


def test_a_crashing_pod_is_not_waited_for(story: Story, fake: FakeCluster) -> None:
    """A server that cannot load its version ends again and again: that is said at once."""
    story.deploy(1, Clock())
    fake.stuck, fake.waiting = (
        lambda one: "rehearsal" in one["metadata"]["name"],
        "CrashLoopBackOff",
    )
    clock = Clock()
    with pytest.raises(RolledBack, match="CrashLoopBackOff"):
        story.deploy(2, clock)
    assert clock.now == 0


def test_a_pod_of_an_earlier_template_does_not_count() -> None:
    """On the way back, the pod that has failed is still there: what it says is no longer asked."""
    old, new = (pin(overlay(), "champion", "taxi", version)[2] for version in (1, 2))
    template = new["spec"]["template"]
    pod = json.loads(json.dumps(template))
    pod["spec"]["volumes"].append({"name": "kube-api-access", "projected": {}})
    pod["spec"]["containers"].append({"name": "proxy", "image": "proxy"})
    assert made_from(template, pod)
    assert not made_from(old["spec"]["template"], pod)


def test_without_a_rehearsal_what_was_there_is_applied_again(
    story: Story, fake: FakeCluster
) -> None:
    """The Deployment mounts the old configuration again, and the new one is deleted."""
    story.deploy(1, Clock())
    with pytest.raises(RolledBack, match="not within"):
        story.deploy(2, Clock(), rehearse=False)
    assert "versions: 1" in story.config()
    assert [path for path in fake.objects if "configmaps" in path] == [
        path for path, one in fake.objects.items() if "versions: 1" in str(one.get("data"))
    ]


def test_what_the_cluster_refuses_is_said(story: Story, fake: FakeCluster) -> None:
    """A missing permission is told as the API server says it."""
    fake.refused = {"Deployment"}
    with pytest.raises(ClusterRefused, match="no permission"):
        story.cluster.applied(overlay()[2])


def test_a_kind_that_the_cluster_lacks_is_said(story: Story) -> None:
    """A component's CRD that is not installed is named."""
    one = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "x"},
    }
    with pytest.raises(ClusterRefused, match="PodMonitor"):
        story.cluster.get({**one, "metadata": {"name": "x"}})


def test_what_is_applied_again_is_what_was_applied(story: Story, fake: FakeCluster) -> None:
    """What others have set, or the server has filled in, is not claimed."""
    (_, _, deployment) = overlay()
    story.cluster.applied(deployment)
    live = fake.get("Deployment", "tf-serving")
    assert live is not None
    live["spec"]["paused"] = False
    live["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "3"}
    assert owned(live, "lockstep") == deployment


def test_a_difference_is_read_by_people() -> None:
    """Only what changes is shown, with a little around it; what the server keeps is not."""
    old, new = overlay()[2], overlay()[2]
    old["metadata"]["resourceVersion"] = "17"
    old["status"] = {"replicas": 1}
    assert not difference(old, new)
    new["spec"]["replicas"] = 3
    lines = difference(old, new).splitlines()
    assert [line for line in lines[2:] if line[0] in "+-"] == ["-  replicas: 1", "+  replicas: 3"]
    assert difference(None, new).count("\n+") > 10


def test_the_record_has_room_for_large_overlays(story: Story, fake: FakeCluster) -> None:
    """A ConfigMap holds a megabyte: five rollouts with a compiled pipeline of 200 kB fit, whole."""
    pipeline = "\n".join(f"task-{number}: {{image: runtime}}" for number in range(8000))
    there = {"apply": [{"kind": "ConfigMap", "data": {"pipeline.yaml": pipeline}}], "delete": []}
    text = json.dumps(there)
    made = [
        Record(f"taxi@{number}", "done", "", "2026-01-31T06:00:00Z", text, text)
        for number in range(7)
    ]
    for one in made:
        story.cluster.record(NAMESPACE, one)
    kept = fake.get("ConfigMap", "lockstep-rollouts")
    assert len(json.dumps(kept)) < 1 << 20 < len(text) * 10
    assert story.cluster.records(NAMESPACE) == made[-5:]
    assert kept is not None
    assert kept["data"]["rollouts"].splitlines()[-1] == "2026-01-31T06:00:00Z taxi@6 done"


def test_what_can_be_undone_stays_on_record_however_many_rollouts_fail(story: Story) -> None:
    """A night of failing builds does not take the way back from whoever comes in the morning."""
    done = Record("taxi@1", "done", "", "2026-01-31T06:00:00Z", "before", "after")
    story.cluster.record(NAMESPACE, done)
    for number in range(2, 20):
        failed = Record(f"taxi@{number}", "undone", "slow", "2026-01-31T06:00:00Z", "", "")
        story.cluster.record(NAMESPACE, failed)
    assert last(story.cluster.records(NAMESPACE), NAMESPACE) == done


def test_routes_come_last(story: Story, fake: FakeCluster) -> None:
    """No weight sends callers to an arm before its pods have answered."""
    route = {
        **{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"},
        **{"metadata": {"name": "tf-serving", "namespace": NAMESPACE}, "spec": {}},
    }
    objects = pin([*overlay(), route], "champion", "taxi", 1)
    expected = Expected("taxi", 1, contract())
    plan = plan_rollout(story.cluster, objects, "champion", expected, rehearse=True)
    roll_out(plan, story.cluster, Clock(), deadline=5)
    assert [path.rsplit("/", 2)[1] for _, path in fake.requests][-1] == "httproutes"
    assert [path.rsplit("/", 2)[1] for _, path in fake.requests].count("httproutes") == 1
    assert plan.steps[-2].check is not None


def two_arms() -> list[dict[str, Any]]:
    """The small environment with a challenger."""
    text = json.dumps(overlay()[1:]).replace("tf-serving-config", "tf-serving-config-challenger")
    text = text.replace('"tf-serving"', '"tf-serving-challenger"').replace("champion", "challenger")
    return [*overlay(), *json.loads(text)]


@pytest.mark.parametrize(("arm", "changed"), [("champion", ""), ("challenger", "-challenger")])
def test_the_other_arm_keeps_what_it_serves(arm: str, changed: str, story: Story) -> None:
    """The overlay's own versions are nobody's: a rollout to one arm leaves the other one alone."""
    from lockstep.pipelines.cli.rollout_cluster import ToCluster

    def dry_run(arm: str, version: int) -> list[str]:
        to, told = ToCluster(Path(), None, None, None, False, arm), list[str]()
        vars(to).update(cluster=story.cluster, objects=two_arms())
        to.deploy(Expected("taxi", version), 5, told.append, dry_run=True)
        return told

    first = "\n".join(dry_run("champion", 3))
    assert first.count("versions: 3") == 2
    assert "versions: 7" not in first
    for one in pin(pin(two_arms(), "champion", "taxi", 3), "challenger", "taxi", 4):
        story.cluster.applied(one)
    told = dry_run(arm, 5)
    same = {line for line in told if line.startswith("= ")}
    other = "" if changed else "-challenger"
    assert f"= Deployment {NAMESPACE}/tf-serving{other}" in same
    assert any(
        one.startswith(f"--- live Deployment {NAMESPACE}/tf-serving{changed}") for one in told
    )


KUBECONFIG = """apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "%s"}}]
users: [{name: me, user: {}}]
"""


def push_a_version(base: Path) -> None:
    """Put taxi's version 1 into a store: files that only look like a model, and its contract."""
    from lockstep.serving.store import ModelStore

    model = base / "made"
    (model / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index"):
        (model / name).write_bytes(b"1")
    (model / "variables/variables.data-00000-of-00001").write_bytes(b"1")
    ModelStore(str(base / "taxi")).push(str(model), {"contract.json": PROMISED}, number=1)


def test_the_command_rolls_out_shows_and_undoes(
    fake: FakeCluster, story: Story, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an overlay's directory to pods that answer, with a dry run before and the way back."""
    import yaml

    from lockstep.serving.contract.stub.fake import FakeServer
    from lockstep.serving.kustomize import render

    environment = tmp_path / "overlay"
    environment.mkdir()
    (environment / "all.yaml").write_text(yaml.safe_dump_all(overlay()))
    (environment / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    try:
        render(environment)
    except LockstepError as error:
        pytest.skip(str(error))
    push_a_version(tmp_path)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG % address)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig)
    )

    def lockstep(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, f"--overlay={environment}"])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    with FakeServer(contract()) as server:
        deploy = ("deploy", "taxi@1", f"--store={tmp_path}", f"--rest={server.address}")
        assert "+  replicas: 1" in lockstep(*deploy, "--dry-run")
        assert fake.objects == {}
        assert "taxi@1 is served" in lockstep(*deploy, "--no-rehearse")
        assert lockstep(*deploy, "--dry-run").count("= ") == len(overlay())
        assert "taxi: 1 served" in lockstep("rollout", "status", "taxi")
        assert "is served" in lockstep(*deploy)
        lockstep("rollout", "undo", "taxi")
        assert "versions: 1" in story.config()
