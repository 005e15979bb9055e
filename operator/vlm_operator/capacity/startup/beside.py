"""What vLLM loads beside the model, and "Model loading took" counts: the buffers of LoRA adapters."""

from __future__ import annotations

from vlm_operator.capacity.startup.adapters import adapter_bytes
from vlm_operator.capacity.startup.budget import Term
from vlm_operator.engine.adapters import adapters_of
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts


def loaded_beside(model: ModelFacts, settings: EngineSettings, version: EngineVersion) -> tuple[tuple[Term, ...], ...]:
    """The terms of each pipeline stage, the first stage first; empty ones where nothing is loaded beside.

    Raises:
        UnknownFact: as ``adapter_bytes``.
    """
    adapters = adapters_of(settings)
    if adapters is None:
        return ((),) * settings.pipeline_parallel_size
    why = (
        f"{adapters.slots} of rank {adapters.rank} for every linear layer of the language model "
        "(vLLM 0.33: lora/layers, create_lora_weights)"
    )
    return tuple((Term("LoRA adapters", size, why),) for size in adapter_bytes(model, settings, version))
