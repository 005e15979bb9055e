"""All conditions, reasons and events, with their exact meaning and remedy.

The list is closed: nothing else is ever written into ``status.conditions``, ``status.plan.reason``,
``status.attempts[].reason`` or an event. A test compares it with the reasons of planning and diagnosis.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from vlm_operator.api.field_words import in_fields
from vlm_operator.api.lifecycle_reasons import LifecycleReason
from vlm_operator.api.pod_reasons import PodReason
from vlm_operator.engine.described import Described
from vlm_operator.engine.log_wordings import KINDS, Scope
from vlm_operator.engine.startup_reasons import StartupReason
from vlm_operator.feasibility import InfeasibleReason
from vlm_operator.planning.verdict import Reason


class ConditionType(StrEnum):
    """Types of ``status.conditions``."""

    PLANNED = "Planned"
    CAPACITY_VERIFIED = "CapacityVerified"
    AVAILABLE = "Available"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    CONTEXT_SUFFICIENT = "ContextSufficient"


CONDITION_MEANINGS: Final = {
    ConditionType.PLANNED: "True: flags were found that fit, and they are being applied. False: none were found, "
    "nothing is applied. Unknown: a fact is not known for certain.",
    ConditionType.CAPACITY_VERIFIED: "True: vLLM passed its own capacity check with these flags. False: it failed. "
    "Unknown: it has not come so far yet.",
    ConditionType.AVAILABLE: "True: the Deployment, or the LeaderWorkerSet of a plan over nodes, has all its replicas "
    "ready to answer requests.",
    ConditionType.READY: "The summary: True exactly if Planned, CapacityVerified and Available are. Its reason is that "
    "of the first of them that is not True. `kubectl wait --for=condition=Ready` waits for it.",
    ConditionType.RECONCILING: "True while the operator or the cluster is still at work on the spec (kstatus: "
    "InProgress). Absent otherwise.",
    ConditionType.STALLED: "True once nothing more will happen until a person changes something (kstatus: Failed). "
    "Absent otherwise.",
    ConditionType.CONTEXT_SUFFICIENT: "True: the running command has refused no request for its length or its items. "
    "False: it has; the message names the context, limit or pixel cap that would have served 95 % of them, and whether "
    "it fits on the same GPUs. Nothing is changed by itself. Unknown: requests were answered with an error that no log "
    "names. Absent before a server serves, and where its log cannot be read. No part of Ready.",
}
"""What each status of each condition says."""

REQUEST_REASONS: Final = frozenset(kind.reason for kind in KINDS if kind.scope is Scope.REQUEST)
"""Reasons of requests that a healthy server rejects: no condition has them."""

CONDITION_REASONS: Final[tuple[Described, ...]] = tuple(
    dict.fromkeys(
        (
            *Reason,
            *InfeasibleReason,
            *LifecycleReason,
            *(reason for reason in StartupReason if reason not in REQUEST_REASONS),
            *PodReason,
        )
    )
)
"""Reasons of conditions, plans and attempts; a word that plans and start-ups share is listed once."""


class EventReason(Described):
    """Reasons of events: each tells of one change, once."""

    PLANNED = "Planned", "Flags were chosen; the message has verdict, context and numbers."
    DOES_NOT_FIT = "DoesNotFit", "No flags fit; the message has numbers and remedies."
    PLAN_UNKNOWN = "PlanUnknown", "A fact is not known for certain; nothing is applied."
    DRY_RUN_STARTED = "DryRunStarted", "vLLM is asked in a Job without a GPU; the message says why."
    DRY_RUN_ENDED = "DryRunEnded", "The dry run ended; the message has what vLLM found or refused, or why it failed."
    DEPLOYED = "Deployed", "The Deployment or LeaderWorkerSet was created or changed to the plan."
    STARTUP_FAILED = "StartupFailed", "A start-up failed; the message has the log's reason and numbers."
    OUT_OF_MEMORY_IN_SERVICE = (
        "OutOfMemoryInService",
        "A server ran out of GPU memory after a clean start; the message has the log's numbers and what is done.",
    )
    RETUNED = "Retuned", "Flags were changed after a failed start-up; the message says which, why and at what price."
    STOPPED = "Stopped", "Nothing more is tried until the spec changes; the message says what to change."
    CAPACITY_VERIFIED = "CapacityVerified", "vLLM passed its capacity check; measured and predicted tokens."
    READY = "Ready", "The model serves."
    NOT_READY = "NotReady", "The model does not serve any more."
    REPAIRED = "Repaired", "A Deployment, LeaderWorkerSet or Service that was edited or deleted by hand was put back."
    NODE_FAULT = "NodeFault", "A node failed or drained the pod; nothing is held against the plan."
    PAUSED = "Paused", "The annotation vlm-operator.dev/paused was set."
    RESUMED = "Resumed", "The annotation vlm-operator.dev/paused was removed."
    REQUESTS_REFUSED = (
        "RequestsRefused",
        "The server begins to refuse requests; what would serve them.",
    )
    OBSERVED = "Observed", "A start-up's measurements were recorded."


_REMEDIES: Final = {reason.value: in_fields(reason.remedy) for reason in CONDITION_REASONS}


def remedy_for(reason: str) -> str:
    """What to do about a reason, in fields of the spec; empty where nothing needs to be done or it is not listed."""
    return _REMEDIES.get(reason, "")
