"""What a check looks at: one model, one set of flags, one GPU, one release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from vlm_operator.capacity.weights.ranks import Ranks
from vlm_operator.engine.settings import MODALITIES, EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine.weight_rules import skips_disabled_towers
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import ModelFacts, Placement, WeightModule


@dataclass(frozen=True, slots=True)
class Command:
    """One ``vllm serve``, memory aside.

    Attributes:
        settings: flags as requested; None where vLLM decides.
        gpu: one of the GPUs.
        quantized_at_load: the checkpoint is not quantised; a flag asks vLLM to do it while loading.
    """

    model: ModelFacts
    settings: EngineSettings
    gpu: GPUFacts
    version: EngineVersion
    quantized_at_load: bool = False

    @property
    def capability(self) -> tuple[int, int] | None:
        """The GPU's compute capability; None where it is not known, then no check that needs it refuses."""
        return self.gpu.compute_capability

    @property
    def gpu_words(self) -> str:
        """The GPU with its compute capability, for messages."""
        if self.capability is None:
            return self.gpu.label
        return f"{self.gpu.label} (compute capability {self.capability[0]}.{self.capability[1]})"

    @property
    def ranks(self) -> Ranks:
        """How many ranks share what."""
        return Ranks.of(self.settings)

    def modules(self) -> tuple[WeightModule, ...]:
        """Modules that vLLM builds with these limits; none where the model's modules are not known."""
        enabled: tuple[str, ...] = MODALITIES
        if skips_disabled_towers(self.version, reads_limits_early=self.model.traits.reads_limits_early):
            enabled = tuple(modality for modality in MODALITIES if self.settings.enabled(modality))
        return _modules(self.model, enabled)

    def sizes_that_pass(self, passes: Callable[[Command], bool]) -> tuple[int, ...]:
        """Tensor-parallel sizes up to 16 with which ``passes`` answers True."""
        return tuple(
            size
            for size in (1, 2, 4, 8, 16)
            if passes(replace(self, settings=self.settings.with_(tensor_parallel_size=size)))
        )


def division_of(command: Command) -> tuple[object, ...]:
    """What decides which part of each module a rank holds, beside the model."""
    settings = command.settings
    return command.version, command.ranks, settings.limit_mm_per_prompt, settings.language_model_only


@cached_by_identity()
def _modules(model: ModelFacts, enabled: tuple[str, ...]) -> tuple[WeightModule, ...]:
    return tuple(module for module in model.weights or () if _built(module.placement, enabled))


def _built(placement: Placement, enabled: tuple[str, ...]) -> bool:
    return not placement.modalities or any(modality in enabled for modality in placement.modalities)


def size_words(sizes: tuple[int, ...]) -> str:
    """``use tensor parallelism 1, 2 or 4``."""
    if not sizes:
        return "use another model or GPU"
    *others, last = map(str, sizes)
    return f"use tensor parallelism {', '.join(others)} or {last}" if others else f"use tensor parallelism {last}"
