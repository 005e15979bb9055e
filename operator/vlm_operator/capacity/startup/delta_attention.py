"""Work space of FlashKDA, the prefill kernel of Kimi K3's delta attention."""

from __future__ import annotations

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.model.facts import ModelFacts, StateCache, StateKind


def delta_workspace_bytes(model: ModelFacts, settings: EngineSettings) -> int:
    """Bytes per GPU that stay allocated; 0 for a model without.

    The output of a batch, and two float32 states for every sequence (vLLM 0.33: ``models/kimi_k3/nvidia/kda.py:
    KimiK3DeltaAttention``). What the kernel itself asks for is not known and not counted.
    """
    found = 0
    for run in model.cache_layers:
        cache = run.cache
        if not isinstance(cache, StateCache) or cache.kind is not StateKind.KIMI_DELTA_ATTENTION:
            continue
        if cache.exports_checkpoints:
            heads = -(-cache.heads // settings.tensor_parallel_size)
            output = settings.batch_tokens * heads * cache.head_size * model.dtype.size_bytes
            states = 2 * settings.sequences * heads * cache.head_size**2 * 4
            found = max(found, output + states)
    return found
