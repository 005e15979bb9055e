"""The oldest generation of GPUs that a release's wheels and images hold kernels for."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion

SOURCE: Final = (
    "vLLM 0.20.0 moved to PyTorch 2.11 and CUDA 13 (requirements/cuda.txt, docker/Dockerfile: torch_cuda_arch_list; "
    "vllm-project/vllm#39878); PyTorch 2.11 has no kernels for compute capability 7.0 (pytorch/pytorch#172351)"
)

_OLDEST: Final = ((EngineVersion(0, 11), (7, 0)), (EngineVersion(0, 20), (7, 5)))
"""(first release, lowest compute capability): Volta, then Turing."""


def oldest_generation(version: EngineVersion) -> tuple[int, int]:
    """Lowest compute capability for which the release has kernels."""
    found = _OLDEST[0][1]
    for since, capability in _OLDEST:
        if version >= since:
            found = capability
    return found


def last_minor_with(capability: tuple[int, int]) -> int | None:
    """The last minor release of 0.x that has kernels for the capability; None where none known has."""
    if capability < _OLDEST[0][1]:
        return None
    return next((since.minor - 1 for since, least in _OLDEST if capability < least), None)
