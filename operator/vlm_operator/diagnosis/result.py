"""The result of a diagnosis: outcome, one failure, figures, advice."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vlm_operator.diagnosis.failure import Failure, RequestFailure
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.refused_requests import RefusedRequests


class Outcome(StrEnum):
    """How the newest start in a log ended. ``Incomplete``: neither serving nor failed as far as the log goes."""

    FAILED = "Failed"
    STARTED = "Started"
    INCOMPLETE = "Incomplete"


@dataclass(frozen=True, slots=True)
class Advice:
    """One change, or, with ``flag`` None, the one thing a person must do.

    Attributes:
        flag: vLLM's flag or environment variable, or None.
        from_: its value in the log, None where the log does not say.
        to: the value to try, None to unset it or where no figure of the log tells it.
        why: the arithmetic or the reason, in words.
        exact: True where ``to`` follows from figures of the log alone.
    """

    flag: str | None
    from_: Any
    to: Any
    why: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one log says.

    Attributes:
        outcome: of the newest start.
        vllm_version: as printed, or None.
        failure: the root cause; for a server that started, the first request it refused, or None.
        observation: figures of the newest start.
        advice: what to change, best first.
        request_errors: each way in which requests were refused, first occurrence of each.
        recognised: False where the log holds no sign of vLLM at all.
        refused: requests that the newest start refused, counted.
    """

    outcome: Outcome
    vllm_version: str | None
    failure: Failure | None
    observation: Observation
    advice: tuple[Advice, ...] = ()
    request_errors: tuple[RequestFailure, ...] = ()
    recognised: bool = True
    refused: RefusedRequests = field(default_factory=RefusedRequests)
