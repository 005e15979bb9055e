"""Bounds of the budget: the half-width that holds 90 % of start-ups.

What published start-ups of the same regime were off by (``regimes``), and beside it what no start-up has shown: each
such doubt has a figure of its own. They are independent, so their squares add.
"""

from __future__ import annotations

import math
from typing import Final

from vlm_operator.capacity.startup.regimes import Regime
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.tower_traits import TowerKind
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import ModelFacts, StateCache
from vlm_operator.units import GIB

PIPELINE_BYTES: Final = int(0.35 * GIB)
"""Links between stages, over NVLink, PCIe or a network: no published start-up of a stock release prints theirs."""
UNKNOWN_GPU_BYTES: Final = int(0.35 * GIB)
"""A product that nobody published start-ups of."""
RECURRENT_LAYERS_SHARE: Final = 0.15
"""Of the text pass where layers with a recurrent state decide it: what their kernels keep was counted as 8 to 10 bytes
for each channel, of which 9 are reckoned."""
UNMET_ENCODER_SHARE: Final = 0.35
"""Of the encoder's transient and what it keeps, where no published start-up ran an encoder of the family."""
SIMULATED_ENCODER_SHARE: Final = 0.10
"""The same where vLLM's own profiling run of it was simulated (``docs/accuracy.md``): all those peaks lie within it."""
CONVOLUTIONS_SHARE: Final = 0.50
"""The same where the encoder is a network of convolutions: how much cuDNN takes for them beside is not known."""
EXPERT_PARALLEL_BYTES: Final = int(0.6 * GIB)
"""All-to-all buffers: published start-ups with expert parallelism lie between 0.95 and 1.8 GiB outside torch."""
DATA_PARALLEL_EXPERTS_BYTES: Final = int(3 * GIB)
"""The same over data-parallel ranks: the workspace depends on how tokens fall (vLLM #57270: 1.3 to 20 GiB)."""
PEER_GRAPHS_SHARE: Final = 0.45
"""Of the estimate of CUDA graphs in which ranks talk to each other: three start-ups show it, 1.1 GiB apart."""
ADAPTER_GRAPHS_SHARE: Final = 0.45
"""Of the estimate of CUDA graphs with LoRA, whose kernels no published start-up prints graphs of: as with peers."""
DRAFTER_BYTES: Final = int(0.25 * GIB)
"""Speculative decoding: no published start-up of a stock release on a discrete GPU prints all its terms."""
WEIGHTS_SHARE: Final = 0.004
"""Of weights worked out from the config: padding and rearranged quantised layouts."""


def variance(
    gpu: GPUFacts,
    regime: Regime,
    *,
    settings: EngineSettings,
    model: ModelFacts,
    layers_bytes: int,
    encoder_bytes: int,
    graph_bytes: int,
    weights_bytes: int,
    weights_measured: bool,
) -> float:
    """Sum of the squares of everything that does not depend on the utilisation, bytes squared."""
    parts = [
        regime.half_width_bytes,
        unseen_bytes(
            gpu,
            settings=settings,
            model=model,
            layers_bytes=layers_bytes,
            encoder_bytes=encoder_bytes,
            graph_bytes=graph_bytes,
        ),
        0 if weights_measured else WEIGHTS_SHARE * weights_bytes,
    ]
    return sum(part * part for part in parts)


def unseen_bytes(
    gpu: GPUFacts,
    *,
    settings: EngineSettings,
    model: ModelFacts,
    layers_bytes: int,
    encoder_bytes: int,
    graph_bytes: int,
) -> float:
    """What published start-ups cannot say of this one, bytes; weights and the GPU's total apart."""
    parts = [_encoder_share(model) * encoder_bytes]
    if _is_recurrent(model):
        parts.append(RECURRENT_LAYERS_SHARE * layers_bytes)
    if settings.tensor_parallel_size > 1:
        parts.append(PEER_GRAPHS_SHARE * graph_bytes)
    if settings.speculative_config is not None:
        parts.append(DRAFTER_BYTES)
    if settings.enable_lora:
        parts.append(ADAPTER_GRAPHS_SHARE * graph_bytes)
    if settings.pipeline_parallel_size > 1:
        parts.append(PIPELINE_BYTES)
    if model.text.experts is not None and settings.enable_expert_parallel:
        parts.append(EXPERT_PARALLEL_BYTES)
        if settings.data_parallel_size > 1:
            parts.append(DATA_PARALLEL_EXPERTS_BYTES)
    if not gpu.known:
        parts.append(UNKNOWN_GPU_BYTES)
    return math.hypot(*parts)


@cached_by_identity()
def _is_recurrent(model: ModelFacts) -> bool:
    return any(isinstance(run.cache, StateCache) for run in model.cache_layers)


def _encoder_share(model: ModelFacts) -> float:
    if model.vision is not None and model.vision.traits.kind is TowerKind.CONVOLUTIONS:
        return CONVOLUTIONS_SHARE
    if model.traits.encoder_measured:
        return 0.0
    return SIMULATED_ENCODER_SHARE if model.traits.encoder_simulated else UNMET_ENCODER_SHARE


def half_width_bytes(variance_without_total: float, total_uncertainty_bytes: int, gpu_memory_utilization: float) -> int:
    """Bytes below and above the best estimate that hold 90 % of start-ups."""
    return int(math.sqrt(variance_without_total + (total_uncertainty_bytes * gpu_memory_utilization) ** 2))
