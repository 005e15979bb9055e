"""How a vLLM release computes "Available KV cache memory": the terms it subtracts.

Sources (vLLM): ``v1/worker/gpu_worker.py: Worker.determine_available_memory``, ``utils/mem_utils.py:
memory_profiling``, ``v1/worker/gpu_model_runner.py: profile_run, _dummy_sampler_run, profile_cudagraph_memory``,
``v1/worker/gpu/model_runner.py: profile_run``, ``v1/sample/ops/topk_topp_sampler.py``, ``v1/worker/workspace.py``,
read in 0.11.2, 0.12.0, 0.13.0, 0.14.1, 0.15.1, 0.16.0, 0.17.1, 0.18.1, 0.20.2, 0.22.1, 0.25.1, 0.27.1, 0.29.0 and
0.32.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from vlm_operator.engine.version import EngineVersion

_V0_13: Final = EngineVersion(0, 13)
_V0_14: Final = EngineVersion(0, 14)
_V0_17: Final = EngineVersion(0, 17)
_V0_18: Final = EngineVersion(0, 18)
_V0_20: Final = EngineVersion(0, 20)
_V0_26: Final = EngineVersion(0, 26)
_V0_27: Final = EngineVersion(0, 27)
_V0_29: Final = EngineVersion(0, 29)
_V0_33: Final = EngineVersion(0, 33)


class Formula(StrEnum):
    """What vLLM subtracts from the requested memory."""

    PEAK = "peak"
    """Weights, peak of torch's allocations during the run, growth of non-torch memory (0.10 to 0.19)."""
    PEAK_AND_GRAPHS = "peakAndGraphs"
    """The same and an estimate of CUDA graphs (0.20 to 0.26)."""
    CONSUMED = "consumed"
    """Fall of free memory, transient peak above what stays allocated, estimate of CUDA graphs (from 0.27)."""


class SamplerPath(StrEnum):
    """What the sampler of the profiling run allocates for each logit (batch rows x vocabulary)."""

    SORT = "sort"
    """V1 runner through 0.16: full sort of the vocabulary in PyTorch."""
    TRITON = "triton"
    """V1 runner from 0.17: top-k and top-p in place in a Triton kernel (from 8 rows on), or in FlashInfer."""
    FLOAT32_COPY = "float32Copy"
    """V2 runner through 0.25: copies the logits of every request. From 0.26 on not those that need no processing."""
    LOGITS_ONLY = "logitsOnly"
    """V2 runner through 0.32: logits in the model's element type, sampled in a fused kernel."""
    FULL_PASS = "fullPass"
    """V2 runner from 0.33: a float32 pass with penalties, top-k, top-p and log-probabilities."""


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """The rules of one release for one model runner.

    Attributes:
        subtracts_graph_estimate: whether CUDA graphs are estimated and taken from the KV cache.
        profiles_encoder: whether the profiling run executes the multimodal encoder.
        encoder_on_every_stage: whether every pipeline stage does so (V1 runner); the V2 runner does on the first alone.
        pads_encoder_outputs: whether every dummy item's output is kept at the size of the whole encoder budget.
        keeps_encoder_inputs: whether the dummy items stay on the GPU until the sampler has run (V1 runner).
        persistent_expert_workspace: whether the workspace of expert layers stays allocated after the forward pass.
        counts_penalty_buffers: whether the per-request vocabulary counts of the V2 runner lower the KV cache.
    """

    formula: Formula
    sampler: SamplerPath
    subtracts_graph_estimate: bool
    profiles_encoder: bool
    encoder_on_every_stage: bool
    pads_encoder_outputs: bool
    keeps_encoder_inputs: bool
    persistent_expert_workspace: bool
    counts_penalty_buffers: bool


@lru_cache(maxsize=256)
def budget_rules(version: EngineVersion, runner: str) -> BudgetRules:
    """The rules of ``version`` for ``runner`` (``V1`` or ``V2``)."""
    second = runner == "V2"
    if version >= _V0_27:
        formula = Formula.CONSUMED
    elif version >= _V0_20:
        formula = Formula.PEAK_AND_GRAPHS
    else:
        formula = Formula.PEAK
    if second:
        sampler = (
            SamplerPath.FULL_PASS
            if version >= _V0_33
            else SamplerPath.LOGITS_ONLY
            if version >= _V0_26
            else SamplerPath.FLOAT32_COPY
        )
    else:
        sampler = SamplerPath.TRITON if version >= _V0_17 else SamplerPath.SORT
    return BudgetRules(
        formula=formula,
        sampler=sampler,
        subtracts_graph_estimate=version >= (_V0_29 if second else _V0_20),
        profiles_encoder=not second or version >= _V0_27,
        encoder_on_every_stage=not second,
        pads_encoder_outputs=version < _V0_13,
        keeps_encoder_inputs=not second,
        persistent_expert_workspace=version >= _V0_14,
        counts_penalty_buffers=second and formula is Formula.CONSUMED,
    )


def expert_chunk_tokens(version: EngineVersion) -> int | None:
    """Most tokens an expert layer handles at once, None where there is no limit.

    ``VLLM_FUSED_MOE_CHUNK_SIZE`` in ``envs.py``: 16,384 through 0.17.1, gone in 0.18.1.
    """
    return 16384 if version < _V0_18 else None


_COMBO_KERNELS_SINCE: Final = EngineVersion(0, 11, 1)
"""torch 2.9 is in 0.11.1; vLLM switches combo kernels and their benchmark on with it (``config/compilation.py``)."""


def benchmarks_while_compiling(version: EngineVersion) -> bool:
    """Whether Inductor measures kernels on random copies of their arguments while it compiles (0.11.1 to 0.33)."""
    return version >= _COMBO_KERNELS_SINCE


GRAPHS_CHARGED_SINCE: Final = _V0_20
"""First release that takes the CUDA-graph estimate from the KV cache (``v1/worker/gpu_worker.py``)."""

PEERS_BEFORE_SNAPSHOT_SINCE: Final = EngineVersion(0, 12)
"""From here on NCCL exists before vLLM looks at free memory (vLLM #25359)."""

SMALLER_NON_TORCH_SINCE: Final = _V0_17
"""From here on published start-ups print less memory outside torch."""


def rounds_request_up(version: EngineVersion) -> bool:
    """Whether total x utilisation is rounded up to a byte, before 0.13 down (``worker/utils.py: request_memory``)."""
    return version >= _V0_13
