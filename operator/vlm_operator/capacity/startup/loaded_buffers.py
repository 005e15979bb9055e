"""Buffers that "Model loading took" counts beside parameters: they depend on the model and the release."""

from __future__ import annotations

from vlm_operator.capacity.startup.sparse_attention import selected_tokens
from vlm_operator.capacity.weights.ranks import Ranks, shape_of
from vlm_operator.capacity.weights.unquantized import matcher, names_of, never_quantized
from vlm_operator.engine.loading_rules import multimodal_rotary_rows
from vlm_operator.engine.settings import MODALITIES, EngineSettings
from vlm_operator.engine.sparse_attention import selection_bytes
from vlm_operator.engine.version import EngineVersion
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import Linear, ModelFacts, Tensors


def loaded_buffer_bytes(model: ModelFacts, settings: EngineSettings, version: EngineVersion) -> int:
    """Bytes on every rank.

    DeepStack levels: one buffer of input embeddings of a batch for each (``deepstack_input_embeds`` of the
    model's class in vLLM). Multimodal
    rotary embeddings: rows that later releases leave out. Sparse attention: the buffer of selected tokens. Latent
    attention: ``kv_b_proj`` in 16 bit where the checkpoint has it quantised.
    """
    elements = _absorbed_elements(model, Ranks.of(settings))
    size = -(-elements // settings.pipeline_parallel_size) * model.dtype.size_bytes
    selected = selected_tokens(model)
    if selected:
        size += selection_bytes(selected, settings.batch_tokens)
    vision = model.vision
    if vision is not None:  # held whatever is enabled (0.33: ``granite4_vision.py``, ``_ds_buffers``)
        size += vision.kept_inputs * settings.batch_tokens * model.text.hidden_size * model.dtype.size_bytes
    if vision is not None and vision.deepstack_levels and any(map(settings.enabled, MODALITIES)):
        tokens = settings.batch_tokens
        size += vision.deepstack_levels * tokens * model.text.hidden_size * model.dtype.size_bytes
    more_rows = multimodal_rotary_rows(model.traits.rotary_rows, version) - 1
    if more_rows:
        size += more_rows * model.dtype.size_bytes * _rotary_elements(model)
    return size


@cached_by_identity()
def _rotary_elements(model: ModelFacts) -> int:
    """Elements of the language model's rotary embeddings with one row."""
    return sum(
        module.count * module.elements
        for module in model.weights or ()
        if isinstance(module, Tensors) and module.name.endswith("model.rotary_emb.cos_sin_cache")
    )


@cached_by_identity()
def _absorbed_elements(model: ModelFacts, ranks: Ranks) -> int:
    """Elements of the copies of quantised up-projections that decoding multiplies by, of all stages.

    ``MLAAttention.process_weights_after_loading`` (0.11 to 0.33) takes them out of their quantisation; of unquantised
    ones it keeps views.
    """
    rule = model.quantization
    if rule is None or model.weights is None:
        return 0
    matches = matcher(rule.method, rule.ignored)
    elements = 0
    for module in model.weights:
        if isinstance(module, Linear) and module.name.endswith("kv_b_proj") and not never_quantized(module, rule):
            shape = shape_of(module, ranks)
            quantized = sum(not (rule.ignored and matches(*names)) for names in names_of(module))
            elements += quantized * shape.rows * shape.columns
    return elements
