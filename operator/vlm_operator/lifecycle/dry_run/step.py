"""The next step of a dry run: make its Job, wait, take its answer, try again, or give up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from vlm_operator.api.conditions import EventReason, remedy_for
from vlm_operator.api.engine_facts import manifest_of
from vlm_operator.api.lifecycle_reasons import LifecycleReason
from vlm_operator.api.names import DRY_RUN_ANNOTATION
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine_facts import DryRunReport, Ending, outcome
from vlm_operator.engine_facts.document import facts_of
from vlm_operator.errors import InputError
from vlm_operator.lifecycle.conditions import timestamp
from vlm_operator.lifecycle.decision import ChildReference, Event, EventType, LogRequest
from vlm_operator.lifecycle.dry_run.job_outcome import Failed, Reported, Waiting, job_outcome
from vlm_operator.lifecycle.dry_run.record import (
    ANSWERED,
    FAILED,
    MOST_ATTEMPTS,
    MOST_QUESTIONS,
    REFUSED,
    RUNNING,
    DryRunRecord,
)
from vlm_operator.lifecycle.dry_run.subject import DryRunSubject
from vlm_operator.lifecycle.refusal import refusal_words
from vlm_operator.lifecycle.situation import Manifest, Situation, Target
from vlm_operator.lifecycle.wording import with_remedy
from vlm_operator.rendering import DryRunRequest, ServerRequest, render_dry_run
from vlm_operator.rendering.dry_run import DEADLINE_SECONDS, MEMORY_BYTES

DRY_RUN_KINDS: Final = frozenset({"Job", "ConfigMap"})
"""Kinds of objects that a dry run consists of."""

LOST_SECONDS: Final = DEADLINE_SECONDS + 600
"""After this time a Job that is not there counts as failed; before, it is made (again)."""

LOOK_SECONDS: Final = 30.0
"""Until a Job under way is looked at again even if no watch reports anything."""

_LONGEST_NAME: Final = 40
_LONGEST_VERSION: Final = 80
_UNREPEATABLE: Final = frozenset({LifecycleReason.SIMULATION_CANNOT_TELL.value})
"""The same question ends the same way."""


@dataclass(frozen=True, slots=True)
class DryRunStep:
    """Where the dry run stands.

    Attributes:
        record: as ``status.dryRun`` should be.
        reason, message: for the condition ``Planned``.
        job: ConfigMap and Job that should be, None where none should.
        facts: what was just learnt, None where nothing was.
        events: what just became so.
        requeue_after: seconds until the next look, None where nothing more happens by itself.
    """

    record: DryRunRecord
    reason: str
    message: str
    job: tuple[Manifest, Manifest] | None = None
    facts: Manifest | None = None
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None


def next_step(situation: Situation, subject: DryRunSubject, server: ServerRequest, why: str) -> DryRunStep | LogRequest:
    """The next step of the dry run that answers ``subject``; or the log that must be read to know it.

    Args:
        server: the server that will run, for its image, volumes and environment.
        why: what is not known, in words.
    """
    record, is_new = _record(situation, subject)
    if record.state == REFUSED:
        return DryRunStep(record, str(record.reason), record.message or "")
    if record.state == FAILED:
        left = None if record.final else record.seconds_left(situation.now)
        return _given_up(record, why) if left is None else _waits(record, why, max(left, 1.0))
    name = job_name(situation.target, record)
    job = next((each for each in situation.dry_run_jobs if each["metadata"]["name"] == name), None)
    if job is None:
        if record.seconds_running(situation.now) > LOST_SECONDS:
            return _failed(situation, record, why, Failed(LifecycleReason.DRY_RUN_FAILED, f"Job {name} is gone"))
        return _under_way(situation, record, subject, server, Waiting(), why=why, is_new=is_new)
    ended = job_outcome(situation, job, record.seconds_running(situation.now))
    if isinstance(ended, LogRequest):
        return ended
    if isinstance(ended, Failed):
        return _failed(situation, record, why, ended)
    if isinstance(ended, Reported):
        return _answered(situation, record, subject, ended.report, why)
    return _under_way(situation, record, subject, server, ended, why=why, is_new=is_new)


def superfluous_jobs(situation: Situation, record: DryRunRecord | None) -> tuple[ChildReference, ...]:
    """Jobs that nobody waits for any more; one that failed stays for people to read, until its time is over."""
    done = record is None or record.state in {ANSWERED, REFUSED}
    digest = None if record is None else record.digest
    return tuple(
        ChildReference("batch/v1", "Job", job["metadata"]["name"], job["metadata"]["uid"])
        for job in situation.dry_run_jobs
        if "deletionTimestamp" not in job["metadata"]
        and (done or (job["metadata"].get("annotations") or {}).get(DRY_RUN_ANNOTATION) != digest)
    )


def job_name(target: Target, record: DryRunRecord) -> str:
    """The Job's name, the same whenever it is asked for: at most 63 characters, as its pods' labels need."""
    return f"{target.name[:_LONGEST_NAME].rstrip('-')}-dry-run-{record.digest[:8]}-{record.attempt}"


def _record(situation: Situation, subject: DryRunSubject) -> tuple[DryRunRecord, bool]:
    """The record of this question, and whether a Job is wanted that was not wanted before."""
    before = DryRunRecord.of_status(situation.target)
    started = timestamp(situation.now)
    if before is None or before.digest != subject.digest or before.state == ANSWERED:
        count = before.questions + 1 if before is not None else 1
        fresh = DryRunRecord(
            subject.digest, situation.target.generation, RUNNING, questions=count, started_at=started
        )  # fmt: skip
        if count <= MOST_QUESTIONS:
            return fresh, True
        words = f"{MOST_QUESTIONS} dry runs gave no plan"
        return replace(fresh, state=FAILED, final=True, reason=LifecycleReason.DRY_RUN_FAILED, message=words), False
    if before.state == FAILED and not before.final and before.seconds_left(situation.now) <= 0:
        again = replace(before, state=RUNNING, attempt=before.attempt + 1, reason=None, message=None)
        return replace(again, started_at=started, finished_at=None), True
    return before, False


def _under_way(
    situation: Situation,
    record: DryRunRecord,
    subject: DryRunSubject,
    server: ServerRequest,
    waiting: Waiting,
    *,
    why: str,
    is_new: bool,
) -> DryRunStep:
    name = job_name(situation.target, record)
    manifests = None
    if not waiting.is_configured:
        memory = MEMORY_BYTES * 2 ** (record.attempt - 1)
        question, program = subject.question, situation.dry_run_program
        manifests = render_dry_run(DryRunRequest(name, server, subject.digest, question, program, memory))
    rejection = situation.rejection
    if rejection is not None and rejection.kind in DRY_RUN_KINDS:
        words = f"{why}; {refusal_words(rejection)}"
        return DryRunStep(
            record, LifecycleReason.DRY_RUN_REJECTED, words, manifests, requeue_after=LOOK_SECONDS
        )  # fmt: skip
    asked = f"vLLM is asked in Job {name}, without a GPU: {why}"
    words = f"{asked}; {waiting.words}" if waiting.words else asked
    events = (Event(EventType.NORMAL, str(EventReason.DRY_RUN_STARTED), asked, "DryRun"),) if is_new else ()
    record = replace(record, message=waiting.words or None)
    return DryRunStep(
        record, LifecycleReason.DRY_RUNNING, words, manifests, events=events, requeue_after=LOOK_SECONDS
    )  # fmt: skip


def _answered(
    situation: Situation, record: DryRunRecord, subject: DryRunSubject, report: DryRunReport, why: str
) -> DryRunStep:
    ended = outcome(report)
    if ended.ending is Ending.REFUSED:
        words = with_remedy(ended.message or "", ended.hint or remedy_for(str(ended.reason)))
        return _refused(situation, record, str(ended.reason), words)
    if ended.ending is not Ending.RAN:
        words = f"{ended.message}; {ended.hint}" if ended.hint else str(ended.message)
        return _failed(situation, record, why, Failed(str(ended.reason), words))
    if not _is_release(report.vllm_version):
        words = f"{str(report.vllm_version)[:60]!r} is no vLLM release"
        return _failed(situation, record, why, Failed(LifecycleReason.DRY_RUN_FAILED, words))
    about = subject.facts
    facts = facts_of(
        about.model, about.revision, subject.gpu, about.settings, report,
        image=about.asked, namespace=about.namespace, place=about.place, hf_overrides=about.hf_overrides,
    )  # fmt: skip
    record = replace(record, state=ANSWERED, message=None, finished_at=timestamp(situation.now))
    words = f"vLLM {report.vllm_version} loaded {report.architecture} and ended its profiling run: {subject.name}"
    event = Event(EventType.NORMAL, str(EventReason.DRY_RUN_ENDED), words, "DryRun")
    return DryRunStep(
        record, LifecycleReason.DRY_RUNNING, words, facts=manifest_of(facts), events=(event,), requeue_after=0.0
    )  # fmt: skip


def _is_release(version: str | None) -> bool:
    """True for what vLLM may call itself, and an object may hold."""
    try:
        return version is not None and len(version) <= _LONGEST_VERSION and bool(EngineVersion.parse(version))
    except InputError:
        return False


def _refused(situation: Situation, record: DryRunRecord, reason: str, message: str) -> DryRunStep:
    finished = timestamp(situation.now)
    record = replace(record, state=REFUSED, final=True, reason=reason, message=message, finished_at=finished)
    event = Event(EventType.WARNING, str(EventReason.DRY_RUN_ENDED), f"{reason}: {message}", "DryRun")
    return DryRunStep(record, reason, message, events=(event,))


def _failed(situation: Situation, record: DryRunRecord, why: str, failure: Failed) -> DryRunStep:
    """One failed Job: another after a while, or, where that cannot help or has not helped, an end."""
    final = failure.reason in _UNREPEATABLE or record.attempt >= MOST_ATTEMPTS
    message = f"{failure.message} (dry run {record.attempt} of at most {MOST_ATTEMPTS})"
    record = replace(
        record, state=FAILED, final=final, reason=str(failure.reason), message=message,
        finished_at=timestamp(situation.now),
    )  # fmt: skip
    words = f"{failure.reason}: {message}"
    event = Event(EventType.WARNING, str(EventReason.DRY_RUN_ENDED), words, "DryRun")
    step = _given_up(record, why) if final else _waits(record, why, record.seconds_left(situation.now))
    return replace(step, events=(event,))


def _waits(record: DryRunRecord, why: str, seconds: float) -> DryRunStep:
    words = f"{why}; the dry run failed: {record.message}; it is tried again"
    return DryRunStep(record, str(record.reason), words, requeue_after=seconds)


def _given_up(record: DryRunRecord, why: str) -> DryRunStep:
    said = f"{why}; the dry run gave no answer: {record.message}"
    return DryRunStep(record, str(record.reason), with_remedy(said, remedy_for(str(record.reason)), source=""))
