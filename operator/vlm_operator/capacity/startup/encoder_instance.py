"""GPU memory of an instance that runs the vision encoder alone.

It has no KV cache, so vLLM profiles nothing (0.33: ``v1/engine/core.py: _initialize_kv_caches`` asks for the available
memory only where there is a cache), and ``--gpu-memory-utilization`` decides only whether the first check passes. The
GPU must hold the tower and its projector, the largest step of encoding, and outputs of earlier steps, which stay in
the encoder cache until it is full (``v1/core/encoder_cache_manager.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vlm_operator.capacity.startup.activation import encoder_run_memory
from vlm_operator.capacity.startup.non_torch import non_torch_bytes
from vlm_operator.capacity.startup.profiled_encoder import profiled_encoder
from vlm_operator.capacity.startup.runner_buffers import runner_buffer_bytes
from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.budget_rules import budget_rules
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import Component, ModelFacts

_LOADED: Final = (Component.VISION_TOWER, Component.PROJECTOR, Component.AUDIO_TOWER)


@dataclass(frozen=True, slots=True)
class EncoderInstance:
    """Bytes of one GPU, and the tokens they follow from.

    Attributes:
        weights_bytes: tower and projector.
        step_bytes: the largest step of encoding, inputs and outputs included.
        cache_bytes: outputs that the encoder cache holds.
        outside_bytes: CUDA context, and the runner's buffers.
        cache_tokens: encoder tokens that the cache holds, and that one step may encode.
        token_bytes: of one encoder token with all its levels.
        modality, items, item_tokens: what the largest step encodes.
    """

    weights_bytes: int
    step_bytes: int
    cache_bytes: int
    outside_bytes: int
    cache_tokens: int
    token_bytes: int
    modality: str
    items: int
    item_tokens: int

    @property
    def total_bytes(self) -> int:
        """Everything together."""
        return self.weights_bytes + self.step_bytes + self.cache_bytes + self.outside_bytes


def encoder_token_bytes(model: ModelFacts) -> int:
    """Bytes of one encoder output: the language model's width, once more for each DeepStack level.

    Raises:
        InputError: the model has no vision encoder.
    """
    if model.vision is None:
        raise InputError(
            f"model: {model.model} has no vision encoder that could stand apart",
            field="model",
            hint="use -o deployment",
        )
    width = (model.vision.output_size or model.text.hidden_size) * (1 + model.vision.deepstack_levels)
    return width * model.dtype.size_bytes


def encoder_instance(
    model: ModelFacts, gpu: GPUFacts, settings: EngineSettings, version: EngineVersion
) -> EncoderInstance:
    """What an instance on one GPU needs that loads the encoder of ``model`` alone.

    Args:
        settings: resolved, for the V2 runner and one GPU.

    Raises:
        InputError: the model has no vision encoder, or every modality is switched off.
        UnknownFact: its weights, its dimensions or its token rules are not known.
    """
    token_bytes = encoder_token_bytes(model)
    run = profiled_encoder(model, settings, version)
    if run is None:
        raise InputError(
            "limit-mm-per-prompt: every modality is switched off, so there is nothing to encode",
            field="limit-mm-per-prompt",
            hint="allow images or videos",
        )
    parts = weight_bytes(model, settings, version, gpu.compute_capability).by_component
    weights = sum(parts.get(component, 0) for component in _LOADED)
    if not weights:
        raise UnknownFact(
            f"architectures: the weights of the vision encoder of {model.architecture!r} are not known",
            field="architectures",
        )
    rules = budget_rules(version, settings.runner or "V2")
    memory = encoder_run_memory(model, gpu, settings, version, rules=rules, run=run)
    outside = non_torch_bytes(gpu, version, rules.formula, 1)
    outside += runner_buffer_bytes(model, settings, rules, samples=False)
    return EncoderInstance(
        weights_bytes=weights,
        step_bytes=memory.transient_bytes + memory.kept_bytes,
        cache_bytes=run.budget_tokens * token_bytes,
        outside_bytes=outside,
        cache_tokens=run.budget_tokens,
        token_bytes=token_bytes,
        modality=run.modality,
        items=run.items,
        item_tokens=run.tokens_per_item,
    )
