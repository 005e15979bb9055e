"""A PodDisruptionBudget (``policy/v1``): a drain takes one pod of a model server at a time."""

from __future__ import annotations

from typing import Any

from vlm_operator.rendering.companions.subject import Subject


def disruption_budget(subject: Subject) -> tuple[dict[str, Any], ...]:
    """The one object.

    One pod may go at a time, so a server of one replica never blocks a drain; pods that are not ready never do. A group
    over several nodes starts anew when one of its pods goes, and the next is kept until all are ready again.
    """
    spec = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": dict(subject.group)},
    }
    kind = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}
    return ({**kind, "metadata": subject.metadata(), "spec": spec},)
