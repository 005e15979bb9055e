"""History of an episode: ``status.attempts`` as values, each start-up and each command once.

The status is the only memory: an operator that is killed and started again reads the same history and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.settings_json import settings_from_json, settings_to_json
from vlm_operator.lifecycle.situation import Manifest, StartupKey

KEPT: Final = 16
"""Attempts kept in status, newest; the API allows 32."""

STARTING: Final = "Starting"
STARTED: Final = "Started"
FAILED: Final = "Failed"


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One command that was tried.

    Attributes:
        fingerprint: of the effective command.
        episode: the episode it belongs to.
        settings: its flags, resolved, as arithmetic saw them.
        outcome: ``Starting``, ``Started`` or ``Failed``.
        numbers: what the log printed, by name; bytes, tokens or GiB as the name says.
        key: the run whose outcome this is; None while it is starting.
        final: True where it ended the episode: no other flags would mend it.
        probe_failures: runs that the start-up probe ended.
    """

    fingerprint: str
    episode: str
    settings: EngineSettings
    outcome: str = STARTING
    reason: str | None = None
    message: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    key: StartupKey | None = None
    started_at: str | None = None
    finished_at: str | None = None
    final: bool = False
    probe_failures: int = 0

    def to_status(self) -> dict[str, Any]:
        """As one item of ``status.attempts``."""
        status: dict[str, Any] = {
            "fingerprint": self.fingerprint,
            "episode": self.episode,
            "flags": settings_to_json(self.settings),
            "outcome": self.outcome,
            "reason": self.reason,
            "message": self.message,
            "numbers": dict(self.numbers) or None,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
            "podUID": self.key.pod_uid if self.key else None,
            "containerName": self.key.container if self.key else None,
            "restartCount": self.key.run if self.key else None,
            "final": self.final or None,
            "startupProbeFailures": self.probe_failures or None,
        }
        return {name: value for name, value in status.items() if value is not None}


def _read(item: Mapping[str, Any]) -> AttemptRecord:
    key = None
    if item.get("podUID") is not None and item.get("restartCount") is not None:
        key = StartupKey(item["podUID"], item.get("containerName") or "vllm", int(item["restartCount"]))
    return AttemptRecord(
        fingerprint=item["fingerprint"],
        episode=item.get("episode") or "",
        settings=settings_from_json(item.get("flags") or {}),
        outcome=item.get("outcome") or STARTING,
        reason=item.get("reason"),
        message=item.get("message"),
        numbers=item.get("numbers") or {},
        key=key,
        started_at=item.get("startedAt"),
        finished_at=item.get("finishedAt"),
        final=bool(item.get("final")),
        probe_failures=int(item.get("startupProbeFailures") or 0),
    )


@dataclass(frozen=True, slots=True)
class History:
    """Every attempt that status remembers, oldest first."""

    attempts: tuple[AttemptRecord, ...] = ()

    @classmethod
    def of_status(cls, status: Manifest) -> History:
        """As written by ``to_status``."""
        return cls(tuple(_read(item) for item in status.get("attempts") or ()))

    def to_status(self) -> list[dict[str, Any]]:
        """The newest attempts, as ``status.attempts``."""
        return [attempt.to_status() for attempt in self.attempts[-KEPT:]]

    @property
    def handled(self) -> frozenset[StartupKey]:
        """Runs whose outcome is recorded."""
        return frozenset(attempt.key for attempt in self.attempts if attempt.key is not None)

    @property
    def served(self) -> frozenset[StartupKey]:
        """Of these, runs that served: why one of them ended, if it did, is not recorded."""
        return frozenset(each.key for each in self.attempts if each.key is not None and each.outcome == STARTED)

    def episode(self, episode: str) -> History:
        """The attempts of one episode."""
        return History(tuple(attempt for attempt in self.attempts if attempt.episode == episode))

    def failed(self) -> tuple[AttemptRecord, ...]:
        """Attempts that failed."""
        return tuple(attempt for attempt in self.attempts if attempt.outcome == FAILED)

    def find(self, episode: str, fingerprint: str) -> AttemptRecord | None:
        """The attempt of that command in that episode."""
        return next(
            (
                attempt
                for attempt in reversed(self.attempts)
                if attempt.episode == episode and attempt.fingerprint == fingerprint
            ),
            None,
        )

    def put(self, attempt: AttemptRecord) -> History:
        """With this attempt in the place of the one of the same command and episode, or appended."""
        kept = [
            replace(attempt, started_at=attempt.started_at or other.started_at) if _same(attempt, other) else other
            for other in self.attempts
        ]
        return History(tuple(kept) if any(_same(attempt, other) for other in self.attempts) else (*kept, attempt))


def _same(one: AttemptRecord, other: AttemptRecord) -> bool:
    return (one.episode, one.fingerprint) == (other.episode, other.fingerprint)


def fingerprints(attempts: Iterable[AttemptRecord]) -> frozenset[str]:
    """Fingerprints of the attempts."""
    return frozenset(attempt.fingerprint for attempt in attempts)
