"""A HorizontalPodAutoscaler (``autoscaling/v2``) on vLLM's own metrics.

The metrics come from a custom metrics API (``custom.metrics.k8s.io``), such as the Prometheus adapter's, under the
names that vLLM gives them.
"""

from __future__ import annotations

from typing import Any

from vlm_operator.rendering.companions.load_targets import KV_USE, WAITING, LoadTargets, behaviour
from vlm_operator.rendering.companions.subject import Subject


def pod_autoscaler(subject: Subject) -> tuple[dict[str, Any], ...]:
    """The one object.

    Raises:
        InputError: see ``Subject.bounds`` and ``Subject.scale_target``.
    """
    fewest, most = subject.bounds()
    targets = LoadTargets.of(subject)
    metrics = [_metric(WAITING, str(targets.waiting))]
    if targets.kv_use is not None:
        metrics.append(_metric(KV_USE, f"{round(targets.kv_use * 1000)}m"))
    spec = {
        "scaleTargetRef": subject.scale_target(),
        "minReplicas": fewest,
        "maxReplicas": most,
        "metrics": metrics,
        "behavior": behaviour(subject),
    }
    metadata = subject.metadata(waiting=targets.waiting_why, kv_use=targets.kv_use_why)
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    return ({**kind, "metadata": metadata, "spec": spec},)


def _metric(name: str, average: str) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": average}
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": target}}
