"""Figures of ``GPUFitReport``s as Prometheus gauges, set anew for each scrape."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge


class FitReportGauges:
    """Gauges of every report; without a report they have no series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lock = threading.Lock()
        self.reserved = Gauge(
            "vlm_operator_gpu_reserved_bytes",
            "GPU memory that vLLM servers reserve by node group, as the last audit found it, bytes.",
            ["report", "node_group"],
            registry=registry,
        )
        self.needed = Gauge(
            "vlm_operator_gpu_needed_bytes",
            "What they need of it: weights, start-up peak, one request of the whole context, bytes.",
            ["report", "node_group"],
            registry=registry,
        )
        self.findings = Gauge(
            "vlm_operator_gpu_findings",
            "Findings of the last audit by severity and kind; kind is empty where there is none of a severity.",
            ["report", "severity", "kind"],
            registry=registry,
        )
        self.audited = Gauge(
            "vlm_operator_gpu_audit_timestamp_seconds",
            "When the cluster was last audited, Unix time.",
            ["report"],
            registry=registry,
        )

    def show(self, specs: Mapping[str, Mapping[str, Any]]) -> None:
        """Show these reports by their names, in place of those shown before."""
        with self._lock:
            for gauge in (self.reserved, self.needed, self.findings, self.audited):
                gauge.clear()
            for name, spec in specs.items():
                self._show(name, spec)

    def _show(self, name: str, spec: Mapping[str, Any]) -> None:
        for group in spec.get("groups") or ():
            self.reserved.labels(name, group["name"]).set(group.get("reservedBytes", 0))
            self.needed.labels(name, group["name"]).set(group.get("neededBytes", 0))
        kinds = spec.get("kinds") or ()
        for row in kinds:
            self.findings.labels(name, row["severity"], row["kind"]).set(row["count"])
        for severity in ("error", "warning", "info"):
            if all(row["severity"] != severity for row in kinds):
                self.findings.labels(name, severity, "").set(0)
        at = _seconds(spec.get("auditedAt"))
        if at is not None:
            self.audited.labels(name).set(at)


def _seconds(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
