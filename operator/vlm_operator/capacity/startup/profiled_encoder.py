"""Derive the encoder's part of the profiling run from the family's token rules."""

from __future__ import annotations

import math

from vlm_operator.capacity.multimodal import EncoderBudget, encoder_budget, max_item_tokens
from vlm_operator.capacity.multimodal.audio import tokens_of
from vlm_operator.capacity.startup.encoder import EncoderRun
from vlm_operator.engine.encoder_rules import reckoned_tokens_per_encoded
from vlm_operator.engine.settings import MODALITIES, EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import UnknownFact
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.processors import (
    FramedAudio,
    MultimodalFacts,
    OverlapCrops,
    PooledCrops,
    SmartResize,
    SoftTokenBudget,
)


def _flags(settings: EngineSettings, version: EngineVersion) -> tuple[object, ...]:
    return (
        settings.max_model_len,
        settings.max_num_seqs,
        settings.max_num_batched_tokens,
        settings.enable_chunked_prefill,
        settings.limit_mm_per_prompt,
        settings.language_model_only,
        settings.mm_processor_kwargs,
        settings.media_io_kwargs,
        settings.runner,
        version,
    )


@cached_by_identity(1, by=_flags)
def profiled_encoder(model: ModelFacts, settings: EngineSettings, version: EngineVersion) -> EncoderRun | None:
    """The dummy items of the profiling run, None for a text model or where every modality is switched off.

    Raises:
        UnknownFact: the model takes images or videos, but its token rules or its tower's dimensions are not known; or
            audio is profiled, and what its encoder takes is not known.
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
    if budget.modality == "audio" and model.audio is not None and model.multimodal.audio is not None:
        return _audio_run(model.audio, model.multimodal.audio, budget)
    if budget.modality == "audio" and not model.multimodal.audio_frames:
        raise _audio_unknown(model)
    if model.vision is None:
        raise _unknown("vision_config: the dimensions of the vision encoder are not stated, so its memory is not known")
    processor = model.multimodal.processor
    timestamps = isinstance(processor, SmartResize) and processor.timestamps
    reckoned = reckoned_tokens_per_encoded(timestamps=timestamps, modality=budget.modality, version=version)
    encoded = _dummy_tokens(model.multimodal, settings, version, budget)
    return EncoderRun(
        modality=budget.modality,
        items=budget.items,
        tokens_per_item=budget.tokens_per_item,
        budget_tokens=budget.budget_tokens,
        encoded_tokens_per_item=int(encoded / reckoned),
        patches_per_item=_patches(model.multimodal, budget.modality, encoded),
    )


def _audio_run(tower: AudioTower, rule: FramedAudio, budget: EncoderBudget) -> EncoderRun:
    """The dummy sound: its positions in the encoder, and the outputs that it really has."""
    samples = rule.dummy or budget.tokens_per_item * rule.hop
    if rule.multiple:
        samples = -(-samples // rule.multiple) * rule.multiple
    return EncoderRun(
        modality="audio",
        items=budget.items,
        tokens_per_item=budget.tokens_per_item,
        budget_tokens=budget.budget_tokens,
        encoded_tokens_per_item=tokens_of(rule, samples),
        patches_per_item=-(-samples // tower.samples),
    )


def _dummy_tokens(
    facts: MultimodalFacts, settings: EngineSettings, version: EngineVersion, budget: EncoderBudget
) -> int:
    """Tokens of the dummy item.

    vLLM reckons the largest item beside one item of each other modality, but makes the dummy alone, so a video whose
    length depends on the context is longer (``mm_counts={modality: 1}`` in ``v1/worker/gpu_model_runner.py:
    _get_mm_dummy_batch``, later ``multimodal/encoder_budget.py: get_dummy_encoder_profile_inputs``).
    """
    if budget.modality is None or budget.modality == "audio":
        return budget.tokens_per_item
    others = tuple((name, ModalityLimit(0)) for name in facts.modalities if name != budget.modality)
    if not any(settings.enabled(name) for name, _ in others):
        return budget.tokens_per_item
    own = tuple(entry for entry in settings.limit_mm_per_prompt or () if entry[0] == budget.modality)
    alone = settings.with_(limit_mm_per_prompt=tuple(sorted((*own, *others))))
    return max(max_item_tokens(facts, alone, version).get(budget.modality, 0), budget.tokens_per_item)


def _patches(facts: MultimodalFacts, modality: str, tokens: int) -> int:
    """Patches of the largest item where they are not its tokens times those merged into one, else 0.

    Molmo encodes every crop whole, and takes tokens from what neighbours do not show; frames of Molmo 2 are pooled by
    more patches than images. Frames that become soft tokens
    are padded to as many patches as those are pooled from, and their tokens count what stands between frames, too.
    """
    if modality == "audio":
        return tokens * facts.audio_frames
    processor = facts.processor
    if isinstance(processor, OverlapCrops):
        return (processor.max_crops + 1) * (processor.crop_size // processor.patch_size) ** 2
    if isinstance(processor, PooledCrops):
        if modality == "video":
            return tokens * math.prod(processor.frame_pooling)
        return (processor.max_crops + 1) * (processor.crop_size // processor.patch_size) ** 2
    if isinstance(processor, SoftTokenBudget) and modality == "video":
        return processor.max_frames * processor.frame_tokens * processor.pooling_size**2
    return 0


def _audio_unknown(model: ModelFacts) -> UnknownFact:
    off = "--limit-mm-per-prompt '{\"audio\": 0}'"
    facts = model.multimodal
    alone = isinstance(facts, MultimodalFacts) and facts.modalities == ("audio",)
    return UnknownFact(
        f"audio_config: what the audio encoder of {model.model_type} takes at start-up is not known",
        field="audio_config",
        hint=f"ask vLLM itself with vlmctl dry-run; {off} plans the language model alone"
        if alone
        else f"switch audio off with {off}, or allow images, which are larger",
    )


def _unknown(message: str) -> UnknownFact:
    return UnknownFact(
        message,
        field=message.partition(":")[0],
        hint="switch the modalities off with --language-model-only or --limit-mm-per-prompt to plan the text model",
    )
