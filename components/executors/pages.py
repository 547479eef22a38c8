"""Pages that a step leaves behind for people: one self-contained HTML file each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=PackageLoader(__package__ or "", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write(file: Path, template: str, **values: Any) -> None:
    """Render `templates/TEMPLATE.html` into `file`."""
    file.write_text(_ENVIRONMENT.get_template(f"{template}.html").render(**values))


def write_anomalies(file: Path, found: Mapping[str, Mapping[str, tuple[str, str]]]) -> None:
    """Draw anomalies: split -> feature -> (in short, at length)."""
    write(file, "anomalies", found=found)


def write_statistics(file: Path, statistics: Mapping[str, Path]) -> None:
    """Draw statistics: name -> `FeatureStats.pb`."""
    import tensorflow_data_validation as tfdv

    datasets = {
        name: tfdv.load_stats_binary(str(path)).datasets[0] for name, path in statistics.items()
    }
    splits = {
        name: (data.num_examples, [row(f) for f in data.features])
        for name, data in datasets.items()
    }
    write(file, "statistics", splits=splits)


@dataclass(frozen=True)
class Row:
    """One feature of one split, as the page shows it."""

    name: str
    kind: str
    count: int
    missing: float
    summary: str
    bars: list[float]
    """Heights of a histogram, 0 to 1."""


def row(feature: Any) -> Row:
    """Summarise a `FeatureNameStatistics`."""
    kind = feature.WhichOneof("stats")
    stats = getattr(feature, kind)
    common = stats.common_stats
    total = common.num_non_missing + common.num_missing
    present = common.num_non_missing
    if common.max_num_values <= 1:  # an empty cell of a CSV file is a list without a value
        present = min(present, common.tot_num_values)
    name = feature.name or ".".join(feature.path.step)
    summary, bars = "", []
    if kind == "num_stats":
        summary = (
            f"mean {stats.mean:.4g}, std {stats.std_dev:.4g}, min {stats.min:.4g}, "
            f"median {stats.median:.4g}, max {stats.max:.4g}, zeros {stats.num_zeros}"
        )
        bars = [b.sample_count for h in stats.histograms[:1] for b in h.buckets]
    elif kind == "string_stats":
        top = ", ".join(f"{v.value} ({v.frequency:.0f})" for v in stats.top_values[:5])
        summary = f"{stats.unique} values: {top}" if top else "no value"
        bars = [b.sample_count for b in stats.rank_histogram.buckets[:20]]
    highest = max(bars, default=0) or 1
    return Row(
        name=name,
        kind=feature.Type.Name(feature.type),
        count=present,
        missing=1 - present / total if total else 0.0,
        summary=summary,
        bars=[b / highest for b in bars],
    )
