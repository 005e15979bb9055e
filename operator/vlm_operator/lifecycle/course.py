"""The course of one start-up: outcome to history, history to plan or stop, and from there to conditions and events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from vlm_operator.api.conditions import ConditionType
from vlm_operator.api.lifecycle_reasons import LifecycleReason
from vlm_operator.lifecycle.children import superseded
from vlm_operator.lifecycle.conditions import Condition, timestamp
from vlm_operator.lifecycle.decision import Decision, Event, LogRequest
from vlm_operator.lifecycle.doomed import doomed_pods
from vlm_operator.lifecycle.dry_run.question import may_go_on, question_of
from vlm_operator.lifecycle.dry_run.record import FAILED, REFUSED, settled_record
from vlm_operator.lifecycle.dry_run.step import DRY_RUN_KINDS, DryRunStep, next_step, superfluous_jobs
from vlm_operator.lifecycle.events import node_events, plan_events, refusal_events, startup_events, transition_events
from vlm_operator.lifecycle.gpu_share import waits_for
from vlm_operator.lifecycle.history import STARTING, AttemptRecord, History
from vlm_operator.lifecycle.in_service import in_service
from vlm_operator.lifecycle.larger_slice import larger_slice
from vlm_operator.lifecycle.model_cache import model_cache_status
from vlm_operator.lifecycle.next_plan import NextPlan, next_plan
from vlm_operator.lifecycle.observations import used
from vlm_operator.lifecycle.planned import Planned, Planner
from vlm_operator.lifecycle.recording import Recorded, record
from vlm_operator.lifecycle.reported import InForce, conditions_of, refusal_conditions
from vlm_operator.lifecycle.several_nodes import leader_worker_set_missing
from vlm_operator.lifecycle.situation import Manifest
from vlm_operator.lifecycle.startup_outcome import StartupOutcome
from vlm_operator.lifecycle.status import plan_status, status_with
from vlm_operator.planning.verdict import Verdict

RECHECK_SECONDS: Final = 15.0
"""Until a log that could not be read, or a fault of the node, is looked at again."""

UNDER_WAY_SECONDS: Final = 60.0
"""Until a start-up under way, or what a server printed, is looked at again even if no watch reports anything."""


def course(planner: Planner, outcome: StartupOutcome) -> Decision:
    """Compute the next Decision of a VLMDeployment whose facts are all known."""
    history = History.of_status(planner.situation.target.status)
    remembered = planner.remembered(history)
    recorded = Recorded(history) if remembered is None else record(planner, history, remembered, outcome)
    step = next_plan(planner, recorded.history, remembered)
    recorded = replace(recorded, observations=(*recorded.observations, *_uses(planner, step, recorded)))
    if step.planned is None:
        words, unread = planner.offers.refusal(planner.spec.gpu, planner.spec.topology), bool(planner.offers.unreadable)
        return _refused(planner, recorded, "GPUUnknown" if unread else "NoMatchingGPU", words, unknown=unread)
    if (question := question_of(planner, step)) is not None:
        asked = next_step(planner.situation, question, planner.server(step.planned).request, _why(step.planned))
        if isinstance(asked, LogRequest):
            return Decision(needs=(asked,))
        if not (asked.record.state == FAILED and asked.record.final and may_go_on(step)):
            return _asking(planner, recorded, asked)
        decision = _in_force(_without_job_rejection(planner), recorded, step, step.planned, outcome)
        return _with_dry_run(replace(decision, events=(*asked.events, *decision.events)), planner, asked)
    planner = _without_job_rejection(planner)
    if step.fits and (missing := leader_worker_set_missing(planner.situation, step.planned)) is not None:
        return _refused(planner, recorded, LifecycleReason.LEADER_WORKER_SET_MISSING.value, missing, step.planned)
    if step.stop is None and not step.fits:
        return _does_not_fit(planner, recorded, step.planned)
    return _in_force(planner, recorded, step, step.planned, outcome)


def _without_job_rejection(planner: Planner) -> Planner:
    """Where no dry run is wanted, a Job that was not taken stands in nobody's way."""
    rejection = planner.situation.rejection
    if rejection is None or rejection.kind not in DRY_RUN_KINDS:
        return planner
    return replace(planner, situation=replace(planner.situation, rejection=None))


def _why(planned: Planned) -> str:
    """What vLLM is asked for."""
    plan = planned.plan
    return plan.message if plan is not None and not plan.fits else "spec.dryRun is Always"


def _asking(planner: Planner, recorded: Recorded, asked: DryRunStep) -> Decision:
    """vLLM is asked first: no plan yet, and whatever runs stays as it is."""
    before = planner.situation.target.status
    waits, refused = asked.requeue_after is not None, asked.record.state == REFUSED
    conditions = refusal_conditions(planner, asked.reason, asked.message, unknown=not refused, waits=waits)
    events = (*startup_events(recorded), *asked.events, *transition_events(before, conditions, is_stopped=False))
    if not waits:
        events = (*events, *refusal_events(before, conditions[0]))
    decision = _decision(planner, recorded, conditions, None, events=events)
    return replace(
        _with_dry_run(decision, planner, asked),
        engine_facts=() if asked.facts is None else (asked.facts,),
        dry_run=asked.job,
        requeue_after=asked.requeue_after,
    )


def _with_dry_run(decision: Decision, planner: Planner, asked: DryRunStep) -> Decision:
    """The decision with the dry run's record, and without Jobs that nobody waits for."""
    others = [each for each in decision.delete if each.kind != "Job"]
    jobs = superfluous_jobs(planner.situation, asked.record)
    status = {**(decision.status or {}), "dryRun": asked.record.to_status()}
    return replace(decision, status=status, delete=(*others, *jobs))


def _uses(planner: Planner, step: NextPlan, recorded: Recorded) -> tuple[Manifest, ...]:
    """Observations whose use by a plan that was just made is worth noting; none that is written anyway."""
    planned = step.planned
    if planned is None or planned.plan is None:
        return ()
    written = {item["metadata"]["name"] for item in recorded.observations}
    noted = used(planner.situation.observations, planner.key(planned.offer), planner.situation.now)
    return tuple(item for item in noted if item["metadata"]["name"] not in written)


def _in_force(
    planner: Planner, recorded: Recorded, step: NextPlan, planned: Planned, outcome: StartupOutcome
) -> Decision:
    """The plan as it runs, or the failed command kept readable with no replica."""
    situation, server = planner.situation, planner.server(planned)
    attempt = recorded.history.find(planned.episode, server.fingerprint)
    if attempt is None and step.stop is None:
        started = timestamp(situation.now)
        attempt = AttemptRecord(server.fingerprint, planned.episode, planned.settings, STARTING, started_at=started)
        recorded = replace(recorded, history=recorded.history.put(attempt))
    plan = plan_status(planned, server, situation.target.status)
    held_back = waits_for(situation, plan) if plan.get("share") else None
    in_force = InForce(planner, step, plan, attempt, recorded.history, outcome, recorded.waits_for, held_back)
    service = in_service(planner, planned, recorded.history)
    conditions = (*conditions_of(in_force), *service.conditions)
    events = (
        *startup_events(recorded),
        *node_events(situation.target.status, outcome, recorded),
        *plan_events(step),
        *transition_events(situation.target.status, conditions, is_stopped=step.stop is not None),
        *service.events,
    )
    children = server.objects(stopped=step.stop is not None or held_back is not None)
    decision = _decision(planner, recorded, conditions, plan, events=events, children=children)
    running = None if step.stop is not None else server.fingerprint
    return replace(
        decision,
        status={**(decision.status or {}), "modelCache": model_cache_status(planner.spec, server), **service.status},
        delete=(*doomed_pods(situation.pods, recorded.history, running), *decision.delete),
        superseded=superseded(situation.children, children),
    )


def _does_not_fit(planner: Planner, recorded: Recorded, planned: Planned) -> Decision:
    """No flags fit, and nothing was tried."""
    plan = planned.plan
    assert plan is not None
    unknown = plan.verdict is Verdict.UNKNOWN
    words = "; ".join(filter(None, (plan.message, plan.hint, larger_slice(planner.situation, planned))))
    reason = str(plan.reason)
    if planned.group is not None and not unknown:
        group = planned.group.found
        words, reason = "; ".join(filter(None, (group.message, group.hint))), LifecycleReason.GPU_SHARE_TOO_SMALL.value
    if unknown:
        reason = "GPUUnknown" if plan.gpu is not None and not plan.gpu.supported else "ModelLayoutUnknown"
    return _refused(planner, recorded, reason, words, planned, unknown=unknown)


def _refused(
    planner: Planner,
    recorded: Recorded,
    reason: str,
    message: str,
    planned: Planned | None = None,
    *,
    unknown: bool = False,
) -> Decision:
    before = planner.situation.target.status
    conditions = refusal_conditions(planner, reason, message, unknown=unknown)
    plan = plan_status(planned, None, before) if planned is not None else None
    events = (
        *startup_events(recorded),
        *refusal_events(before, conditions[0]),
        *transition_events(before, conditions, is_stopped=False),
    )
    return _decision(planner, recorded, conditions, plan, events=events)


def _decision(
    planner: Planner,
    recorded: Recorded,
    conditions: tuple[Condition, ...],
    plan: dict[str, Any] | None,
    *,
    events: tuple[Event, ...],
    children: tuple[Manifest, ...] = (),
) -> Decision:
    situation = planner.situation
    observed = recorded.observed or situation.target.status.get("observed")
    asked = settled_record(situation.target)
    dry_run = asked.to_status() if asked is not None else None
    status = status_with(situation, conditions, plan, recorded.history, observed, dry_run=dry_run)
    return Decision(
        children=children,
        delete=superfluous_jobs(situation, asked),
        status=status,
        events=events,
        observations=recorded.observations,
        requeue_after=RECHECK_SECONDS if recorded.waits_for else _next_look(conditions),
    )


def _next_look(conditions: Iterable[Condition]) -> float | None:
    """Seconds until the next look: while something is under way, a watch may have missed what happened meanwhile; what
    a server that serves prints has no watch. None where nothing more happens.
    """
    return None if any(condition.type is ConditionType.STALLED for condition in conditions) else UNDER_WAY_SECONDS
