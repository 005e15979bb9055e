"""Whether vLLM must be asked before a plan is applied, and what."""

from __future__ import annotations

from vlm_operator.lifecycle.dry_run.knowledge import about
from vlm_operator.lifecycle.dry_run.record import MOST_QUESTIONS, DryRunRecord
from vlm_operator.lifecycle.dry_run.subject import DryRunSubject
from vlm_operator.lifecycle.next_plan import NextPlan
from vlm_operator.lifecycle.planned import Planner
from vlm_operator.planning.asked_plan import AskedPlan


def question_of(planner: Planner, step: NextPlan) -> DryRunSubject | None:
    """What vLLM is to be asked before this plan is applied, None where nothing is.

    Raises:
        UnknownFact: the GPU's compute capability is not known.
    """
    planned = step.planned
    if planned is None or planned.offer is None or planned.plan is None or step.stop is not None:
        return None
    if planner.spec.dry_run == "Never":
        return None
    if isinstance(planned.plan, AskedPlan):
        return planner.subject(planned.offer, planned.settings) if planned.plan.facts is None else None
    if planner.spec.dry_run != "Always" or not planned.plan.fits:
        return None
    subject = planner.subject(planned.offer, planned.settings)
    if about(planner.facts, subject, planner.intent, exactly=True) is not None:
        return None
    record = DryRunRecord.of_status(planner.situation.target)
    # Figures of one answer may change the flags, and these are asked about again: not without end.
    is_last = record is not None and record.questions >= MOST_QUESTIONS and record.digest != subject.digest
    return None if is_last else subject


def may_go_on(step: NextPlan) -> bool:
    """True for a plan that rules have made: where the dry run gives no answer it is applied all the same."""
    planned = step.planned
    return planned is not None and planned.plan is not None and planned.plan.fits
