"""When the alerts fire, and when they keep still."""

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

RULES: Final = Path(__file__).parents[2] / "manifests/components/monitoring/prometheus-rule.yaml"
MINUTES: Final = 40

COUNT: Final = ':tensorflow:serving:request_count{arm="A",model_name="taxi",status="%s"}'
LATENCY: Final = (
    ':tensorflow:serving:request_latency_bucket{arm="A",model_name="taxi",API="%s",le="%s"}'
)
QUEUE: Final = ':tensorflow:serving:batching_session:queuing_latency_bucket{arm="A",le="%s"}'
LOADS: Final = ':tensorflow:cc:saved_model:load_attempt_count{namespace="n",status="%s"}'
PODS: Final = 'kube_deployment_status_replicas_available{namespace="n",deployment="%s"}'
STUCK: Final = (
    "kube_deployment_status_condition{"
    'deployment="tf-serving-challenger",condition="Progressing",status="false"}'
)
SIZE: Final = 'kube_horizontalpodautoscaler_%s{horizontalpodautoscaler="tf-serving"}'
PERIODS: Final = 'container_cpu_cfs_%speriods_total{container="tf-serving"}'

Series = dict[str, str]

CASES: Final[list[tuple[str, bool, Series]]] = [
    ("TFServingErrors", True, {COUNT % "OK": "0+600", COUNT % "INTERNAL": "0+60"}),
    ("TFServingErrors", False, {COUNT % "OK": "0+600", COUNT % "INTERNAL": "0+3"}),
    ("TFServingErrors", False, {COUNT % "OK": "0+600", COUNT % "INVALID_ARGUMENT": "0+60"}),
    ("TFServingRefusals", True, {COUNT % "OK": "0+600", COUNT % "INVALID_ARGUMENT": "0+60"}),
    ("TFServingRefusals", False, {COUNT % "OK": "0+600", COUNT % "INTERNAL": "0+60"}),
    (
        "TFServingSlow",
        True,
        {
            LATENCY % ("predict", "2e5"): "0+90",
            LATENCY % ("predict", "4e5"): "0+100",
            LATENCY % ("predict", "+Inf"): "0+100",
        },
    ),
    (
        "TFServingSlow",
        False,
        {LATENCY % ("predict", "2e5"): "0+100", LATENCY % ("predict", "+Inf"): "0+100"},
    ),
    ("TFServingSlow", False, {LATENCY % ("", "2e5"): "0+0", LATENCY % ("", "+Inf"): "0+100"}),
    ("TFServingNoHealthyVersion", True, {PODS % "tf-serving": "0"}),
    ("TFServingNoHealthyVersion", True, {PODS % "tf-serving-challenger": "0"}),
    ("TFServingNoHealthyVersion", False, {PODS % "tf-serving": "1", PODS % "web": "0"}),
    ("TFServingRolloutStuck", True, {STUCK: "1"}),
    ("TFServingRolloutStuck", False, {STUCK: "0"}),
    ("TFServingVersionDoesNotLoad", True, {LOADS % "fail": "0+1"}),
    ("TFServingVersionDoesNotLoad", False, {LOADS % "success": "0+1"}),
    ("TFServingNoMetrics", True, {PODS % "tf-serving": "2"}),
    ("TFServingNoMetrics", False, {PODS % "tf-serving": "2", LOADS % "success": "1"}),
    (
        "TFServingQueues",
        True,
        {QUEUE % "1e4": "0+80", QUEUE % "5e4": "0+100", QUEUE % "+Inf": "0+100"},
    ),
    ("TFServingQueues", False, {QUEUE % "1e4": "0+100", QUEUE % "+Inf": "0+100"}),
    ("TFServingThrottled", True, {PERIODS % "": "0+600", PERIODS % "throttled_": "0+200"}),
    ("TFServingThrottled", False, {PERIODS % "": "0+600", PERIODS % "throttled_": "0+60"}),
    (
        "TFServingAtMaximum",
        True,
        {SIZE % "status_current_replicas": "6", SIZE % "spec_max_replicas": "6"},
    ),
    (
        "TFServingAtMaximum",
        False,
        {SIZE % "status_current_replicas": "5", SIZE % "spec_max_replicas": "6"},
    ),
]


def values(text: str) -> str:
    """A constant, or a counter `START+STEP`, once a minute, in promtool's notation."""
    return f"{text if '+' in text else text + '+0'}x{MINUTES}"


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    """Each alert fires on what it is for, and not on what looks like it (promtool)."""
    if not (promtool := shutil.which("promtool")):
        pytest.skip("promtool is not on the PATH: it comes with Prometheus (Debian: prometheus)")
    spec: dict[str, Any] = yaml.safe_load(RULES.read_text())["spec"]
    rules = [rule for group in spec["groups"] for rule in group["rules"]]
    for rule in rules:
        if "alert" in rule:  # whether it fires, whatever it says
            rule |= {"expr": f"count({rule['expr']})", "labels": {}, "annotations": {}}
    fired: dict[str, set[bool]] = {rule["alert"]: set() for rule in rules if "alert" in rule}
    tests: list[Any] = []
    for alert, fires, series in CASES:
        fired[alert].add(fires)
        tests.append(
            {
                "name": f"{alert} {fires} {sorted(series)}",
                "interval": "1m",
                "input_series": [{"series": k, "values": values(v)} for k, v in series.items()],
                "alert_rule_test": [
                    {
                        "eval_time": "30m",
                        "alertname": alert,
                        "exp_alerts": [{"exp_labels": {}}] if fires else [],
                    }
                ],
            }
        )
    assert all(seen == {True, False} for seen in fired.values()), fired
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    for command in (["check", "rules", "rules.yaml"], ["test", "rules", "test.yaml"]):
        done = subprocess.run([promtool, *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
