"""Fitted coefficients, each with the published start-ups it was fitted on.

Ids are those of ``hack/accuracy/startups.jsonl``, which has the addresses. ``hack/accuracy/fit.py`` works the figures
out again from that data (ridge regression towards a prior); ``tests/unit/capacity/startup`` holds the two together.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from vlm_operator.units import GIB, MIB


class Fitted(NamedTuple):
    """A fitted figure.

    Attributes:
        value: GiB; for ``graphLayer`` and ``graphPeers`` GiB for each 1,000 graphs x layers.
        start_ups: ids of the published start-ups behind it.
    """

    value: float
    start_ups: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """The figure in bytes."""
        return int(self.value * GIB)


CUBLAS_WORKSPACE_BYTES: Final = {True: 32 * MIB, False: 8 * MIB + 128 * 1024}
"""cuBLAS workspace inside torch's allocator, by "compute capability 9.0 or later".

PyTorch ``aten/src/ATen/cuda/CublasHandlePool.cpp: parseChosenWorkspaceSize``."""

SMALL_BUFFERS_BYTES: Final = 15 * MIB
"""What is left of the activation peak of five H100 start-ups of 0.10 and 0.11 after everything counted from code."""

FITTED: Final[dict[str, Fitted]] = {
    "nonTorch HBM 0.11": Fitted(
        0.113,
        (
            "kolyangg-qwen3-30b-a3b-h100-0102",
            "llama31-8b-a100-40-0151",
            "llmd-emp-gpt-oss-20b-tp1-16000",
            "llmd-emp-qwen3-0.6b-tp1-16000",
            "llmd-emp-qwen3-0.6b-tp1-32000",
            "llmd-emp-qwen3-32b-tp2-16000",
            "llmd-gptoss-120b",
            "llmd-llama31-8b",
            "llmd-llama33-70b-fp8-tp2",
            "llmd-qwen3-32b-tp1",
            "public-qwen3vl-30b-h100nvl-013",
            "zzsf-qwen3-30b-a3b-tp2-h100",
            "zzsf-qwen3-embedding-8b-h100",
            "zzsf-qwen3-vl-30b-a3b-tp2-h100",
            "zzsf-qwen3-vl-30b-a3b-tp2-h100-seqs256",
        ),
    ),
    "nonTorch GDDR 0.11": Fitted(
        0.03,
        (
            "abinav-llama31-8b-l4-011",
            "doanngoc-dots-ocr-0111-a",
            "doanngoc-dots-ocr-0111-b",
            "jmitchall-llava16-mistral7b-5080-a",
            "public-qwen3vl-30b-a3b-tp4-3090-0110",
        ),
    ),
    "nonTorch HBM 0.17": Fitted(
        0.235,
        (
            "myoceane-gptoss20b-a100-0190",
            "public-gemma4-31b-b300-026",
            "public-qwen25vl-7b-a100-023",
        ),
    ),
    "nonTorch GDDR 0.17": Fitted(
        0.03,
        (
            "public-qwen3-14b-nvfp4-5070ti-wsl-023",
            "public-qwen3-8b-nvfp4-5070ti-wsl-023",
            "public-qwen35-4b-44g-async-022",
            "public-qwen35-4b-44g-llm-022",
            "public-qwen35-9b-2x5090-020",
            "public-qwen35-9b-l40s-019",
            "qwen35-4b-4090d-023",
            "sridhar1804-phi3-mini-3090-0191",
            "triet-qwen3-8b-awq-2xt4",
            "vllm-36973-qwen35-35b-a3b-gptq-5090-dev88",
        ),
    ),
    "consumed HBM": Fitted(
        0.243,
        (
            "phivan-qwen36-27b-fp8-h100",
            "public-qwen38-27b-a100-llm-028",
        ),
    ),
    "consumed GDDR": Fitted(
        0.141,
        (
            "fentz26-qwen38-27b-fp8-2x5090",
            "public-qwen38-27b-awq-3090-graphs-029",
            "rtx4090-qwen3-8b-0271-cold",
            "rtx4090-qwen3-8b-0271-warm",
        ),
    ),
    "tensorParallel HBM": Fitted(
        0.414,
        (
            "llmd-emp-qwen3-32b-tp2-16000",
            "llmd-llama33-70b-fp8-tp2",
            "zzsf-qwen3-30b-a3b-tp2-h100",
            "zzsf-qwen3-vl-30b-a3b-tp2-h100",
            "zzsf-qwen3-vl-30b-a3b-tp2-h100-seqs256",
        ),
    ),
    "tensorParallel GDDR": Fitted(
        0.055,
        (
            "fentz26-qwen38-27b-fp8-2x5090",
            "public-qwen35-9b-2x5090-020",
            "public-qwen3vl-30b-a3b-tp4-3090-0110",
            "triet-qwen3-8b-awq-2xt4",
        ),
    ),
    "unified": Fitted(
        2.309,
        (
            "public-qwen36-27b-nvfp4-gb10-023",
            "sostrowsk-gemma4-26b-a4b-nvfp4-gb10",
            "sostrowsk-gemma4-26b-a4b-qat-awq-int4-gb10",
            "sostrowsk-qwen36-35b-a3b-nvfp4-gb10",
            "sostrowsk-qwen38-27b-int4-gb10",
            "sostrowsk-qwen38-27b-nvfp4-gb10",
            "tw10519-gptoss20b-013-gb10",
        ),
    ),
    "graphBase": Fitted(
        0.148,
        (
            "fentz26-qwen38-27b-fp8-2x5090",
            "public-gemma4-31b-b300-026",
            "public-qwen25vl-7b-a100-023",
            "public-qwen35-4b-44g-async-022",
            "public-qwen35-4b-44g-llm-022",
            "public-qwen35-9b-l40s-019",
            "sridhar1804-phi3-mini-3090-0191",
        ),
    ),
    "graphLayer": Fitted(
        0.141,
        (
            "fentz26-qwen38-27b-fp8-2x5090",
            "public-gemma4-31b-b300-026",
            "public-qwen25vl-7b-a100-023",
            "public-qwen35-4b-44g-async-022",
            "public-qwen35-4b-44g-llm-022",
            "public-qwen35-9b-l40s-019",
            "sridhar1804-phi3-mini-3090-0191",
        ),
    ),
    "graphPeers": Fitted(
        0.456,
        ("fentz26-qwen38-27b-fp8-2x5090",),
    ),
}
"""``nonTorch``: growth outside torch on one GPU, by kind of memory and first release. ``consumed``: fall of free memory
beyond weights, workspaces and counted buffers on one GPU, from 0.27. ``unified``: the same on unified memory, where the
host's own use counts. ``tensorParallel``: what more than one rank adds (NCCL channels and peer mappings opened during
the run; NVLink boards open more). ``graphBase`` and ``graphLayer``: vLLM's estimate of CUDA graphs; ``graphPeers``:
what collectives captured in a graph add for each graph and layer with more than one rank."""
