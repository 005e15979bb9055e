"""Which figures could not be counted from code? The fitted ones, each with the published start-ups it rests on.

Ids are those of ``hack/accuracy/startups.jsonl``, which has the addresses; ``hack/accuracy/fit.py`` prints these
figures again from that data.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.units import GIB, MIB

CUBLAS_WORKSPACE_BYTES: Final = {True: 32 * MIB, False: 8 * MIB + 128 * 1024}
"""cuBLAS workspace inside torch's allocator, by "compute capability 9.0 or later".

PyTorch ``aten/src/ATen/cuda/CublasHandlePool.cpp: parseChosenWorkspaceSize``."""

NON_TORCH_BYTES: Final = {
    ("HBM", "0.11"): int(0.12 * GIB),
    ("GDDR", "0.11"): int(0.07 * GIB),
    ("HBM", "0.16"): int(0.20 * GIB),
    ("GDDR", "0.16"): int(0.13 * GIB),
}
"""Growth outside torch on one GPU, by kind of memory and the first release it holds for."""

CONSUMED_OVERHEAD_BYTES: Final = {"HBM": int(0.28 * GIB), "GDDR": int(0.21 * GIB)}
"""Fall of free memory beyond weights, workspaces and counted buffers on one GPU, from 0.27 on."""

UNIFIED_MEMORY_BYTES: Final = int(1.9 * GIB)
"""Fall of free memory beyond that on unified memory (GB10), where the host's own use counts."""

TENSOR_PARALLEL_BYTES: Final = {"HBM": int(0.42 * GIB), "GDDR": int(0.12 * GIB)}
"""What more than one rank adds: NCCL channels and peer mappings opened during the run (NVLink boards open more)."""

GRAPH_BASE_BYTES: Final = {"plain": int(0.04 * GIB), "state": int(0.25 * GIB)}
GRAPH_LAYER_BYTES: Final = {"plain": int(0.235 * MIB), "state": int(0.55 * MIB)}
"""CUDA graph estimate: a base, and for each graph and layer; layers with a recurrent state launch more kernels."""

SMALL_BUFFERS_BYTES: Final = 15 * MIB
"""What is left of the activation peak of five H100 start-ups of 0.10 and 0.11 after everything counted from code."""
