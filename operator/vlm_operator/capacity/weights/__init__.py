"""Weights: bytes per tensor-parallel rank, per component, from facts or from checkpoint headers.

Belongs here: sharding, padding and quantised storage of parameters. Does not: reading files (``sources``).
Called by ``capacity.startup``, ``planning`` and ``vlmctl capacity``.
"""

from vlm_operator.capacity.weights.weight_bytes import WeightBytes, stage_weight_bytes, weight_bytes

__all__ = ["WeightBytes", "stage_weight_bytes", "weight_bytes"]
