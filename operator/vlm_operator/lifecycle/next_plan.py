"""From the history to the plan in force, a new plan, or a stop."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vlm_operator.api.conditions import remedy_for
from vlm_operator.api.lifecycle_reasons import LifecycleReason
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.lifecycle.command_changes import command_changes
from vlm_operator.lifecycle.history import FAILED, AttemptRecord, History, fingerprints
from vlm_operator.lifecycle.planned import Planned, Planner
from vlm_operator.lifecycle.wording import with_remedy
from vlm_operator.planning.asked_plan import AskedPlan


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more is tried until somebody changes something: a CamelCase reason, and words with the next step."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class NextPlan:
    """What is to run.

    Attributes:
        planned: the plan in force or the newly made one; None where no GPU of the cluster matches.
        stop: why nothing runs; with a plan that does not fit and no stop, nothing has ever run.
        is_new: True where the plan was just made.
        change: what the new command changes of one that failed, in words; None where none failed.
    """

    planned: Planned | None
    stop: Stop | None = None
    is_new: bool = False
    change: str | None = None

    @property
    def fits(self) -> bool:
        """False where the plan was just made and does not fit."""
        return self.planned is not None and (self.planned.plan is None or self.planned.plan.fits)


def next_plan(planner: Planner, history: History, remembered: Planned | None) -> NextPlan:
    """The remembered plan while it has not failed; else a new one within the bounds of ``spec.retune``, or a stop."""
    if remembered is None:
        return _made_anew(planner, history, None)
    attempt = history.find(remembered.episode, planner.server(remembered).fingerprint)
    if attempt is None or attempt.outcome != FAILED:
        return NextPlan(remembered)
    stop = _final(attempt) or _exhausted(planner, history, remembered, attempt)
    return NextPlan(remembered, stop) if stop is not None else _made_anew(planner, history, remembered)


def _made_anew(planner: Planner, history: History, failed: Planned | None) -> NextPlan:
    """A plan that nothing has refuted; ``failed`` is the one whose command just did."""
    planned = planner.fresh(history, failed.offer if failed else None)
    if planned is None or planned.plan is None:
        return NextPlan(planned)
    if isinstance(planned.plan, AskedPlan) and planned.plan.facts is None:
        return NextPlan(planned, is_new=True)  # a question, not yet a plan
    earlier = history.episode(planned.episode).failed()
    if not planned.plan.fits:
        return _nothing_fits(planner.spec, planned, earlier, failed.nodes if failed else planned.nodes)
    if planner.server(planned).fingerprint in fingerprints(earlier):
        return NextPlan(planned, not_converging(planner.spec, earlier[-1]), is_new=True)
    before = failed.settings if failed else (earlier[-1].settings if earlier else None)
    return NextPlan(planned, is_new=True, change=None if before is None else _changes(before, planned))


def not_converging(spec: VLMDeploymentSpec, newest: AttemptRecord) -> Stop:
    """The failure's own figures and the next step: what the plan expected is refuted."""
    step = floor_step(spec, newest) or remedy_for(newest.reason or "") or remedy_for(LifecycleReason.NOT_CONVERGING)
    words = f"{newest.reason}: {newest.message}; the best remaining plan is a command that failed before"
    return Stop(LifecycleReason.NOT_CONVERGING.value, with_remedy(words, step, source=""))


def floor_step(spec: VLMDeploymentSpec, newest: AttemptRecord) -> str:
    """The floor that vLLM's own estimate allows; empty where there is no estimate, or the floor is below it."""
    fits = newest.numbers.get("estimatedMaxLen")
    floor = spec.context.minimum if spec.context else None
    if not isinstance(fits, int) or floor is None or floor <= fits:
        return ""
    return f"lower context.minimum to at most {fits:,}"


def _nothing_fits(
    spec: VLMDeploymentSpec, planned: Planned, earlier: tuple[AttemptRecord, ...], nodes: int
) -> NextPlan:
    """A refusal before anything ran; after a failure, a stop that keeps the failed command readable.

    Args:
        nodes: that the failed command's replica stands on.
    """
    if not earlier:
        return NextPlan(planned, is_new=True)
    plan, newest = planned.plan, earlier[-1]
    assert plan is not None
    reason, words = newest.reason or str(plan.reason), f"{newest.reason}: {newest.message}"
    if plan.remedies and all(remedy.pinned for remedy in plan.remedies):
        reason = LifecycleReason.PINNED_FLAGS_STAND_IN_THE_WAY.value
    hint = plan.hint or plan.message
    floor = "" if "context.minimum" in hint else floor_step(spec, newest)
    steps = "; or ".join(step for step in (floor, hint) if step)
    stop = Stop(reason, with_remedy(f"{words}; no change of a flag that is not pinned fixes it", steps, source=""))
    return NextPlan(replace(planned, settings=newest.settings, nodes=nodes), stop, is_new=True)


def _final(attempt: AttemptRecord) -> Stop | None:
    return Stop(attempt.reason or "Unknown", attempt.message or "") if attempt.final else None


def _exhausted(planner: Planner, history: History, planned: Planned, newest: AttemptRecord) -> Stop | None:
    """The reason to stop where no further command may be tried."""
    allowed = planner.spec.retune.max_attempts
    if len(history.episode(planned.episode).attempts) <= allowed:
        return None
    words = f"{newest.reason}: {newest.message}"
    help_ = _what_would_help(planner, history, planned)
    if allowed == 0:
        return Stop(
            LifecycleReason.RETUNE_DISABLED.value, with_remedy(f"{words}; retune.maxAttempts is 0", help_, source="")
        )
    tried = f"{words}; {allowed} changed commands were tried"
    return Stop(LifecycleReason.RETUNE_EXHAUSTED.value, with_remedy(tried, help_, source=""))


def _what_would_help(planner: Planner, history: History, failed: Planned) -> str:
    proposed = planner.fresh(history, failed.offer)
    if proposed is None or proposed.plan is None:
        return ""
    if proposed.plan.fits:
        return f"this would be tried next: {_changes(failed.settings, proposed)}"
    return proposed.plan.hint or ""


def _changes(before: EngineSettings, planned: Planned) -> str:
    return command_changes(before, planned.settings, planned.plan.ladder if planned.plan else ())
