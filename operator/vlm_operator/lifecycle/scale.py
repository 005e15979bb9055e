"""What the scale subresource shows: replicas that exist, and the selector of the pods that an autoscaler measures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vlm_operator.api.names import DEPLOYMENT_LABEL
from vlm_operator.lifecycle.children import runs_the_server
from vlm_operator.lifecycle.situation import Manifest


def scale_status(name: str, children: Iterable[Manifest]) -> dict[str, Any]:
    """``status.replicas`` and ``status.selector`` of the VLMDeployment ``name``.

    A group of pods is one replica, and only its leader answers requests: a LeaderWorkerSet says which label selects it
    (``status.hpaPodSelector``). An autoscaler averages over the pods that it selects.
    """
    live = next((child for child in children if runs_the_server(child)), None)
    status = (live.get("status") or {}) if live is not None else {}
    selector = status.get("hpaPodSelector") or f"{DEPLOYMENT_LABEL}={name}"
    return {"replicas": int(status.get("replicas") or 0), "selector": selector}
