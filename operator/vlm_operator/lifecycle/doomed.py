"""Pods of commands that have failed: they are not given the time that a serving pod has to end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vlm_operator.api.names import FINGERPRINT_ANNOTATION
from vlm_operator.lifecycle.decision import ChildReference
from vlm_operator.lifecycle.history import History, fingerprints
from vlm_operator.lifecycle.situation import Pod

GRACE_SECONDS: Final = 1
"""vLLM ignores SIGTERM while it loads, so a pod that serves nobody would hold its GPU for the whole grace period."""


def doomed_pods(pods: Iterable[Pod], history: History, in_force: str | None) -> tuple[ChildReference, ...]:
    """Pods whose command has failed and is no longer in force, and that still have time to end.

    They are deleted just before the Deployment is given another command, so that its controller is not the first: a
    kubelet that has begun to end a pod does not heed a shorter grace period (Kubernetes issue 83916). The pod that the
    ReplicaSet may put in their place ends with the old ReplicaSet, before its container has started.

    Args:
        in_force: fingerprint of the command that is to run now, None where none is.
    """
    failed = fingerprints(history.failed()) - {in_force}
    return tuple(
        ChildReference("v1", "Pod", pod.name, uid=pod.uid, grace_seconds=GRACE_SECONDS)
        for pod in pods
        if pod.annotations.get(FINGERPRINT_ANNOTATION) in failed
        and not (pod.deleting and pod.grace_seconds is not None and pod.grace_seconds <= GRACE_SECONDS)
    )
