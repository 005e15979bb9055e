"""Checks for what vLLM refuses other than memory: an ordered tuple of small checks, one per file.

Each check looks at one command and answers None or the refusal. Nothing here chooses; planning asks before it counts
memory, and chooses nothing that a check refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Final

from vlm_operator.capacity.as_served import as_served as with_flags
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.feasibility.architecture_release import architecture_release
from vlm_operator.feasibility.attention_kernel import attention_kernel
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.element_type import as_served, element_type
from vlm_operator.feasibility.encoder_heads import encoder_heads
from vlm_operator.feasibility.flag_pairs import expert_parallelism, whole_prompts
from vlm_operator.feasibility.gpu_generation import gpu_generation
from vlm_operator.feasibility.quantization_support import quantization_support
from vlm_operator.feasibility.quantized_shards import quantized_shards
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.feasibility.tensor_parallel import tensor_parallel
from vlm_operator.feasibility.whole_items import whole_items
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import ModelFacts

__all__ = [
    "BATCH_CHECKS",
    "CHECKS",
    "Command",
    "Infeasible",
    "InfeasibleReason",
    "as_served",
    "feasible_settings",
    "refusals",
]

CHECKS: Final[tuple[Callable[[Command], Infeasible | None], ...]] = (
    architecture_release,
    gpu_generation,
    element_type,
    quantization_support,
    attention_kernel,
    tensor_parallel,
    encoder_heads,
    quantized_shards,
)
"""In the order in which vLLM would come upon them; what they find does not depend on utilisation, context or batch."""

BATCH_CHECKS: Final[tuple[Callable[[Command], Infeasible | None], ...]] = (
    expert_parallelism,
    whole_prompts,
    whole_items,
)
"""Checks of one flag against another."""


def refusals(
    model: ModelFacts, settings: EngineSettings, gpu: GPUFacts, version: EngineVersion
) -> tuple[Infeasible, ...]:
    """What vLLM would refuse of this command, in the order of the checks; empty where it would start, memory aside.

    Args:
        settings: flags as requested or resolved.
    """
    command = Command(model, settings, gpu, version)
    pairs = tuple(found for check in BATCH_CHECKS if (found := check(command)) is not None)
    return (*_refusals(model, gpu, settings, version), *pairs)


_FLAGS = attrgetter(
    *(
        flag
        for flag in EngineSettings.__dataclass_fields__
        if flag not in {"gpu_memory_utilization", "max_model_len", "max_num_seqs", "max_num_batched_tokens"}
    )
)


@cached_by_identity(2, by=lambda settings, version: (_FLAGS(settings), version))
def _refusals(
    model: ModelFacts, gpu: GPUFacts, settings: EngineSettings, version: EngineVersion
) -> tuple[Infeasible, ...]:
    try:
        served = with_flags(model, settings, version)
    except (InputError, UnknownFact):
        return ()  # planning says what is wrong with the flag, or not known of it
    at_load = model.quantization is None and served.quantization is not None
    command = Command(served, settings, gpu, version, quantized_at_load=at_load)
    return tuple(found for check in CHECKS if (found := check(command)) is not None)


def feasible_settings(
    model: ModelFacts, settings: EngineSettings, gpu: GPUFacts, version: EngineVersion, pinned: frozenset[str]
) -> EngineSettings:
    """``settings`` with the changes that refusals name, as far as only free flags are touched.

    What comes of it may still be refused: ask ``refusals`` again.
    """
    tried: set[tuple[str, object]] = set()
    while True:
        change = next(
            (
                found.change
                for found in refusals(model, settings, gpu, version)
                if found.change and not any(flag in pinned or (flag, value) in tried for flag, value in found.change)
            ),
            None,
        )
        if change is None:
            return settings
        tried.update(change)
        settings = settings.with_(**dict(change))
