"""What the server counts, under TF Serving's names and in the text that Prometheus reads.

`util/prometheus_exporter.cc` has the format: `/tensorflow/serving/request_count` is written
`:tensorflow:serving:request_count`.
"""

import re
import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["BOUNDS", "FAMILIES", "Metrics"]

BOUNDS: Final = tuple(10 * 1.8**power for power in range(33))
"""The upper bounds of a histogram's buckets, in µs; the last bucket has none."""

LIMIT: Final = 1000
"""Series of one family; a label's value comes from the request, so there could be any number."""

_COUNT_BOUNDS: Final = tuple(float(2**power) for power in range(15))

FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "/tensorflow/serving/request_count": ("model_name", "status"),
    "/tensorflow/serving/request_latency": ("model_name", "API", "entrypoint"),
    "/tensorflow/serving/runtime_latency": ("model_name", "API", "runtime"),
    "/tensorflow/serving/request_example_counts": ("model",),
    "/tensorflow/serving/request_example_count_total": ("model",),
    "/tensorflow/serving/request_log_count": ("model_name", "status_code"),
    "/tensorflow/serving/model_warmup_latency": ("model_path", "status"),
    "/tensorflow/serving/model_warmup_records_read": ("model_path",),
    "/tensorflow/serving/batching_session/queuing_latency": ("thread_pool_name",),
    "/tensorflow/serving/batching_session/wrapped_run_count": (),
    "/tensorflow/serving/batching_session/padding_size": ("execution_batch_size",),
    "/tensorflow/serving/batching_session/input_batch_size": (),
    "/tensorflow/serving/batching_session/processed_batch_size": (),
    "/tensorflow/core/graph_runs": (),
    "/tensorflow/core/graph_run_time_usecs": (),
    "/tensorflow/core/graph_run_time_usecs_histogram": (),
    "/tensorflow/cc/saved_model/load_attempt_count": ("model_path", "status"),
    "/tensorflow/cc/saved_model/load_latency": ("model_path",),
}
"""The labels of each family, in their order."""

_HISTOGRAMS: Final[Mapping[str, tuple[float, ...]]] = {
    "/tensorflow/serving/request_latency": BOUNDS,
    "/tensorflow/serving/runtime_latency": BOUNDS,
    "/tensorflow/serving/model_warmup_latency": BOUNDS,
    "/tensorflow/serving/batching_session/queuing_latency": BOUNDS,
    "/tensorflow/serving/request_example_counts": _COUNT_BOUNDS,
    "/tensorflow/serving/batching_session/padding_size": _COUNT_BOUNDS,
    "/tensorflow/serving/batching_session/input_batch_size": _COUNT_BOUNDS,
    "/tensorflow/serving/batching_session/processed_batch_size": _COUNT_BOUNDS,
    "/tensorflow/core/graph_run_time_usecs_histogram": BOUNDS,
}


@dataclass
class _Histogram:
    bounds: tuple[float, ...]
    buckets: list[int] = field(default_factory=list[int])
    total: float = 0.0

    def add(self, value: float) -> None:
        self.buckets = self.buckets or [0] * (len(self.bounds) + 1)
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.total += value


class Metrics:
    """Counters and histograms; any thread may count."""

    def __init__(self) -> None:
        """Begin at nothing: a family without a series has only its type line."""
        self._lock = threading.Lock()
        self._counters: dict[str, dict[tuple[str, ...], float]] = {}
        self._histograms: dict[str, dict[tuple[str, ...], _Histogram]] = {}

    def count(self, name: str, labels: Mapping[str, str], amount: float = 1) -> None:
        """Add to a counter."""
        with self._lock:
            series = self._counters.setdefault(name, {})
            key = _key(series, name, labels)
            series[key] = series.get(key, 0) + amount

    def observe(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """Add a value to a histogram."""
        with self._lock:
            series = self._histograms.setdefault(name, {})
            key = _key(series, name, labels)
            if key not in series:
                series[key] = _Histogram(_HISTOGRAMS.get(name, BOUNDS))
            series[key].add(value)

    def total(self, name: str) -> float:
        """The sum of a counter's series, or the number of a histogram's values."""
        with self._lock:
            histograms = self._histograms.get(name, {}).values()
            return sum(self._counters.get(name, {}).values()) + sum(
                sum(histogram.buckets) for histogram in histograms
            )

    def page(self) -> str:
        """Everything, as Prometheus reads it."""
        lines: list[str] = []
        with self._lock:
            names = FAMILIES.keys() | self._counters.keys() | self._histograms.keys()
            for name in sorted(names):
                if name in self._histograms or (name in _HISTOGRAMS and name not in self._counters):
                    lines += _histogram(name, self._histograms.get(name, {}))
                else:
                    lines += _counter(name, self._counters.get(name, {}))
        return "\n".join(lines) + "\n"


def _key(
    series: Mapping[tuple[str, ...], object], name: str, labels: Mapping[str, str]
) -> tuple[str, ...]:
    """The labels' values in order; all the same once there are too many series."""
    known = FAMILIES.get(name)
    key = tuple([labels.get(label, "") for label in known or sorted(labels)])
    return key if key in series or len(series) < LIMIT else ("other",) * len(key)


def _written(name: str) -> str:
    return re.sub("[^a-zA-Z0-9_]", ":", name)


def _labels(name: str, values: tuple[str, ...]) -> str:
    pairs = zip(FAMILIES.get(name, ()), values, strict=False)
    escaped = ((label, _escape(value)) for label, value in pairs)
    return ",".join(f'{label}="{value}"' for label, value in escaped)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _counter(name: str, series: Mapping[tuple[str, ...], float]) -> list[str]:
    written = _written(name)
    lines = [f"# TYPE {written} counter"]
    for key, value in series.items():
        lines.append(f"{written}{{{_labels(name, key)}}} {value:.0f}")
    return lines


def _histogram(name: str, series: Mapping[tuple[str, ...], _Histogram]) -> list[str]:
    written = _written(name)
    lines = [f"# TYPE {written} histogram"]
    for key, histogram in series.items():
        labels = _labels(name, key)
        before = f"{labels}," if labels else ""
        seen = 0
        limits = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
        for limit, number in zip(limits, histogram.buckets, strict=True):
            seen += number
            lines.append(f'{written}_bucket{{{before}le="{limit}"}} {seen}')
        lines.append(f"{written}_sum{{{labels}}} {histogram.total:g}")
        lines.append(f"{written}_count{{{labels}}} {seen}")
    return lines
