"""Divide a GPU's memory into the parts that bars show: what is taken at start, the container with its cup, the rest."""

from __future__ import annotations

from enum import StrEnum

from vlm_operator.capacity.startup import Budget
from vlm_operator.planning.evaluation import Cup


class Part(StrEnum):
    """One part of the bar; the value is what people read."""

    WEIGHTS = "weights"
    PEAK = "start-up peak"
    NON_TORCH = "non-torch"
    GRAPHS = "CUDA graphs"
    CUP = "KV cache: the cup"
    REST = "KV cache: the rest"
    FREE = "not requested"
    MISSING = "missing for the cup"


def memory_parts(budget: Budget, cup: Cup | None) -> dict[Part, int]:
    """Bytes of each part, in the order in which bars show them, none negative.

    ``MISSING`` is what the cup takes beyond the predicted KV cache. The other parts make up the GPU's memory where the
    server fits; where they take more, what is not requested is no room: it is taken from.
    """
    cache = max(budget.kv_cache_bytes, 0)
    needed = cup.needed_bytes if cup is not None else 0
    parts = {
        Part.WEIGHTS: budget.weights_bytes,
        Part.PEAK: budget.activation_peak_bytes,
        Part.NON_TORCH: max(budget.non_torch_bytes, 0),
        Part.GRAPHS: budget.cuda_graph_bytes,
        Part.CUP: min(needed, cache),
        Part.REST: max(cache - needed, 0),
    }
    outside = budget.total_bytes - max(budget.requested_bytes, sum(parts.values()))
    return {**parts, Part.FREE: max(outside, 0), Part.MISSING: max(needed - cache, 0)}
