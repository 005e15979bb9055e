"""Check: the release's wheels and images hold kernels for the GPU's generation."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason

SOURCE: Final = (
    "vLLM 0.20.0 moved to PyTorch 2.11 and CUDA 13 (requirements/cuda.txt, docker/Dockerfile: torch_cuda_arch_list; "
    "vllm-project/vllm#39878); PyTorch 2.11 has no kernels for compute capability 7.0 (pytorch/pytorch#172351)"
)

_TURING: Final = (7, 5)
_VOLTA: Final = (7, 0)
_WITHOUT_VOLTA: Final = EngineVersion(0, 20)


def gpu_generation(command: Command) -> Infeasible | None:
    """Refuse GPUs older than Volta, and Volta from 0.20 on."""
    capability, version = command.capability, command.version
    if capability is None:
        return None
    least = _TURING if version >= _WITHOUT_VOLTA else _VOLTA
    if capability >= least:
        return None
    needed = f"{least[0]}.{least[1]}"
    remedy = "use a GPU of Turing or newer"
    if capability >= _VOLTA:
        remedy = f"{remedy}, or vLLM 0.19 (engine.image, --vllm-version)"
    return Infeasible(
        InfeasibleReason.COMPUTE_CAPABILITY_TOO_LOW,
        f"vLLM {version} has no kernels for {command.gpu_words}: its builds begin at compute capability {needed}",
        "",
        remedy,
        SOURCE,
    )
