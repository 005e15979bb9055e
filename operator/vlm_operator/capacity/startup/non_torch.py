"""How much do CUDA, NCCL and loaded kernels take beside torch's own allocations, from vLLM's first snapshot on?

Structure ends here: the figures are means of published start-ups, named in ``coefficients``.
"""

from __future__ import annotations

from vlm_operator.capacity.startup.coefficients import (
    CONSUMED_OVERHEAD_BYTES,
    NON_TORCH_BYTES,
    TENSOR_PARALLEL_BYTES,
    UNIFIED_MEMORY_BYTES,
)
from vlm_operator.engine.budget_rules import Formula
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts, MemoryKind


def non_torch_bytes(gpu: GPUFacts, version: EngineVersion, formula: Formula, tensor_parallel_size: int) -> int:
    """Growth of memory outside torch (formulas of 0.11 to 0.26), or what free memory falls by beyond weights (0.27)."""
    kind = "HBM" if gpu.memory_kind is MemoryKind.HBM else "GDDR"
    if formula is Formula.CONSUMED:
        size = CONSUMED_OVERHEAD_BYTES[kind]
    elif version < EngineVersion(0, 16):
        size = NON_TORCH_BYTES[kind, "0.11"]
    else:
        size = NON_TORCH_BYTES[kind, "0.16"]
    if gpu.memory_kind is MemoryKind.UNIFIED:
        size += UNIFIED_MEMORY_BYTES
    return size + (TENSOR_PARALLEL_BYTES[kind] if tensor_parallel_size > 1 else 0)
