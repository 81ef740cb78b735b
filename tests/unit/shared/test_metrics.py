"""The table of metrics in docs/operations.md is the metrics there are."""

import re
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from shared import metrics

ROOT = Path(__file__).parents[3]


def in_code() -> dict[str, tuple[str, ...]]:
    """The labels of each metric, by the name under which Prometheus has it."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = family.name + ("_total" if family.type == "counter" else "")
            found[name] = tuple(metric._labelnames)
    return found


def in_the_page() -> dict[str, tuple[str, ...]]:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.split("\n## Metrics\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(hearback_\w+)` \| (.*?) \| \S.*\|$", section, re.M)
    assert len(rows) == len(dict(rows)), "a metric has two rows"
    return {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def test_every_metric_is_in_the_table_with_its_labels() -> None:
    assert in_the_page() == in_code()


def test_metrics_are_only_made_where_the_table_is_compared() -> None:
    elsewhere = [
        str(path.relative_to(ROOT))
        for folder in ("shared", "services")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"prometheus_client import .*\b(Counter|Gauge|Histogram|Summary)\b", path.read_text("utf-8"))
    ]
    assert elsewhere == ["shared/metrics.py"]
