"""Decide what should be done about one VLMDeployment: a pure function of its situation.

Three classes of failure, three reactions: a model or configuration that cannot work stops at once; a fault of the node
is Kubernetes' to repair and counts against nobody; a memory failure is measured, planned around within the user's
bounds, and tried again with other flags, never with the same.
"""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.api.base import parse
from vlm_operator.api.names import PAUSED_ANNOTATION
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.errors import InputError, ModelNotFound, SourceUnavailable, UnknownFact, VlmOperatorError
from vlm_operator.lifecycle.course import course
from vlm_operator.lifecycle.decision import Decision
from vlm_operator.lifecycle.dry_run.step import DRY_RUN_KINDS
from vlm_operator.lifecycle.events import resumed_event
from vlm_operator.lifecycle.history import History
from vlm_operator.lifecycle.planned import Planner
from vlm_operator.lifecycle.refusal import paused, refusal_words, refused
from vlm_operator.lifecycle.replica_outcome import replica_outcome
from vlm_operator.lifecycle.serving_step import settled_runs
from vlm_operator.lifecycle.situation import Situation
from vlm_operator.rendering import check_spec

SOURCE_RETRY_SECONDS = 30.0
"""Until a model source that did not answer is asked again."""


def decide(situation: Situation) -> Decision:
    """What should be; where a log is needed first, ``Decision.needs`` says which, and nothing else is decided."""
    target = situation.target
    if target.deleting:
        return Decision()
    if target.annotations.get(PAUSED_ANNOTATION) == "true":
        return paused(situation)
    decision = _decide(situation)
    if target.status.get("paused") and not decision.needs:
        return replace(decision, events=(resumed_event(), *decision.events))
    return decision


def _decide(situation: Situation) -> Decision:
    """The decision about a VLMDeployment that is neither deleted nor paused."""
    target = situation.target
    try:
        spec = parse(VLMDeploymentSpec, target.spec, where="spec")
        check_spec(spec, situation.pod_template_policy)
        if situation.model is None and situation.model_error is None:
            return refused(situation, "Planning", "the model's config is being read", requeue_after=1.0, waiting=True)
        planner = Planner.of(situation, spec)
        outcome = replica_outcome(situation, settled_runs(situation.pods, History.of_status(target.status)))
        if isinstance(outcome, tuple):
            return Decision(needs=outcome)
        decision = course(planner, outcome)
        rejection = situation.rejection
        is_of_child = rejection is not None and rejection.kind not in DRY_RUN_KINDS
        if rejection is not None and is_of_child and not rejection.transient and decision.children:
            # Said instead of the plan's conditions; the children stay in, to be applied as soon as they are accepted.
            said = refused(situation, "InvalidSpec", refusal_words(rejection))
            return replace(
                said, children=decision.children, status={**(said.status or {}), "refusal": rejection.to_status()}
            )
        return decision
    except SourceUnavailable as error:
        return refused(situation, "ModelSourceUnavailable", _words(error), requeue_after=SOURCE_RETRY_SECONDS)
    except UnknownFact as error:
        reason = "EngineVersionUnknown" if error.field in {"engine.image", "vllm-version"} else "ModelLayoutUnknown"
        return refused(situation, reason, _words(error), unknown=True)
    except ModelNotFound as error:
        return refused(situation, "ModelNotFound", _words(error))
    except InputError as error:
        return refused(situation, type(error).__name__.replace("InputError", "InvalidSpec"), _words(error))


def _words(error: VlmOperatorError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
