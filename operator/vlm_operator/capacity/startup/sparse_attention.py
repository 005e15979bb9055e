"""What sparse attention takes at start-up: the indexer's work space, its scores, and vectors taken out of FP8."""

from __future__ import annotations

from typing import NamedTuple

from vlm_operator.engine import sparse_attention
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import LatentCache, ModelFacts


class SparseAttention(NamedTuple):
    """Bytes per GPU; nothing for a model without.

    Attributes:
        workspace_bytes: kept, in the work space that layers share.
        transient_bytes: while a layer runs.
    """

    workspace_bytes: int
    transient_bytes: int


@cached_by_identity()
def selected_tokens(model: ModelFacts) -> int:
    """Tokens that an indexer selects for attention; 0 for a model without sparse attention."""
    caches = (cache for run in model.cache_layers for cache in (run.cache, *run.also))
    return max((cache.selected for cache in caches if isinstance(cache, LatentCache)), default=0)


def sparse_attention_memory(
    model: ModelFacts, settings: EngineSettings, version: EngineVersion, compute_capability: tuple[int, int] | None
) -> SparseAttention:
    """What the profiling run of a model with sparse attention takes beside its layers."""
    if not selected_tokens(model):
        return SparseAttention(0, 0)
    context = settings.max_model_len or model.derived_max_model_len
    workspace = sparse_attention.workspace_bytes(version, context)
    if settings.kv_cache_dtype != "auto":
        workspace = max(workspace, sparse_attention.unpacked_bytes(context, compute_capability))
    row = model.text.hidden_size * model.dtype.size_bytes
    return SparseAttention(workspace, sparse_attention.logits_bytes(version) + 2 * row * settings.batch_tokens)
