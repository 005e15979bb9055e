"""What a check looks at: one model, one set of flags, one GPU, one release."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts


@dataclass(frozen=True, slots=True)
class Command:
    """One ``vllm serve``, memory aside.

    Attributes:
        settings: flags as requested; None where vLLM decides.
        gpu: one of the GPUs.
    """

    model: ModelFacts
    settings: EngineSettings
    gpu: GPUFacts
    version: EngineVersion

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
