"""Bounds of the budget: the half-width that holds 90 % of the published start-ups.

Each source of doubt has a figure of its own; they are independent, so their squares add. The figures are set so that
at least 90 % of published start-ups lie inside when the model was fitted without them (``docs/accuracy.md``).
"""

from __future__ import annotations

import math
from typing import Final

from vlm_operator.engine.budget_rules import Formula
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.tower_traits import TowerKind
from vlm_operator.gpu.facts import GPUFacts, MemoryKind
from vlm_operator.model.facts import ModelFacts
from vlm_operator.units import GIB

BASE_BYTES: Final = {
    Formula.PEAK: int(0.22 * GIB),
    Formula.PEAK_AND_GRAPHS: int(0.25 * GIB),
    Formula.CONSUMED: int(0.28 * GIB),
}
"""Non-torch memory, small buffers, rounding of what is printed. From 0.27 everything that free memory falls by counts:
eight of twelve published start-ups lie inside, four lost 0.6 to 2.3 GiB that no term explains (``docs/accuracy.md``);
a symmetric width that held them would say nothing of the others."""
TENSOR_PARALLEL_BYTES: Final = int(0.25 * GIB)
"""NCCL channels and peer mappings differ between topologies."""
EXPERTS_BYTES: Final = int(0.22 * GIB)
"""Expert kernels with workspaces of their own (Marlin, CUTLASS, FlashInfer)."""
UNKNOWN_GPU_BYTES: Final = int(0.35 * GIB)
"""A product that nobody published start-ups of."""
UNIFIED_MEMORY_BYTES: Final = int(1.8 * GIB)
"""Unified memory: other processes and the page cache move between the two snapshots."""
LAYERS_SHARE: Final = 0.15
"""Of the transient of the text pass above the sampler's."""
ENCODER_SHARE: Final = {True: 0.20, False: 0.35}
"""Of the encoder's transient and what it keeps, by "a published start-up of the family was met"."""
CONVOLUTIONS_SHARE: Final = 0.50
"""The same where the encoder is a network of convolutions: how much cuDNN takes for them beside is not known."""
EXPERT_PARALLEL_BYTES: Final = int(0.6 * GIB)
"""All-to-all buffers: published start-ups with expert parallelism lie between 0.95 and 1.8 GiB outside torch."""
DATA_PARALLEL_EXPERTS_BYTES: Final = int(3 * GIB)
"""The same over data-parallel ranks: the workspace depends on how tokens fall (vLLM #57270: 1.3 to 20 GiB)."""
GRAPHS_SHARE: Final = 0.45
"""Of the CUDA graph estimate: vLLM's own is off from what it measures by as much."""
FULL_GRAPH_BYTES: Final = int(0.006 * GIB)
"""For each full graph: vLLM multiplies what the second capture took by their number, and that capture may have opened a
segment of torch's allocator or not."""
WEIGHTS_SHARE: Final = 0.004
"""Of weights worked out from the config: padding and rearranged quantised layouts."""


def variance(
    gpu: GPUFacts,
    formula: Formula,
    *,
    settings: EngineSettings,
    model: ModelFacts,
    layers_bytes: int,
    encoder_bytes: int,
    graph_bytes: int,
    full_graphs: int,
    weights_bytes: int,
    weights_measured: bool,
) -> float:
    """Sum of the squares of everything that does not depend on the utilisation, bytes squared."""
    total = (
        BASE_BYTES[formula] ** 2
        + (LAYERS_SHARE * layers_bytes) ** 2
        + (_encoder_share(model) * encoder_bytes) ** 2
        + (GRAPHS_SHARE * graph_bytes) ** 2
        + (FULL_GRAPH_BYTES * full_graphs) ** 2
    )
    if settings.tensor_parallel_size > 1:
        total += TENSOR_PARALLEL_BYTES**2
    if model.text.experts is not None:
        total += EXPERTS_BYTES**2
        if settings.enable_expert_parallel:
            total += EXPERT_PARALLEL_BYTES**2
            if settings.data_parallel_size > 1:
                total += DATA_PARALLEL_EXPERTS_BYTES**2
    if not gpu.known:
        total += UNKNOWN_GPU_BYTES**2
    if gpu.memory_kind is MemoryKind.UNIFIED:
        total += UNIFIED_MEMORY_BYTES**2
    if not weights_measured:
        total += (WEIGHTS_SHARE * weights_bytes) ** 2
    return total


def _encoder_share(model: ModelFacts) -> float:
    if model.vision is not None and model.vision.traits.kind is TowerKind.CONVOLUTIONS:
        return CONVOLUTIONS_SHARE
    return ENCODER_SHARE[model.traits.encoder_measured]


def half_width_bytes(variance_without_total: float, total_uncertainty_bytes: int, gpu_memory_utilization: float) -> int:
    """Bytes below and above the best estimate that hold 90 % of start-ups."""
    return int(math.sqrt(variance_without_total + (total_uncertainty_bytes * gpu_memory_utilization) ** 2))
