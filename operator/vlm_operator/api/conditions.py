"""All conditions, reasons and events, with their exact meaning and remedy.

The list is closed: nothing else is ever written into ``status.conditions``, ``status.plan.reason``,
``status.attempts[].reason`` or an event. A test compares it with the reasons of planning and diagnosis.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from vlm_operator.api.described import Described
from vlm_operator.api.plan_reasons import PlanReason
from vlm_operator.api.startup_reasons import StartupReason


class ConditionType(StrEnum):
    """Types of ``status.conditions``."""

    PLANNED = "Planned"
    CAPACITY_VERIFIED = "CapacityVerified"
    AVAILABLE = "Available"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


CONDITION_MEANINGS: Final = {
    ConditionType.PLANNED: "True: flags were found that fit, and they are being applied. False: none were found, "
    "nothing is applied. Unknown: a fact is not known for certain.",
    ConditionType.CAPACITY_VERIFIED: "True: vLLM passed its own capacity check with these flags. False: it failed. "
    "Unknown: it has not come so far yet.",
    ConditionType.AVAILABLE: "True: the Deployment has all its replicas ready to answer requests.",
    ConditionType.READY: "The summary: True exactly if Planned, CapacityVerified and Available are. Its reason is that "
    "of the first of them that is not True. `kubectl wait --for=condition=Ready` waits for it.",
    ConditionType.RECONCILING: "True while the operator or the cluster is still at work on the spec (kstatus: "
    "InProgress). Absent otherwise.",
    ConditionType.STALLED: "True once nothing more will happen until a person changes something (kstatus: Failed). "
    "Absent otherwise.",
}
"""What each status of each condition says."""

CONDITION_REASONS: Final[tuple[PlanReason | StartupReason, ...]] = (*PlanReason, *StartupReason)
"""Reasons of conditions, plans and attempts."""


class EventReason(Described):
    """Reasons of events: each tells of one change, once."""

    PLANNED = "Planned", "Flags were chosen; the message has verdict, context and numbers."
    DOES_NOT_FIT = "DoesNotFit", "No flags fit; the message has numbers and remedies."
    PLAN_UNKNOWN = "PlanUnknown", "A fact is not known for certain; nothing is applied."
    DEPLOYED = "Deployed", "The Deployment was created or changed to the plan."
    STARTUP_FAILED = "StartupFailed", "A start-up failed; the message has the log's reason and numbers."
    RETUNED = "Retuned", "Flags were changed after a failed start-up; the message says which, why and at what price."
    STOPPED = "Stopped", "Nothing more is tried until the spec changes; the message says what to change."
    CAPACITY_VERIFIED = "CapacityVerified", "vLLM passed its capacity check; measured and predicted tokens."
    READY = "Ready", "The model serves."
    NOT_READY = "NotReady", "The model does not serve any more."
    REPAIRED = "Repaired", "A Deployment or Service that was edited or deleted by hand was put back."
    NODE_FAULT = "NodeFault", "A node failed or drained the pod; nothing is held against the plan."
    PAUSED = "Paused", "The annotation vlm-operator.dev/paused was set."
    RESUMED = "Resumed", "The annotation vlm-operator.dev/paused was removed."
    OBSERVED = "Observed", "A start-up's measurements were recorded."


def remedy_for(reason: str) -> str:
    """What to do about a reason, empty where nothing needs to be done or the reason is not of the list."""
    return next((member.remedy for member in CONDITION_REASONS if member.value == reason), "")
