"""``status.dryRun``: the dry run of this generation of the spec, as a value. The status is the only memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from vlm_operator.lifecycle.conditions import timestamp
from vlm_operator.lifecycle.situation import Target

RUNNING: Final = "Running"
ANSWERED: Final = "Answered"
REFUSED: Final = "Refused"
FAILED: Final = "Failed"

MOST_ATTEMPTS: Final = 3
"""Jobs that may fail for one question before a person is asked."""

MOST_QUESTIONS: Final = 6
"""Questions that one generation of a spec may ask: figures change a plan's flags, and these are asked for again."""

_WAITS: Final = (60, 600)
"""Seconds after the first and the second failed Job."""


@dataclass(frozen=True, slots=True)
class DryRunRecord:
    """One question to vLLM, and how far it is.

    Attributes:
        digest: of the question.
        generation: of the spec that asked it; a changed spec asks anew.
        state: ``Running``, ``Answered``, ``Refused`` or ``Failed``.
        attempt: number of the Job, from 1.
        questions: how many this generation has asked.
        final: True where no further Job would tell more.
        reason, message: why it was refused or failed; while it runs, what it waits for.
        started_at: when the present Job was wanted.
        finished_at: when its end was known.
    """

    digest: str
    generation: int
    state: str
    attempt: int = 1
    questions: int = 1
    final: bool = False
    reason: str | None = None
    message: str | None = None
    started_at: str | None = None
    finished_at: str | None = None

    @classmethod
    def of_status(cls, target: Target) -> DryRunRecord | None:
        """What the status holds for this generation of the spec."""
        item = target.status.get("dryRun") or {}
        if not item or item.get("generation") != target.generation:
            return None
        return cls(
            digest=str(item["digest"]),
            generation=target.generation,
            state=str(item["state"]),
            attempt=int(item.get("attempt") or 1),
            questions=int(item.get("questions") or 1),
            final=bool(item.get("final")),
            reason=item.get("reason"),
            message=item.get("message"),
            started_at=item.get("startedAt"),
            finished_at=item.get("finishedAt"),
        )

    def to_status(self) -> dict[str, Any]:
        """As ``status.dryRun``."""
        status: dict[str, Any] = {
            "digest": self.digest,
            "generation": self.generation,
            "state": self.state,
            "attempt": self.attempt,
            "questions": self.questions,
            "final": self.final or None,
            "reason": self.reason,
            "message": self.message,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
        }
        return {name: value for name, value in status.items() if value is not None}

    def seconds_left(self, now: datetime) -> float:
        """Until the next Job may be made after a failure."""
        if self.finished_at is None:
            return 0.0
        wait = _WAITS[min(self.attempt, len(_WAITS)) - 1]
        return wait - (now - datetime.fromisoformat(self.finished_at)).total_seconds()

    def seconds_running(self, now: datetime) -> float:
        """Since the present Job was wanted."""
        return (now - datetime.fromisoformat(self.started_at or timestamp(now))).total_seconds()


def settled_record(target: Target) -> DryRunRecord | None:
    """The record where nothing is asked any more: a Job that was under way has been answered, by it or by others."""
    record = DryRunRecord.of_status(target)
    if record is None or record.state != RUNNING:
        return record
    return replace(record, state=ANSWERED, message=None)
