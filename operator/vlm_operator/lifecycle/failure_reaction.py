"""What an outcome calls for: wait, count, plan again, or stop; with the reason and the words for conditions."""

from __future__ import annotations

from enum import StrEnum

from vlm_operator.api.conditions import remedy_for
from vlm_operator.api.lifecycle_reasons import LifecycleReason
from vlm_operator.diagnosis import OutOfMemory
from vlm_operator.engine.log_wordings import FailureClass
from vlm_operator.engine.startup_reasons import StartupReason
from vlm_operator.lifecycle.startup_outcome import StartupOutcome, StartupState
from vlm_operator.lifecycle.wording import advised, shortened, with_remedy
from vlm_operator.planning.log_evidence import SERVING


class Reaction(StrEnum):
    """What to do about an outcome."""

    NONE = "None"
    """Nothing: it starts, or it serves."""
    WAIT = "Wait"
    """Kubernetes is at it, or a log may still become readable."""
    COUNT = "Count"
    """Kubernetes starts the same command again; after some such ends nothing more is tried."""
    PLAN_AGAIN = "PlanAgain"
    """Memory: other flags may mend it."""
    STEP = "Step"
    """Memory, after a clean start: one step to other flags where there is one, else Kubernetes restarts the same."""
    STOP = "Stop"
    """No flags would mend it."""


_WAITING = {
    StartupState.NODE_FAULT: "NodeFault",
    StartupState.UNSCHEDULABLE: "Unschedulable",
    StartupState.IMAGE_UNAVAILABLE: "ImagePullFailed",
    StartupState.POD_MISCONFIGURED: "ContainerConfigInvalid",
}


def reaction_to(outcome: StartupOutcome, *, served_before: bool) -> tuple[Reaction, str, str]:
    """(reaction, reason, message) for the newest outcome; of a group the message says which rank it is of.

    Args:
        served_before: the same command has served in this episode: it is to blame only where the log of its restart
            names a start-up failure of memory.
    """
    reaction, reason, message = _reaction_to(outcome, served_before)
    pod = outcome.pod
    if pod is None or pod.group is None or reaction is Reaction.NONE:
        return reaction, reason, message
    return reaction, reason, f"rank {pod.rank} (pod {pod.name}): {message}"


def _reaction_to(outcome: StartupOutcome, served_before: bool) -> tuple[Reaction, str, str]:
    state = outcome.state
    if state in {StartupState.NONE, StartupState.STARTING, StartupState.SERVING}:
        return Reaction.NONE, "Starting", "the server is starting"
    if state in _WAITING:
        return Reaction.WAIT, _WAITING[state], outcome.message
    if state is StartupState.STARTUP_PROBE_FAILED:
        return (Reaction.WAIT if served_before else Reaction.COUNT), "StartupProbeFailed", outcome.message
    if state is StartupState.HOST_OUT_OF_MEMORY:
        reason = StartupReason.HOST_OUT_OF_MEMORY
        return Reaction.STOP, reason.value, f"{outcome.message}; {remedy_for(reason)}"
    if state is StartupState.LOG_UNREADABLE:
        reaction = Reaction.STOP if outcome.final else Reaction.WAIT
        return reaction, "LogUnreadable", outcome.message
    return _of_log(outcome, served_before)


def is_in_service(outcome: StartupOutcome) -> bool:
    """True where the GPU ran out of memory after a clean start."""
    failure = outcome.diagnosis.failure if outcome.diagnosis else None
    return isinstance(failure, OutOfMemory) and failure.retunable and failure.stage == SERVING


def _of_log(outcome: StartupOutcome, served_before: bool) -> tuple[Reaction, str, str]:
    failure = outcome.diagnosis.failure if outcome.diagnosis else None
    if failure is None:
        words = f"vLLM ended with exit code {outcome.exit_code}, and its log names no cause"
        return (Reaction.WAIT if served_before else Reaction.STOP), "Unknown", words
    message = shortened(failure.message)
    if is_in_service(outcome):
        words = f"after a clean start, while it served: {message}"
        return Reaction.STEP, LifecycleReason.OUT_OF_MEMORY_IN_SERVICE.value, words
    if failure.failure_class is FailureClass.NODE:
        return Reaction.WAIT, failure.reason, f"{message}; Kubernetes restarts it"
    if served_before and (failure.failure_class is not FailureClass.MEMORY or failure.stage == "serving"):
        return Reaction.WAIT, failure.reason, f"{message}; it has served before, so Kubernetes restarts it"
    if failure.failure_class is FailureClass.MEMORY and failure.retunable:
        return Reaction.PLAN_AGAIN, failure.reason, message
    remedy = next((advised(advice) for advice in outcome.diagnosis.advice), "") if outcome.diagnosis else ""
    return Reaction.STOP, failure.reason, with_remedy(message, remedy)
