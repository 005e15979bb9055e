"""A ScaledObject of KEDA (``keda.sh/v1alpha1``) that asks Prometheus for vLLM's own metrics."""

from __future__ import annotations

import json
from typing import Any

from vlm_operator.rendering.companions.load_targets import KV_USE, WAITING, LoadTargets, behaviour
from vlm_operator.rendering.companions.subject import Subject


def scaled_object(subject: Subject) -> tuple[dict[str, Any], ...]:
    """The one object. It never scales to zero: vLLM's queue is empty where no server runs, so nothing would wake it.

    Raises:
        InputError: see ``Subject.bounds`` and ``Subject.scale_target``.
    """
    fewest, most = subject.bounds()
    targets = LoadTargets.of(subject)
    triggers = [_trigger(subject, WAITING, str(targets.waiting))]
    if targets.kv_use is not None:
        triggers.append(_trigger(subject, KV_USE, f"{targets.kv_use:g}"))
    spec = {
        "scaleTargetRef": subject.scale_target(),
        "minReplicaCount": fewest,
        "maxReplicaCount": most,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behaviour(subject)}},
        "triggers": triggers,
    }
    metadata = subject.metadata(waiting=targets.waiting_why, kv_use=targets.kv_use_why)
    return ({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": metadata, "spec": spec},)


def _trigger(subject: Subject, metric: str, threshold: str) -> dict[str, Any]:
    """The sum over all replicas: KEDA divides it by their number (``AverageValue``)."""
    labels = {"namespace": subject.namespace, "model_name": subject.served_name}
    chosen = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
    query = f'sum({metric}{{{chosen},pod=~"{_pods(subject)}"}})'
    values = {"serverAddress": subject.options.prometheus, "query": query, "threshold": threshold}
    return {"type": "prometheus", "metricType": "AverageValue", "metadata": values}


def _pods(subject: Subject) -> str:
    """Pattern of the names of the server's own pods: another server's name may begin with this one's."""
    of_deployment, of_group = "[a-z0-9]+-[a-z0-9]{5}", "[0-9]+"
    patterns = {"Deployment": of_deployment, "LeaderWorkerSet": of_group}
    ending = patterns.get(subject.kind, f"({of_deployment}|{of_group})")
    return f"{subject.name}-{ending}"
