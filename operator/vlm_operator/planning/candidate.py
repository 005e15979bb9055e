"""One set of flags at every utilisation: resolved, laid out, with the terms of its budget.

Searches compare many sets of flags and keep one. Whether a set fits is decided here from five figures; the budget in
full is written (``evaluation``) only for what is kept or shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from vlm_operator.capacity.kv import KVLayout, stage_layouts
from vlm_operator.capacity.kv.page import CacheKind
from vlm_operator.capacity.startup import Budget
from vlm_operator.capacity.startup.first_check import (
    free_at_start_bytes,
    free_at_start_high_bytes,
    requested_bytes,
)
from vlm_operator.capacity.startup.model import StartupTerms, stage_terms, stage_weights
from vlm_operator.capacity.startup.uncertainty import half_width_bytes
from vlm_operator.engine.kv_cache_rules import state_blocks_needed
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.resolution import resolved


@dataclass(frozen=True, slots=True)
class Rank:
    """A GPU of one pipeline stage; the only stage where there is no pipeline.

    Attributes:
        layout: of its KV cache.
        terms: the budget without its utilisation.
        cup_bytes: smallest KV cache that passes vLLM's capacity check: one request of the maximum length.
        least_bytes: smallest KV cache with which vLLM starts: the same, or a block of state for every sequence of a
            hybrid where that is more.
    """

    layout: KVLayout
    terms: StartupTerms
    cup_bytes: int
    least_bytes: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """Flags whose utilisation is open; sizes are bytes per GPU.

    Attributes:
        settings: the flags resolved as vLLM would on that GPU; their utilisation is vLLM's default.
        ranks: a GPU of each pipeline stage, the first stage first. vLLM checks each on its own, and all must pass.
    """

    settings: EngineSettings
    ranks: tuple[Rank, ...]

    def at(self, utilization: float | None) -> EngineSettings:
        """The resolved flags at that utilisation; at vLLM's default where None."""
        if utilization is None or utilization == self.settings.gpu_memory_utilization:
            return self.settings
        return self.settings.with_(gpu_memory_utilization=utilization)

    def budget(self, utilization: float | None, rank: Rank) -> Budget:
        """The budget of a rank in full at that utilisation."""
        return rank.terms.at(self._share(utilization), self.settings.kv_cache_memory_bytes)

    def headroom_bytes(self, utilization: float | None) -> int:
        """Low bound of the KV cache less what the cup takes, on the tightest rank: negative where that is not certain.

        On every rank the same part of the GPU's memory is requested.
        """
        return min(self.headrooms(utilization))

    def headrooms(self, utilization: float | None) -> tuple[int, ...]:
        """The same of a rank of each stage."""
        share = self._share(utilization)
        requested = _requested_bytes(self.ranks[0].terms, share)
        return tuple(self._kv_cache_bytes(rank, share, requested)[1] - rank.least_bytes for rank in self.ranks)

    def fits(self, utilization: float | None) -> bool:
        """True where the evaluation's verdict is ``Fits``, for a GPU of which nothing was measured."""
        share = self._share(utilization)
        return all(self._fits_on(rank, share) for rank in self.ranks)

    def _fits_on(self, rank: Rank, share: float) -> bool:
        terms = rank.terms
        requested = _requested_bytes(terms, share)
        if requested > terms.free_at_start_bytes:
            return False
        best, low = self._kv_cache_bytes(rank, share, requested)
        in_use, free = terms.weights_bytes + terms.activation.peak_bytes, terms.free_at_start_high_bytes
        if self.settings.kv_cache_memory_bytes is not None:
            in_use, free = terms.fixed_bytes + self.settings.kv_cache_memory_bytes, terms.free_at_start_bytes
        return rank.least_bytes <= low and best > 0 and in_use <= free

    def _share(self, utilization: float | None) -> float:
        return utilization or self.settings.gpu_memory_utilization or 0.0

    def _kv_cache_bytes(self, rank: Rank, share: float, requested: int) -> tuple[int, int]:
        """(best estimate, low bound), as ``StartupTerms.at`` has them."""
        fixed, terms = self.settings.kv_cache_memory_bytes, rank.terms
        if fixed is not None:
            return fixed, fixed
        best = requested - terms.fixed_bytes
        return best, best - half_width_bytes(terms.variance, terms.gpu.total_uncertainty_bytes, share)


def _requested_bytes(terms: StartupTerms, share: float) -> int:
    return requested_bytes(terms.gpu.total_bytes, share, terms.version)


_FLAGS_BUT_UTILIZATION = attrgetter(
    *(flag for flag in EngineSettings.__dataclass_fields__ if flag != "gpu_memory_utilization")
)


def _key(requested: EngineSettings, version: EngineVersion) -> tuple[object, ...]:
    return _FLAGS_BUT_UTILIZATION(requested), version


@cached_by_identity(2, by=_key)
def candidate(model: ModelFacts, gpu: GPUFacts, requested: EngineSettings, version: EngineVersion) -> Candidate:
    """The candidate of these flags, whatever their utilisation.

    Raises:
        UnknownFact: weights, layout or a term of the budget is not known for certain.
    """
    settings = resolved(requested.with_(gpu_memory_utilization=None), model, gpu, version)
    layouts = stage_layouts(model, settings, version, gpu.compute_capability)
    stages = stage_terms(model, gpu, settings, version)
    return Candidate(
        settings,
        tuple(_rank(layout, terms, settings, version) for layout, terms in zip(layouts, stages, strict=True)),
    )


def _rank(layout: KVLayout, terms: StartupTerms, settings: EngineSettings, version: EngineVersion) -> Rank:
    cup = layout.least_bytes_that_start(settings.context_tokens)
    return Rank(layout, terms, cup, max(cup, _state_bytes(layout, settings, version)))


def _state_bytes(layout: KVLayout, settings: EngineSettings, version: EngineVersion) -> int:
    """KV cache that a hybrid's recurrent states take with every sequence running; 0 where vLLM does not check it."""
    if settings.enforce_eager or all(group.kind != CacheKind.MAMBA for group in layout.groups):
        return 0
    return state_blocks_needed(version, settings.sequences) * layout.bytes_per_block


def weights_exceed_memory(model: ModelFacts, gpu: GPUFacts, requested: EngineSettings, version: EngineVersion) -> bool:
    """True where a rank cannot hold the weights of the language model alone: no flags on the same ranks ever fit.

    Only ranks, element type and quantisation, and the modalities that are switched off change how much a rank loads.

    Raises:
        UnknownFact: as ``candidate``.
    """
    settings = resolved(requested, model, gpu, version)
    ranks = settings.tensor_parallel_size * settings.pipeline_parallel_size
    free = max(free_at_start_bytes(gpu, version, ranks), free_at_start_high_bytes(gpu, version, ranks))
    if all(weights <= free for weights in stage_weights(model, gpu, settings, version)):
        return False  # with towers, which a search needs the size of next
    alone = settings.with_(language_model_only=True)
    return any(weights > free for weights in stage_weights(model, gpu, alone, version))
