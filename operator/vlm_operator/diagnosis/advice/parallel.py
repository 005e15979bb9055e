"""Advice for sizes of tensor parallelism that do not divide the model, or for which there are no GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vlm_operator.diagnosis import failure as families
from vlm_operator.diagnosis.advice.start import ranks_of
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.result import Advice
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.resources import GPU_RESOURCE

_OF_EXPERTS: Final = ("gate's and up's", "down's weight", "expert", "intermediate_size_per_partition")
"""Words of a sentence about the weights of experts (``fused_moe``)."""


def parallel(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """Ranks that divide the model and that there are GPUs for."""
    assert isinstance(failure, families.ParallelFailure)
    ranks = failure.tensor_parallel_size or ranks_of(observation)
    if failure.num_heads is not None and ranks is not None:
        divisor = next((n for n in range(min(ranks, failure.num_heads), 0, -1) if failure.num_heads % n == 0), 1)
        yield Advice(
            "--tensor-parallel-size",
            ranks,
            divisor,
            f"the largest size up to {ranks} that divides {failure.num_heads} heads",
            exact=True,
        )
    elif failure.gpus is not None and failure.gpus > 0:
        target = 1 << (failure.gpus.bit_length() - 1)
        yield Advice(
            "--tensor-parallel-size",
            ranks or failure.world_size,
            target,
            f"{failure.gpus} GPUs are visible; a power of two divides most models' heads",
        )
        yield Advice(None, failure.gpus, failure.world_size, f"or give the pod that many GPUs ({GPU_RESOURCE})")
    elif failure.reason == "TensorParallelNotDivisible":
        yield from _shares(failure, ranks)


def _shares(failure: families.ParallelFailure, ranks: int | None) -> Iterator[Advice]:
    """Fewer ranks, whose shares are larger; or whole experts, or a whole vision tower, on each rank."""
    size, divisor = failure.size, failure.divisor
    figures = (
        "a layer does not divide evenly" if size is None or divisor is None else f"{size} is not divisible by {divisor}"
    )
    whole_experts = Advice("--enable-expert-parallel", None, True, "each rank then holds whole experts")
    of_experts = any(word in failure.message for word in _OF_EXPERTS)
    if of_experts:
        yield whole_experts
    if ranks is not None and ranks > 1:
        target = _fitting_ranks(size, divisor, ranks) or ranks // 2
        yield Advice("--tensor-parallel-size", ranks, target, f"{figures}; with fewer ranks each share is larger")
    else:
        yield Advice("--tensor-parallel-size", None, None, f"lower: {figures}; with fewer ranks each share is larger")
    if "by" not in failure.numbers and not of_experts:  # a bare division: heads or layers by ranks
        why = "if it is the vision encoder: each rank then holds all of it and encodes other items"
        yield Advice("--mm-encoder-tp-mode", None, "data", why)
        yield whole_experts


def _fitting_ranks(size: int | None, divisor: int | None, ranks: int) -> int | None:
    """The largest halving of ``ranks`` that divides: the whole by the ranks, or a share of ``size`` by a block."""
    fewer = ranks // 2
    while size and divisor and fewer >= 1:
        if (size % fewer == 0) if divisor == ranks else (size * ranks // fewer % divisor == 0):
            return fewer
        fewer //= 2
    return None
