"""The kinds of failure that vLLM logs: one record each with its wordings and its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vlm_operator.engine.log_wordings.template import Wording
from vlm_operator.engine.startup_reasons import StartupReason


class FailureClass(StrEnum):
    """Who can mend a failure, and so how the operator reacts.

    Memory: flags that trade memory. Configuration: flags that contradict each other or the model. Hardware: another
    GPU, or flags that avoid what this one lacks. Node: pod, node or network. Model: repository or checkpoint. Request:
    the client; the server is healthy. Unknown: nobody knows yet.
    """

    MEMORY = "Memory"
    CONFIGURATION = "Configuration"
    HARDWARE = "Hardware"
    NODE = "Node"
    MODEL = "Model"
    REQUEST = "Request"
    UNKNOWN = "Unknown"


class Scope(StrEnum):
    """What a sentence is about: a start that failed, one request, or only that something failed elsewhere."""

    STARTUP = "startup"
    REQUEST = "request"
    WRAPPER = "wrapper"


@dataclass(frozen=True)
class FailureKind:
    """One failure that vLLM, or a library below it, names.

    Attributes:
        name: identity, in snake_case.
        reason: the word for conditions and JSON, with its meaning and remedy; several kinds may share one.
        failure_class: who can mend it.
        retunable: True where changing flags or environment variables of vLLM alone can mend it.
        priority: of several kinds in one log the smallest is the cause.
        wordings: any of them names the failure.
        details: further figures that may stand in the same record.
        stage: stage of the start that the wording itself tells, or None.
        scope: see ``Scope``.
        pieces: further fixed pieces of the same sentences, by which one is known that was cut (see ``fragment``).
        case, case_remedy: what happened and what to do, where the kind is a narrower case than its reason; empty where
            the reason's words hold.
        changes: flags or environment variables that mend it whatever its figures: name, value to set, why.
    """

    name: str
    reason: StartupReason
    failure_class: FailureClass
    retunable: bool
    priority: int
    wordings: tuple[Wording, ...]
    details: tuple[Wording, ...] = ()
    stage: str | None = None
    scope: Scope = Scope.STARTUP
    pieces: tuple[str, ...] = ()
    case: str = ""
    case_remedy: str = ""
    changes: tuple[tuple[str, Any, str], ...] = ()

    @property
    def meaning(self) -> str:
        """What happened, as one sentence."""
        return self.case or self.reason.meaning

    @property
    def remedy(self) -> str:
        """What to do about it, as one sentence."""
        return self.case_remedy or self.reason.remedy
