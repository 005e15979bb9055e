"""Check: the GPU's generation has kernels for sparse attention."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.sparse_attention import CONSUMER_MAJOR, MAJORS
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.model.facts import LatentCache

SOURCE: Final = (
    "v1/attention/backends/mla/: supports_compute_capability of the sparse backends (0.11.2 to 0.33.0), "
    "platforms/cuda.py: get_attn_backend_cls"
)


def sparse_attention(command: Command) -> Infeasible | None:
    """Refuse sparse attention on generations without a kernel for it."""
    caches = (cache for run in command.model.cache_layers for cache in (run.cache, *run.also))
    if not any(isinstance(cache, LatentCache) and cache.selected for cache in caches):
        return None
    capability = command.capability
    if capability is None or capability[0] in (*MAJORS, CONSUMER_MAJOR):
        return None
    return Infeasible(
        InfeasibleReason.COMPUTE_CAPABILITY_TOO_LOW,
        f"vLLM {command.version} has no kernel for this model's sparse attention on {command.gpu_words}: they need "
        "compute capability 9.0 or 10.0",
        "",
        "use a GPU of the generation of H100, H200 or B200",
        SOURCE,
    )
