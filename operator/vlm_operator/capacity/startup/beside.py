"""What vLLM loads beside the model, and "Model loading took" counts: buffers of LoRA adapters, a drafter."""

from __future__ import annotations

from vlm_operator.capacity.startup.adapters import adapter_bytes
from vlm_operator.capacity.startup.budget import Term
from vlm_operator.capacity.startup.drafter import drafter_bytes, drafts_with_module
from vlm_operator.engine.adapters import adapters_of
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts

_DRAFTER = "one decoder layer more, and what joins it (vLLM 0.33: v1/worker/gpu/spec_decode, models/*_mtp.py)"


def loaded_beside(
    model: ModelFacts,
    settings: EngineSettings,
    version: EngineVersion,
    compute_capability: tuple[int, int] | None = None,
) -> tuple[tuple[Term, ...], ...]:
    """The terms of each pipeline stage, the first stage first; empty ones where nothing is loaded beside.

    Raises:
        UnknownFact: as ``adapter_bytes``.
    """
    stages: list[tuple[Term, ...]] = [()] * settings.pipeline_parallel_size
    adapters = adapters_of(settings)
    if adapters is not None:
        why = (
            f"{adapters.slots} of rank {adapters.rank} for every linear layer of the language model "
            "(vLLM 0.33: lora/layers, create_lora_weights)"
        )
        stages = [(Term("LoRA adapters", size, why),) for size in adapter_bytes(model, settings, version)]
    if drafts_with_module(model, settings):
        drafters = drafter_bytes(model, settings, version, compute_capability)
        stages = [
            (*terms, Term("the MTP drafter", size, _DRAFTER)) if size else terms
            for terms, size in zip(stages, drafters, strict=True)
        ]
    return tuple(stages)
