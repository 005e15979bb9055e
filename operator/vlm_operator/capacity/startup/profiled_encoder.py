"""What will the profiling run encode? From the family's token rules to a run of the encoder."""

from __future__ import annotations

from vlm_operator.capacity.multimodal import encoder_budget
from vlm_operator.capacity.startup.encoder import EncoderRun
from vlm_operator.engine.encoder_rules import reckoned_tokens_per_encoded
from vlm_operator.engine.settings import MODALITIES, EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.processors import MultimodalFacts


def profiled_encoder(model: ModelFacts, settings: EngineSettings, version: EngineVersion) -> EncoderRun | None:
    """The dummy items of the profiling run, None for a text model or where every modality is switched off.

    Raises:
        UnknownFact: the model takes images or videos, but its token rules or its tower's dimensions are not known.
    """
    if model.vision is None and model.multimodal is None and model.multimodal_unknown is None:
        return None
    if not any(map(settings.enabled, MODALITIES)):
        return None
    if not isinstance(model.multimodal, MultimodalFacts):
        raise _unknown(f"multimodal: {model.multimodal_unknown or 'the token rules of the family are not known'}")
    budget = encoder_budget(model.multimodal, settings, version)
    if budget.modality is None or budget.items == 0:
        return None
    if model.vision is None:
        raise _unknown("vision_config: the dimensions of the vision encoder are not stated, so its memory is not known")
    reckoned = reckoned_tokens_per_encoded(model.model_type, budget.modality, version)
    return EncoderRun(
        modality=budget.modality,
        items=budget.items,
        tokens_per_item=budget.tokens_per_item,
        budget_tokens=budget.budget_tokens,
        encoded_tokens_per_item=int(budget.tokens_per_item / reckoned),
    )


def _unknown(message: str) -> UnknownFact:
    return UnknownFact(
        message,
        field=message.partition(":")[0],
        hint="switch the modalities off with --language-model-only or --limit-mm-per-prompt to plan the text model",
    )
