"""``status.attempts``: what is written is what is read."""

from __future__ import annotations

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.lifecycle.history import AttemptRecord, History
from vlm_operator.lifecycle.situation import StartupKey
from vlm_operator.lifecycle.startup_outcome import CONTAINER

FULL = AttemptRecord(
    fingerprint="f1",
    episode="e1",
    settings=EngineSettings(max_model_len=8192),
    outcome="Failed",
    reason="KVCacheTooSmall",
    message="too small",
    numbers={"neededBytes": 7},
    key=StartupKey("pod-1", CONTAINER, 2),
    started_at="2026-11-24T10:00:00Z",
    finished_at="2026-11-24T10:01:00Z",
    final=True,
)


def read(*records: AttemptRecord) -> tuple[AttemptRecord, ...]:
    return History.of_status({"attempts": [record.to_status() for record in records]}).attempts


def test_every_field_of_an_attempt_survives() -> None:
    assert read(FULL) == (FULL,)


def test_an_attempt_that_starts_has_neither_run_nor_reason() -> None:
    starting = AttemptRecord("f2", "e1", EngineSettings())
    assert set(starting.to_status()) == {"fingerprint", "episode", "flags", "outcome"}
    assert read(starting) == (starting,)


def test_runs_whose_outcome_is_known_are_handled() -> None:
    starting = AttemptRecord("f2", "e1", EngineSettings())
    status = {"attempts": [FULL.to_status(), starting.to_status()]}
    assert History.of_status(status).handled == {StartupKey("pod-1", CONTAINER, 2)}


def test_a_status_without_attempts_is_an_empty_history() -> None:
    assert History.of_status({}).attempts == ()
