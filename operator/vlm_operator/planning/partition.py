"""Layers of each pipeline stage where vLLM's even split does not fit: moved from the tightest stage to the loosest."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.pipeline import stage_sizes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import VlmOperatorError
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.candidate import candidate

_MOST_MOVES: Final = 256


def balanced(model: ModelFacts, gpu: GPUFacts, requested: EngineSettings, version: EngineVersion) -> EngineSettings:
    """``requested`` with the layers so divided that the tightest stage has most left over its cup.

    The same flags where vLLM's own split is as good.
    """
    share = requested.gpu_memory_utilization
    sizes = stage_sizes(model.text.layers, requested.pipeline_parallel_size)
    best = _headrooms(model, gpu, requested, version, share)
    found = requested
    for _ in range(_MOST_MOVES):
        if best is None:
            return requested
        tightest, loosest = best.index(min(best)), best.index(max(best))
        if sizes[tightest] <= 1 or tightest == loosest:
            break
        moved = list(sizes)
        moved[tightest] -= 1
        moved[loosest] += 1
        changed = requested.with_(pp_layer_partition=tuple(moved))
        after = _headrooms(model, gpu, changed, version, share)
        if after is None or min(after) <= min(best):
            break
        sizes, best, found = tuple(moved), after, changed
    return found


def _headrooms(
    model: ModelFacts, gpu: GPUFacts, requested: EngineSettings, version: EngineVersion, share: float | None
) -> tuple[int, ...] | None:
    try:
        return candidate(model, gpu, requested, version).headrooms(share)
    except VlmOperatorError:
        return None
