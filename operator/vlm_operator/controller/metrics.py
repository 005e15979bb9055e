"""The operator's Prometheus metrics, under the names of ``docs/reference/metrics.md``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from vlm_operator import __version__
from vlm_operator.api.conditions import EventReason
from vlm_operator.controller.fit_report_metrics import FitReportGauges
from vlm_operator.controller.queue import Key
from vlm_operator.lifecycle.decision import Event

_Labels = tuple[str, ...]

_BUDGET: Final = ("requested", "weights", "activationPeak", "nonTorch", "cudaGraph", "kvCache")


class Metrics:
    """One set of metrics with a registry of its own, so that tests may have several.

    Attributes:
        fit_reports: what each GPUFitReport says, by its name; asked at each scrape.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconciles = Counter("vlm_operator_reconcile", "Reconciles by result.", ["result"], registry=self.registry)
        self.duration = Histogram(
            "vlm_operator_reconcile_duration_seconds",
            "Duration of a reconcile, from reading to the last write.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self.conditions = Gauge(
            "vlm_operator_status_condition",
            "1 for the status (True, False, Unknown) that a condition of a VLMDeployment has.",
            ["namespace", "name", "type", "status", "reason"],
            registry=self.registry,
        )
        self.plan_bytes = Gauge(
            "vlm_operator_plan_bytes",
            "Predicted memory of one GPU by component, bytes.",
            ["namespace", "name", "component"],
            registry=self.registry,
        )
        self.retunes = Counter(
            "vlm_operator_retunes", "Commands changed after a failed start-up.", ["reason"], registry=self.registry
        )
        self.queue_length = Gauge(
            "vlm_operator_queue_length", "VLMDeployments that wait for a reconcile.", registry=self.registry
        )
        self.queue_oldest = Gauge(
            "vlm_operator_queue_oldest_seconds",
            "How long the VLMDeployment that has waited longest for its reconcile is past its time.",
            registry=self.registry,
        )
        self.queue_adds = Counter(
            "vlm_operator_queue_adds",
            "Looks at VLMDeployments that were asked for, by cause: change, clock or failure.",
            ["cause"],
            registry=self.registry,
        )
        self.leader = Gauge(
            "vlm_operator_leader",
            "1 while this operator is the one that works, 0 while it waits.",
            registry=self.registry,
        )
        build = Gauge("vlm_operator_build_info", "Version of the operator.", ["version"], registry=self.registry)
        build.labels(version=__version__).set(1)
        self.fit_reports: Callable[[], Mapping[str, Mapping[str, Any]]] = dict
        self._fit_report_gauges = FitReportGauges(self.registry)
        self._shown: dict[Key, tuple[set[_Labels], dict[_Labels, int]]] = {}

    def show(self, key: Key, status: Mapping[str, Any]) -> None:
        """Show the status of one VLMDeployment in place of what was shown of it before."""
        conditions: set[_Labels] = {
            (*key, item["type"], item["status"], item["reason"]) for item in status.get("conditions") or ()
        }
        budget = (status.get("plan") or {}).get("budget") or {}
        terms: dict[_Labels, int] = {
            (*key, component): budget[f"{component}Bytes"]
            for component in _BUDGET
            if budget.get(f"{component}Bytes") is not None
        }
        shown_conditions, shown_terms = self._shown.get(key, (set(), {}))
        for labels in shown_conditions - conditions:
            self.conditions.remove(*labels)
        for labels in shown_terms.keys() - terms.keys():
            self.plan_bytes.remove(*labels)
        for labels in conditions - shown_conditions:
            self.conditions.labels(*labels).set(1)
        for labels, size in terms.items():
            if shown_terms.get(labels) != size:
                self.plan_bytes.labels(*labels).set(size)
        self._shown[key] = (conditions, terms)

    def forget(self, key: Key) -> None:
        """The VLMDeployment is gone."""
        self.show(key, {})
        self._shown.pop(key, None)

    def count(self, events: tuple[Event, ...], status: Mapping[str, Any]) -> None:
        """Count what was decided: a changed command, under the reason of the failure it answers."""
        failures = [item for item in status.get("attempts") or () if item.get("outcome") == "Failed"]
        for event in events:
            if event.reason == EventReason.RETUNED and failures:
                self.retunes.labels(failures[-1].get("reason") or "Unknown").inc()

    def text(self) -> bytes:
        """In Prometheus' text format."""
        self._fit_report_gauges.show(self.fit_reports())
        return bytes(generate_latest(self.registry))
