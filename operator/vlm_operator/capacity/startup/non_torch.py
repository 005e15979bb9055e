"""Memory outside torch's allocator from vLLM's first snapshot on: CUDA context, NCCL, loaded kernels.

Structure ends here: the figures are fitted to published start-ups, named in ``coefficients``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.capacity.startup.coefficients import FITTED
from vlm_operator.engine.budget_rules import SMALLER_NON_TORCH_SINCE, Formula
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts, MemoryKind
from vlm_operator.units import GIB

EXPERT_PARALLEL_BYTES: Final = int(0.75 * GIB)
"""What expert parallelism adds: start-ups with it printed 0.95 to 1.8 GiB, with tensor parallelism alone 0.2 to 0.6."""


def non_torch_bytes(gpu: GPUFacts, version: EngineVersion, formula: Formula, tensor_parallel_size: int) -> int:
    """Growth of memory outside torch (to 0.26), or what free memory falls by beyond what is counted (from 0.27)."""
    kind = "HBM" if gpu.memory_kind is MemoryKind.HBM else "GDDR"
    if gpu.memory_kind is MemoryKind.UNIFIED:
        name = "unified"
    elif formula is Formula.CONSUMED:
        name = f"consumed {kind}"
    else:
        name = f"nonTorch {kind} {'0.11' if version < SMALLER_NON_TORCH_SINCE else '0.17'}"
    peers = FITTED[f"tensorParallel {kind}"].size_bytes if tensor_parallel_size > 1 else 0
    return FITTED[name].size_bytes + peers
