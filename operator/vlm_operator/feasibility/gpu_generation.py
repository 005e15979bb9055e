"""Check: the release's wheels and images hold kernels for the GPU's generation."""

from __future__ import annotations

from vlm_operator.engine.gpu_generations import SOURCE, last_minor_with, oldest_generation
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason


def gpu_generation(command: Command) -> Infeasible | None:
    """Refuse GPUs older than the release's kernels; the remedy names the last release that has them."""
    capability, version = command.capability, command.version
    if capability is None:
        return None
    least = oldest_generation(version)
    if capability >= least:
        return None
    remedy = f"use a GPU of compute capability {least[0]}.{least[1]} or newer"
    last = last_minor_with(capability)
    if last is not None:
        remedy = f"{remedy}, or vLLM 0.{last} (engine.image, --vllm-version)"
    return Infeasible(
        InfeasibleReason.COMPUTE_CAPABILITY_TOO_LOW,
        f"vLLM {version} has no kernels for {command.gpu_words}: its builds begin at compute capability "
        f"{least[0]}.{least[1]}",
        "",
        remedy,
        SOURCE,
    )
