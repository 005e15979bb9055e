"""The reference of metrics lists exactly the metrics that exist, as they are."""

from __future__ import annotations

import re
from pathlib import Path

from vlm_operator.controller.metrics import Metrics

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def test_the_reference_lists_the_metrics_that_exist_with_type_labels_and_meaning() -> None:
    metrics = Metrics()
    labels = {collector._name: collector._labelnames for collector in metrics.registry._collector_to_names}  # type: ignore[attr-defined]
    existing = {
        (
            f"{family.name}_total" if family.type == "counter" else family.name,
            family.type,
            tuple(labels[family.name]),
            family.documentation,
        )
        for family in metrics.registry.collect()
    }
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    listed = {(name, kind, tuple(re.findall(r"`(\w+)`", names)), meaning) for name, kind, names, meaning in rows}
    assert listed == existing
