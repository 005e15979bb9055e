"""Buffers that "Model loading took" counts beside parameters: they depend on the model and the release."""

from __future__ import annotations

from vlm_operator.engine.loading_rules import multimodal_rotary_rows
from vlm_operator.engine.settings import MODALITIES, EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts, Tensors


def loaded_buffer_bytes(model: ModelFacts, settings: EngineSettings, version: EngineVersion) -> int:
    """Bytes on every rank.

    DeepStack levels: one buffer of input embeddings of a batch for each (``deepstack_input_embeds`` of the
    model's class in vLLM). Multimodal
    rotary embeddings: rows that later releases leave out.
    """
    size = 0
    vision = model.vision
    if vision is not None:  # held whatever is enabled (0.33: ``granite4_vision.py``, ``_ds_buffers``)
        size += vision.kept_inputs * settings.batch_tokens * model.text.hidden_size * model.dtype.size_bytes
    if vision is not None and vision.deepstack_levels and any(map(settings.enabled, MODALITIES)):
        tokens = settings.batch_tokens
        size += vision.deepstack_levels * tokens * model.text.hidden_size * model.dtype.size_bytes
    more_rows = multimodal_rotary_rows(model.traits.rotary_rows, version) - 1
    if more_rows and model.weights is not None:
        size += (
            more_rows
            * model.dtype.size_bytes
            * sum(
                module.count * module.elements
                for module in model.weights
                if isinstance(module, Tensors) and module.name.endswith("model.rotary_emb.cos_sin_cache")
            )
        )
    return size
