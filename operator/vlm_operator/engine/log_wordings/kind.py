"""The kinds of failure vLLM logs: wording, meaning and remedy in one record each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vlm_operator.engine.log_wordings.template import Wording


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
        reason: the word for conditions and JSON; several kinds may share one.
        failure_class: who can mend it.
        retunable: True where changing flags or environment variables of vLLM alone can mend it.
        priority: of several kinds in one log the smallest is the cause.
        meaning: what happened, one sentence.
        remedy: what to do about it, one sentence.
        wordings: any of them names the failure.
        details: further figures that may stand in the same record.
        stage: stage of the start that the wording itself tells, or None.
        scope: see ``Scope``.
        pieces: further fixed pieces of the same sentences, by which one is known that was cut (see ``fragment``).
        changes: flags or environment variables that mend it whatever its figures: name, value to set, why.
    """

    name: str
    reason: str
    failure_class: FailureClass
    retunable: bool
    priority: int
    meaning: str
    remedy: str
    wordings: tuple[Wording, ...]
    details: tuple[Wording, ...] = ()
    stage: str | None = None
    scope: Scope = Scope.STARTUP
    pieces: tuple[str, ...] = ()
    changes: tuple[tuple[str, Any, str], ...] = ()
