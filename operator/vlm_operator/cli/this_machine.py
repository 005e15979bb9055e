"""The GPUs of the machine that ``vlmctl`` runs on: ``--gpu local``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vlm_operator.errors import InputError

if TYPE_CHECKING:
    from vlm_operator.gpu.facts import GPUFacts
    from vlm_operator.planning.intent import Intent

LOCAL: Final = "local"
"""Value of ``--gpu`` that means this machine."""


def local_gpu(platform: str | None = None) -> tuple[GPUFacts, int]:
    """(the first GPU of this machine, how many of that product it has); its platform as the kernel tells where None.

    Raises:
        InputError: it has none.
    """
    from vlm_operator.agent.nvml import local_gpus
    from vlm_operator.gpu.facts import Platform

    gpus = local_gpus(platform=Platform(platform) if platform else None)
    if not gpus:
        raise InputError("gpu: this machine has no NVIDIA GPU", field="gpu", hint="name a product with --gpu")
    return gpus[0].facts(), sum(gpu.label == gpus[0].label for gpu in gpus)


def on_this_machine(intent: Intent, gpu: GPUFacts, installed: int) -> Intent:
    """The intent on no more GPUs than this machine has.

    Raises:
        InputError: the count of GPUs or the parallel sizes ask for more.
    """
    settings = intent.settings
    ranks = settings.tensor_parallel_size * settings.pipeline_parallel_size * settings.data_parallel_size
    for field, asked in (("gpu-count", intent.gpu_count or 1), ("tensor-parallel-size", ranks)):
        if asked > installed:
            raise InputError(
                f"{field}: {asked} GPUs are needed, this machine has {installed} x {gpu.label}",
                field=field,
                hint=f"ask for at most {installed}, or name the product with --gpu to plan for another machine",
            )
    return replace(intent, gpus_available=installed)
