"""Memory the sampler allocates in the profiling run; often more than the layers do.

One dummy batch of ``min(max_num_batched_tokens, max_num_seqs)`` rows goes through the head and the sampler on every
tensor-parallel rank with the whole vocabulary. Bytes per logit are counted from the code (vLLM
``v1/sample/sampler.py``, ``v1/sample/ops/topk_topp_sampler.py``, ``v1/worker/gpu/sample/sampler.py``; PyTorch
``aten/src/ATen/native/cuda/Sort.cu``).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.budget_rules import SamplerPath

_SEGMENTED_SORT_ROWS: Final = 128
"""PyTorch sorts fewer rows than this as one flat array, with 12 bytes more for each element."""

_TRITON_ROWS: Final = 8
"""vLLM sorts in PyTorch below this many rows even where it has the Triton kernel."""


def bytes_per_logit(path: SamplerPath, rows: int, element_bytes: int = 2) -> int:
    """Peak bytes for each of rows x vocabulary, the logits in the model's element type included.

    A float32 model's logits are their own float32 copy.

    Sort: float32 copy 4, sorted values 4, int64 indices 8, and inside the sort reverse indices 8 and double buffers
    12 (values 4, indices 8); below 128 rows segment pairs 16, keys 4 and buffers 12 in their place. 38 ties out with
    published peaks of four models to 0.01 GiB, 50 with the difference of two start-ups at 64 and 256 rows.
    Triton or FlashInfer: float32 copy 4, probabilities 4, noise or masked logits 4.
    """
    copy = 4 if element_bytes < 4 else 0
    if path is SamplerPath.SORT or (path is SamplerPath.TRITON and rows < _TRITON_ROWS):
        return element_bytes + copy + (32 if rows >= _SEGMENTED_SORT_ROWS else 44)
    if path is SamplerPath.TRITON:
        return element_bytes + copy + 8
    if path is SamplerPath.FLOAT32_COPY:
        return element_bytes + copy
    if path is SamplerPath.FULL_PASS:
        return element_bytes + copy + 12
    return element_bytes


def sampler_bytes(
    path: SamplerPath, *, max_num_seqs: int, max_num_batched_tokens: int, vocab_size: int, element_bytes: int = 2
) -> int:
    """Peak bytes of the sampler in the profiling run, on each rank."""
    rows = min(max_num_seqs, max_num_batched_tokens)
    return rows * vocab_size * bytes_per_logit(path, rows, element_bytes)


def program_buffer_bytes(
    path: SamplerPath, *, max_num_seqs: int, max_num_batched_tokens: int, vocab_size: int, multiprocessors: int
) -> int:
    """The float32 buffer of vLLM's Triton kernel for top-k and top-p, which is kept for good.

    One row of the vocabulary for each program: the dummy batch's rows, rounded up to a power of two, at most one for
    each multiprocessor (vLLM ``v1/sample/ops/topk_topp_triton.py: apply_top_k_top_p_triton``, from 0.17 on).
    """
    rows = min(max_num_seqs, max_num_batched_tokens)
    if path is not SamplerPath.TRITON or rows < _TRITON_ROWS:
        return 0
    return min(1 << (min(rows, multiprocessors) - 1).bit_length(), multiprocessors) * vocab_size * 4


def penalty_buffer_bytes(max_num_seqs: int, vocab_size: int) -> int:
    """Buffers of the V2 runner that stay: int32 counts and one bit per request and vocabulary entry.

    Source: vLLM ``v1/worker/gpu/sample/penalties.py``.
    """
    return max_num_seqs * vocab_size * 4 + max_num_seqs * vocab_size // 8
