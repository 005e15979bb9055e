"""From the newest start-up outcome to the history: each run is recorded once, with what it measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vlm_operator.api.conditions import remedy_for
from vlm_operator.api.pod_reasons import PodReason
from vlm_operator.capacity.kv import kv_layout
from vlm_operator.diagnosis import Diagnosis
from vlm_operator.diagnosis.document import camel_case
from vlm_operator.diagnosis.failure import KVCacheTooSmall
from vlm_operator.engine.kv_cache_rules import CPU_CAPABILITY, NULL_BLOCK_SINCE
from vlm_operator.errors import UnknownFact
from vlm_operator.lifecycle.conditions import timestamp
from vlm_operator.lifecycle.failure_reaction import Reaction, is_in_service, reaction_to
from vlm_operator.lifecycle.history import FAILED, STARTED, AttemptRecord, History
from vlm_operator.lifecycle.observations import recorded as observation_with
from vlm_operator.lifecycle.planned import Planned, Planner
from vlm_operator.lifecycle.serving_step import no_step
from vlm_operator.lifecycle.situation import Manifest
from vlm_operator.lifecycle.startup_outcome import StartupOutcome, StartupState
from vlm_operator.lifecycle.wording import with_remedy
from vlm_operator.planning.log_evidence import MeasuredStartup, measured_startup


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is known once the newest outcome has been taken into account.

    Attributes:
        history: with the outcome in it.
        failed: the attempt whose run was just recorded as failed, None where none was.
        observed: ``status.observed`` of a server that was just read, None where none was.
        observations: ``StartupObservation`` objects with the run's figures in them.
        waits_for: (reason, message) of what Kubernetes, or a log, is waited for; None where nothing is.
    """

    history: History
    failed: AttemptRecord | None = None
    observed: dict[str, Any] | None = None
    observations: tuple[Manifest, ...] = ()
    waits_for: tuple[str, str] | None = None


def record(planner: Planner, history: History, planned: Planned, outcome: StartupOutcome) -> Recorded:
    """Record the outcome against the command it belongs to; an outcome of another command changes nothing."""
    server = planner.server(planned)
    attempt = history.find(planned.episode, server.fingerprint)
    if attempt is None or outcome.pod is None or not server.runs_in(outcome.pod):
        return Recorded(history)
    if outcome.key is not None and outcome.key in history.handled and not is_in_service(outcome):
        return Recorded(history)
    if outcome.pod.group is not None and attempt.outcome == FAILED:
        return Recorded(history)  # the other ranks end with it
    if outcome.state is StartupState.SERVING:
        return _served(planner, history, planned, attempt, outcome)
    reaction, reason, message = reaction_to(outcome, served_before=attempt.outcome == STARTED)
    if reaction is Reaction.WAIT:
        return Recorded(history, waits_for=(reason, message))
    if reaction is Reaction.NONE:
        return Recorded(history)
    if reaction is Reaction.COUNT:
        return _counted(planner, history, attempt, outcome)
    failed = replace(
        attempt, outcome=FAILED, reason=reason, message=message, key=outcome.key, final=reaction is Reaction.STOP
    )
    recorded = _failed(planner, history, planned, failed, outcome)
    if reaction is Reaction.STEP and (words := no_step(planner, recorded.history, planned)) is not None:
        waits = (reason, f"{message}; {words}, so Kubernetes restarts it")
        news = tuple(item for item in recorded.observations if not _is_told(planner, item))
        return Recorded(history, observations=news, waits_for=waits)
    return recorded


def _counted(planner: Planner, history: History, attempt: AttemptRecord, outcome: StartupOutcome) -> Recorded:
    """One more run that the start-up probe ended: the command stays until as many were ended as may be."""
    number, most = attempt.probe_failures + 1, max(planner.spec.retune.max_attempts, 1)
    times = f"start-up {number} of at most {most}"
    if number < most:
        message = f"{outcome.message} ({times})"
    else:
        message = with_remedy(f"{outcome.message} ({times})", remedy_for(PodReason.STARTUP_PROBE_FAILED), source="")
    counted = replace(
        attempt,
        outcome=FAILED if number >= most else attempt.outcome,
        reason=PodReason.STARTUP_PROBE_FAILED.value,
        message=message,
        key=outcome.key,
        probe_failures=number,
        final=number >= most,
        finished_at=outcome.finished_at or timestamp(planner.situation.now),
    )
    return Recorded(history.put(counted), failed=counted)


def _served(
    planner: Planner, history: History, planned: Planned, attempt: AttemptRecord, outcome: StartupOutcome
) -> Recorded:
    if outcome.diagnosis is None:
        return Recorded(history)
    startup = _measured(planner, planned, outcome.diagnosis)
    started = replace(
        attempt,
        outcome=STARTED,
        reason=None,
        message=None,
        key=outcome.key,
        numbers=_numbers(startup),
        finished_at=timestamp(planner.situation.now),
        probe_failures=0,
    )
    return Recorded(
        history.put(started),
        observed=_observed(startup, outcome.diagnosis, attempt.fingerprint, planner.situation.target.status),
        observations=_observations(planner, planned, outcome, startup, None),
    )


def _failed(
    planner: Planner, history: History, planned: Planned, failed: AttemptRecord, outcome: StartupOutcome
) -> Recorded:
    numbers: dict[str, Any] = {}
    observations: tuple[Manifest, ...] = ()
    if outcome.diagnosis is not None:
        startup = _measured(planner, planned, outcome.diagnosis)
        failure = outcome.diagnosis.failure
        printed = failure.numbers.items() if failure else ()
        numbers = {**{camel_case(name): value for name, value in printed}, **_numbers(startup)}
        observations = _observations(planner, planned, outcome, startup, failed)
    finished = outcome.finished_at or timestamp(planner.situation.now)
    failed = replace(failed, numbers=numbers, finished_at=finished)
    return Recorded(history.put(failed), failed=failed, observations=observations)


def _measured(planner: Planner, planned: Planned, diagnosis: Diagnosis) -> MeasuredStartup:
    capability = planned.gpu.compute_capability if planned.gpu is not None else CPU_CAPABILITY
    try:
        layout = kv_layout(planner.model, planned.settings, planner.version, capability) if planner.model else None
    except UnknownFact:
        layout = None
    if layout is None:  # only vLLM itself knows the model
        return measured_startup(diagnosis, _told_bytes_per_block(planner, planned), planner.version)
    startup = measured_startup(diagnosis, layout.bytes_per_block, planner.version)
    failure = diagnosis.failure
    if planned.offer is not None or planner.version < NULL_BLOCK_SINCE or not isinstance(failure, KVCacheTooSmall):
        return startup
    if not failure.estimated_max_len or startup.kv_cache_bytes is None:
        return startup
    # On the CPU backend nothing is estimated: the length that vLLM says would fit is exact, its GiB are rounded.
    held = layout.least_bytes_that_start(failure.estimated_max_len)
    return replace(startup, kv_cache_bytes=max(startup.kv_cache_bytes, held))


def _told_bytes_per_block(planner: Planner, planned: Planned) -> int:
    """Bytes of a block of the KV cache as a dry run on as many GPUs told; 0 where none does."""
    ranks = planned.settings.tensor_parallel_size
    told = (each.report.bytes_per_block for each in planner.facts if each.settings.tensor_parallel_size == ranks)
    return next((size for size in told if size), 0)


def _observations(
    planner: Planner,
    planned: Planned,
    outcome: StartupOutcome,
    startup: MeasuredStartup,
    failed: AttemptRecord | None,
) -> tuple[Manifest, ...]:
    """The observation of this start-up; none where nothing was measured, or where nobody else could use it."""
    if (startup.kv_cache_bytes is None and not startup.in_service) or outcome.key is None:
        return ()
    if planner.spec.model.id is None:  # the same path may hold another model on another volume
        return ()
    item = observation_with(
        planner.situation.observations,
        planner.key(planned.offer),
        planned.settings,
        startup,
        run=outcome.key,
        reason=failed.reason if failed else None,
        message=failed.message if failed else None,
        now=planner.situation.now,
    )
    return (item,)


def _is_told(planner: Planner, item: Manifest) -> bool:
    """True where the observation holds the end of this very run already."""
    name, spec = item["metadata"]["name"], item["spec"]
    known: Manifest = next(
        (each["spec"] for each in planner.situation.observations if each["metadata"]["name"] == name), {}
    )
    return bool(known) and all(known.get(field) == spec.get(field) for field in ("lastRun", "reason"))


def _numbers(startup: MeasuredStartup) -> dict[str, Any]:
    numbers = {
        "kvCacheBytes": startup.kv_cache_bytes,
        "kvTokens": startup.kv_tokens,
        "totalBytes": startup.total_bytes,
        "freeBytes": startup.free_bytes,
        "missingBytes": startup.missing_bytes,
        "outsideBudget": startup.outside_budget or None,
        "inService": startup.in_service or None,
        "servingPeakBytes": startup.serving_peak_bytes,
        "compileCache": startup.compile_cache,
    }
    return {name: value for name, value in numbers.items() if value is not None}


def _observed(startup: MeasuredStartup, diagnosis: Diagnosis, fingerprint: str, status: Manifest) -> dict[str, Any]:
    predicted = ((status.get("plan") or {}).get("container") or {}).get("capacityTokens")
    values = {
        "fingerprint": fingerprint,
        "kvTokens": startup.kv_tokens,
        "kvCacheBytes": startup.kv_cache_bytes,
        "compileCache": startup.compile_cache,
        "weightsBytes": startup.weights_bytes,
        "activationPeakBytes": startup.activation_peak_bytes,
        "nonTorchBytes": startup.non_torch_bytes,
        "cudaGraphBytes": startup.cuda_graph_bytes,
        "totalBytes": startup.total_bytes,
        "freeBytes": startup.free_bytes,
        "concurrency": diagnosis.observation.concurrency,
        "predictedKvTokens": predicted,
    }
    return {name: value for name, value in values.items() if value is not None}
