"""Choose the flags: from an intent and the facts to one plan.

The order of decisions: limits and context from the workload; the fewest GPUs on which they fit as wanted or with mild
levers; only where no number of GPUs is enough, the fewest on which dear levers help; the utilisation; then the context
grown where that costs nothing. Pinned flags are read, never written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import require_known
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.feasibility import Infeasible, as_served, require_own_class
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.alternatives import alternatives
from vlm_operator.planning.attempt import Attempt, on_shape
from vlm_operator.planning.evaluation import Evaluation
from vlm_operator.planning.evidence import NOTHING, Evidence
from vlm_operator.planning.fitting import what_would_fit
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.judge import Judge
from vlm_operator.planning.plan import Plan, Refusal, Remedy, no_hint
from vlm_operator.planning.remedies import as_hint, remedies
from vlm_operator.planning.shapes import Shape, shapes
from vlm_operator.planning.uncounted import uncounted_flags
from vlm_operator.planning.validation import validate, validate_reserve
from vlm_operator.planning.vendor_free import VendorFree, vendor_free
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.planning.workload import WantedContext


def plan(model: ModelFacts, gpu: GPUFacts, intent: Intent, evidence: Evidence = NOTHING) -> Plan:
    """The plan for ``model`` on GPUs like ``gpu``; what is not known for certain gives the verdict ``Unknown``.

    ``evidence`` holds what earlier start-ups of that model on that GPU measured.

    Raises:
        InputError: a pinned flag is out of range, contradicts another, or the model cannot serve the workload at all.
    """
    validate(intent)
    try:
        require_known(intent.version)
        require_own_class(model.architecture, intent.version)
        if not gpu.supported:
            return _vendor_free_plan(as_served(model, intent.settings, gpu), gpu, intent)
        validate_reserve(intent, gpu)
        return _plan(as_served(model, intent.settings, gpu), gpu, intent, evidence)
    except UnknownFact as unknown:
        return unknown_plan(model, gpu, intent, unknown)


def unknown_plan(model: ModelFacts, gpu: GPUFacts | None, intent: Intent, unknown: UnknownFact) -> Plan:
    """The plan that says what is not known, and what would make it known."""
    return Plan(
        model=model,
        gpu=gpu,
        gpu_count=intent.gpu_count or intent.settings.tensor_parallel_size,
        version=intent.version,
        intent=intent,
        settings=intent.settings,
        verdict=Verdict.UNKNOWN,
        reason=Reason.LAYOUT_UNKNOWN,
        refusal=Refusal(unknown.message, unknown.hint),
    )


def _vendor_free_plan(model: ModelFacts, gpu: GPUFacts, intent: Intent) -> Plan:
    """The plan on a GPU whose start-up memory is not known: what is known, on the fewest GPUs whose sum may do.

    It is ``DoesNotFit`` only where weights and one request alone are too much.

    Raises:
        InputError: the workload or a pinned flag contradicts the model.
        UnknownFact: weights or layout are not known for certain.
    """
    found: VendorFree | None = None
    for shape in shapes(model, intent):
        if shape.stages > 1 or shape.nodes > 1:  # what lies on which stage depends on the start-up memory too
            continue
        found = vendor_free(model, gpu, intent, shape.tensor)
        if found.room_bytes >= 0:
            break
    if found is None:
        raise UnknownFact(
            f"gpu: the start-up memory of {gpu.product} is not known",
            field="gpu",
            hint="only NVIDIA GPUs can be planned",
        )
    fails = found.room_bytes < 0
    settings = found.settings
    return Plan(
        model=model,
        gpu=gpu,
        gpu_count=settings.tensor_parallel_size * settings.pipeline_parallel_size * settings.data_parallel_size,
        version=intent.version,
        intent=intent,
        settings=intent.settings.with_(
            tensor_parallel_size=settings.tensor_parallel_size, max_model_len=settings.max_model_len
        ),
        verdict=Verdict.DOES_NOT_FIT if fails else Verdict.UNKNOWN,
        reason=Reason.OUT_OF_MEMORY if fails else Reason.LAYOUT_UNKNOWN,
        refusal=Refusal(found.message, found.hint),
        vendor_free=found,
    )


def unsupported_plan(model: ModelFacts, gpu: GPUFacts, intent: Intent, infeasible: tuple[Infeasible, ...]) -> Plan:
    """The plan that says which check of vLLM refuses the command, and what to change."""
    first = infeasible[0]
    return Plan(
        model=model,
        gpu=gpu,
        gpu_count=intent.gpu_count or intent.settings.tensor_parallel_size,
        version=intent.version,
        intent=intent,
        settings=intent.settings,
        verdict=Verdict.UNSUPPORTED,
        reason=first.reason,
        infeasible=infeasible,
        refusal=Refusal(first.message, first.remedy),
    )


def _plan(model: ModelFacts, gpu: GPUFacts, intent: Intent, evidence: Evidence) -> Plan:
    judge = Judge(model, gpu, intent, evidence)
    is_contradicted = contradiction(model, intent, judge.context, judge.start) is not None
    attempts: list[Attempt] = []
    too_small: Shape | None = None
    errors: list[InputError | UnknownFact] = []
    infeasible: tuple[Infeasible, ...] = ()
    for shape in shapes(model, intent):
        settings = judge.feasible(on_shape(judge.start, shape))
        refusals = judge.infeasible(settings)
        if refusals:
            infeasible = infeasible or refusals
            continue
        if not is_contradicted and judge.weights_exceed_memory(settings):
            too_small = shape  # an attempt is worth its time only where this shape is the one to be shown
            continue
        try:
            attempt = Attempt(judge, shape)
        except (InputError, UnknownFact) as error:
            # The model cannot be divided over so many GPUs, or it is not known what comes of it: other numbers may do.
            errors.append(error)
            continue
        refused = contradiction(model, intent, attempt.context, attempt.wanted.requested)
        if refused is not None:
            return _written(attempt, attempt.wanted, refused)
        if attempt.fits_as_wanted() or (not intent.is_prediction and attempt.pull(mild=True)):
            return _written(attempt, attempt.settle())
        attempts.append(attempt)
        too_small = None
    if not intent.is_prediction:
        for attempt in attempts:
            if attempt.pull(mild=False):
                return _written(attempt, attempt.settle())
    if too_small is not None:
        try:
            attempts.append(Attempt(judge, too_small))
        except (InputError, UnknownFact) as error:
            errors.append(error)
    if not attempts and not errors:
        return unsupported_plan(model, gpu, intent, infeasible)
    return _that_does_not_fit(attempts, errors)


def _that_does_not_fit(attempts: list[Attempt], errors: list[InputError | UnknownFact]) -> Plan:
    """The plan to be shown where no attempt fits for certain: one that may fit, else the last.

    Raises:
        InputError, UnknownFact: the first of ``errors`` where it says more than the attempts.
    """
    tight = next((attempt for attempt in attempts if attempt.chosen.verdict is Verdict.FITS_TIGHT), None)
    if tight is None:
        unknown = [error for error in errors if isinstance(error, UnknownFact)]
        if unknown or not attempts:
            raise (unknown or errors)[0]
    shown = tight or attempts[-1]
    return _written(shown, shown.chosen)


def contradiction(
    model: ModelFacts, intent: Intent, context: WantedContext, settings: EngineSettings
) -> tuple[Reason, Refusal] | None:
    """A refusal that no memory would mend: the context against the model, or the workload against the context."""
    derived, pinned = context.model_maximum, intent.settings.max_model_len
    for name, value in (("max-model-len", pinned), ("context.minimum", intent.minimum_context)):
        if value is not None and value > derived:
            message = f"{name} {value:,} is longer than the {derived:,} tokens that {model.model} supports"
            return Reason.CONTEXT_ABOVE_MODEL, Refusal(message, f"set it to at most {derived:,}")
    request, bound = context.request, pinned if pinned is not None else context.cap
    if request is not None and request.tokens.total_tokens > bound:
        which = "pinned context" if pinned is not None else "longest context allowed"
        tokens = request.tokens.total_tokens
        message = f"one request as described takes {tokens:,} tokens, more than the {which} of {bound:,}"
        hint = what_would_fit(model, intent, context, settings, bound)
        return Reason.WORKLOAD_EXCEEDS_CONTEXT, Refusal(message, hint)
    return None


def _written(attempt: Attempt, evaluation: Evaluation, refused: tuple[Reason, Refusal] | None = None) -> Plan:
    """The plan of an evaluation; a refusal takes the place of its verdict."""
    verdict, reason = evaluation.verdict, evaluation.reason
    refusal: Refusal | None = None
    find_remedies: Callable[[], tuple[Remedy, ...]] = tuple
    find_hint: Callable[[], str | None] = no_hint
    if refused is not None:
        verdict, (reason, refusal) = Verdict.DOES_NOT_FIT, refused
    elif verdict is not Verdict.FITS:
        find_remedies = cache(lambda: remedies(attempt, evaluation))
        find_hint = partial(_hint, attempt, evaluation, find_remedies)
    elif uncounted := uncounted_flags(attempt.model, attempt.intent):
        verdict, reason = Verdict.FITS_TIGHT, Reason.UNCOUNTED_FLAGS
        flags = ", ".join(uncounted)
        refusal = Refusal(f"{evaluation.message()}; {flags} change memory in ways that the plan does not count")
    if attempt.model.derived is not None:
        if verdict in {Verdict.FITS, Verdict.FITS_TIGHT}:
            # What a name says of a quantisation was up to 48 % off the weights: that is no prediction.
            known = Verdict.FITS_TIGHT if attempt.model.quantization is None else Verdict.UNKNOWN
            verdict, reason = known, Reason.MODEL_DERIVED
        refusal = _said_as_derived(attempt.model.derived, refusal or Refusal(evaluation.message(), find_hint()))
    settings = evaluation.settings
    return Plan(
        model=attempt.model,
        gpu=attempt.judge.gpu,
        gpu_count=settings.tensor_parallel_size * settings.pipeline_parallel_size * settings.data_parallel_size,
        nodes=attempt.shape.nodes,
        version=attempt.intent.version,
        intent=attempt.intent,
        settings=_commanded(evaluation),
        verdict=verdict,
        reason=reason,
        evaluation=evaluation,
        context=attempt.context,
        limit_sentences=(*attempt.judge.limit_sentences, *attempt.cap_sentences()),
        sources=tuple(f"measured figures replace estimates: {source}" for source in attempt.judge.evidence.sources),
        refusal=refusal,
        moves=attempt.moves,
        others=lambda chosen: alternatives(chosen, lambda intent: _planned_or_none(attempt.judge, intent)),
        find_remedies=find_remedies,
        find_hint=find_hint,
    )


def _hint(attempt: Attempt, failed: Evaluation, found: Callable[[], tuple[Remedy, ...]]) -> str:
    one_only = attempt.judge.gpu.mig_profile is not None
    return as_hint(found(), failed, uncounted_flags(attempt.model, attempt.intent), one_only=one_only)


def _said_as_derived(derived: str, refusal: Refusal) -> Refusal:
    """The same words, with what the model's facts were derived from and how to make them certain."""
    hints = [hint for hint in (refusal.hint, Reason.MODEL_DERIVED.remedy) if hint]
    return Refusal(f"{refusal.message} (derived: {derived})", "; ".join(hints))


def _planned_or_none(judge: Judge, intent: Intent) -> Plan | None:
    """The plan of another intent for the same model and GPU; None where the intent is refused."""
    try:
        return plan(judge.model, judge.gpu, intent, judge.evidence)
    except InputError:
        return None


def _commanded(evaluation: Evaluation) -> EngineSettings:
    """The flags the command sets: as requested, and those the budget rests on set to what vLLM would choose anyway."""
    resolved = evaluation.settings
    return evaluation.requested.with_(
        max_model_len=resolved.max_model_len,
        gpu_memory_utilization=resolved.gpu_memory_utilization,
        max_num_seqs=resolved.max_num_seqs,
        max_num_batched_tokens=resolved.max_num_batched_tokens,
    )
