"""Evaluate candidate flags for one plan (GPU, measurements, workload)."""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.capacity.startup import startup_budget
from vlm_operator.engine.architecture_remote_code import needs_remote_code
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.feasibility import Infeasible, checks_of
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.gpu.reserve import with_reserve
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.candidate import candidate, weights_exceed_memory
from vlm_operator.planning.evaluation import Evaluation, evaluate
from vlm_operator.planning.evidence import NOTHING, Evidence, experience
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.item_rejection import RejectedItem, rejected_item
from vlm_operator.planning.limits import choose_limits
from vlm_operator.planning.resolution import resolved
from vlm_operator.planning.validation import reserve_sentence
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.planning.workload import WantedContext, wanted_context


class Judge:
    """Judges flags for one plan, on any number of its GPUs.

    Attributes:
        gpu: one of the GPUs, with measured memory where a log printed it.
        start: the flags the user set, and the limits chosen for the workload.
        limit_sentences: why the limits are as they are.
        context: what the context should be for ``start``.
    """

    def __init__(self, model: ModelFacts, gpu: GPUFacts, intent: Intent, evidence: Evidence = NOTHING) -> None:
        self.model, self.intent, self.evidence = model, intent, evidence
        self.gpu = with_reserve(evidence.gpu(gpu), intent.reserve_bytes)
        self._checks = checks_of(model, self.gpu, intent.version)
        self._experience = (
            None
            if evidence is NOTHING
            else experience(
                evidence,
                lambda settings: resolved(settings, model, self.gpu, intent.version),
                lambda settings: startup_budget(model, self.gpu, settings, intent.version),
            )
        )
        self.start = intent.settings
        if needs_remote_code(model.architecture) and not (intent.is_prediction or "trust_remote_code" in intent.pinned):
            self.start = self.start.with_(trust_remote_code=True)
        self.limit_sentences: tuple[str, ...] = ()
        if "limit_mm_per_prompt" not in intent.pinned:
            limits, self.limit_sentences = choose_limits(model, intent.workload, intent.settings)
            if limits is not None:
                self.start = self.start.with_(limit_mm_per_prompt=limits)
        if said := reserve_sentence(intent, self.gpu):
            self.limit_sentences = (*self.limit_sentences, said)
        self.context = wanted_context(model, intent, self.start)
        self._contexts = {(self.start.mm_processor_kwargs, self.start.media_io_kwargs): self.context}

    @property
    def is_measured(self) -> bool:
        """True where start-ups of the model were measured: what failed is not said to fit."""
        return self._experience is not None

    def infeasible(self, requested: EngineSettings) -> tuple[Infeasible, ...]:
        """What vLLM would refuse of these flags for a reason other than memory."""
        return self._checks.refusals(requested)

    def feasible(self, settings: EngineSettings) -> EngineSettings:
        """These flags with what feasibility checks ask for and the user left free; as given for a prediction."""
        if self.intent.is_prediction:
            return settings
        return self._checks.feasible(settings, self.intent.pinned)

    def evaluate(self, requested: EngineSettings) -> Evaluation:
        """The evaluation of these flags, with the first described item that the server would refuse."""
        found = evaluate(self.model, self.gpu, requested, self.intent.version, self._experience)
        infeasible = self.infeasible(requested)
        if infeasible:
            return replace(found, verdict=Verdict.UNSUPPORTED, reason=infeasible[0].reason, infeasible=infeasible)
        rejected = self.rejected(requested, found.settings)
        if rejected is None:
            return found
        if found.verdict is Verdict.DOES_NOT_FIT:
            return replace(found, rejected=rejected)
        return replace(found, verdict=Verdict.DOES_NOT_FIT, reason=Reason.ITEM_REJECTED, rejected=rejected)

    def weights_exceed_memory(self, requested: EngineSettings) -> bool:
        """True where a rank cannot hold its weights, whatever the levers: all that they take from them is a tower."""
        if self.is_measured or self.intent.is_prediction:
            return False
        try:
            return weights_exceed_memory(self.model, self.gpu, requested, self.intent.version)
        except (InputError, UnknownFact):
            return False

    def fits(self, requested: EngineSettings) -> bool:
        """True where these flags fit for certain; False also where vLLM or the model refuses them."""
        if self.infeasible(requested):
            return False
        try:
            if self._experience is not None:
                return self.evaluate(requested).verdict is Verdict.FITS
            found = candidate(self.model, self.gpu, requested, self.intent.version)
            return found.fits(requested.gpu_memory_utilization) and self.rejected(requested, found.settings) is None
        except (InputError, UnknownFact):
            return False

    def lacks_memory(self, requested: EngineSettings) -> bool:
        """True where memory is known not to be enough, whatever else may be wrong with the flags.

        Described items are left aside, and what was measured is read as favourably as it allows.
        """
        try:
            found = candidate(self.model, self.gpu, requested, self.intent.version)
        except (InputError, UnknownFact):
            return False
        share = requested.gpu_memory_utilization
        if self._experience is None:
            return not found.fits(share)
        ruled_out = self._experience.rules_out
        return any(ruled_out(found.budget(share, rank), rank.least_bytes) for rank in found.ranks)

    def outlook(self, requested: EngineSettings) -> tuple[EngineSettings, int]:
        """(these flags with everything filled in as vLLM would, low bound of the KV cache less what the cup takes).

        Raises:
            UnknownFact: a term of the budget is not known for certain.
        """
        if self._experience is not None:
            found = self.evaluate(requested)
            return found.settings, found.headroom_bytes
        share = requested.gpu_memory_utilization
        known = candidate(self.model, self.gpu, requested, self.intent.version)
        return known.at(share), known.headroom_bytes(share)

    def rejected(self, requested: EngineSettings, settings: EngineSettings) -> RejectedItem | None:
        """The first described item that a server with these flags (as requested, and resolved) would refuse."""
        request = self.context.request
        if request is None or not request.largest_encoder_tokens:
            return None
        request = self.context_of(requested).request or request
        return rejected_item(self.model, request, settings, self.intent.version)

    def context_of(self, settings: EngineSettings) -> WantedContext:
        """What the context should be for flags whose caps may make the described items smaller."""
        if self.intent.workload is None:
            return self.context
        key = (settings.mm_processor_kwargs, settings.media_io_kwargs)
        known = self._contexts.get(key)
        if known is None:
            known = self._contexts[key] = wanted_context(self.model, self.intent, settings)
        return known
