"""How vLLM divides a model's layers over the stages of a pipeline.

Source: vLLM ``distributed/utils.py: get_pp_indices``, the same from 0.11 to 0.33.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

LAYER_PARTITION: Final = "VLLM_PP_LAYER_PARTITION"
"""Environment variable that sets how many layers each stage holds: ``24,24,23,23``."""


def stage_sizes(layers: int, stages: int, partition: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """Layers of each stage: even shares, one more in the stages before the last for what is left over.

    Args:
        partition: what ``VLLM_PP_LAYER_PARTITION`` says; it holds only for as many layers and stages as it names.

    >>> stage_sizes(94, 4), stage_sizes(94, 4, (25, 24, 24, 21))
    ((23, 24, 24, 23), (25, 24, 24, 21))
    """
    if partition is not None and len(partition) == stages and sum(partition) == layers:
        return partition
    sizes = [layers // stages] * stages
    for back in range(2, layers % stages + 2):
        sizes[-back] += 1
    return tuple(sizes)


@lru_cache(maxsize=1024)
def stage_bounds(layers: int, stages: int, partition: tuple[int, ...] | None = None) -> tuple[tuple[int, int], ...]:
    """Number of the first layer of each stage, and of the first one after it.

    >>> stage_bounds(10, 4)
    ((0, 2), (2, 5), (5, 8), (8, 10))
    """
    bounds, start = [], 0
    for size in stage_sizes(layers, stages, partition):
        bounds.append((start, start + size))
        start += size
    return tuple(bounds)


def partition_text(partition: tuple[int, ...]) -> str:
    """The variable's value.

    >>> partition_text((24, 23))
    '24,23'
    """
    return ",".join(map(str, partition))
