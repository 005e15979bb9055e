"""What speculative decoding takes at start: the drafter's weights and buffers, and its part of the profiled pass.

A module that predicts several tokens (MTP) is one more decoder layer like the model's last, three norms and the matrix
that joins an embedding with a hidden state; embedding and output matrix are the model's own (vLLM 0.19 to 0.33:
``v1/spec_decode``, ``v1/worker/gpu/spec_decode``). An n-gram drafter has no weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.capacity.weights.ranks import Ranks
from vlm_operator.capacity.weights.weight_bytes import Conditions, stage_components
from vlm_operator.engine.architecture_drafters import Mixing, mixing_of
from vlm_operator.engine.settings import MODALITIES, EngineSettings
from vlm_operator.engine.speculation import speculation_of
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine.weight_rules import mxfp4_kernel
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import Component, Linear, ModelFacts, Placement, Sharding, Tensors, WeightModule

_NORMS: Final = 3
"""Of the embedding, of the hidden state, and before the output matrix."""

_COPIES: Final = 2
"""Rows of a token that the drafter's pass holds beside a layer: embedding and hidden state, joined."""


def is_counted(model: ModelFacts, settings: EngineSettings) -> bool:
    """Whether what drafts is counted: n-grams, and MTP of the families that ``engine.speculation`` names."""
    found = speculation_of(settings)
    if found is None:
        return True
    if not found.plain or not found.tokens:
        return False
    return found.method == "ngram" or (found.method == "mtp" and drafter_modules(model) is not None)


def drafts_with_module(model: ModelFacts, settings: EngineSettings) -> bool:
    """Whether a counted MTP module drafts."""
    found = speculation_of(settings)
    return found is not None and found.method == "mtp" and is_counted(model, settings)


@cached_by_identity()
def drafter_modules(model: ModelFacts) -> tuple[WeightModule, ...] | None:
    """Modules of the model's MTP module under the names of a checkpoint; None where they are not known."""
    mixing = mixing_of(model.architecture)
    if mixing is None or model.weights is None:
        return None
    last = model.text.layers - 1
    own = [_in_drafter(module, last, mixing) for module in model.weights if last in module.placement.layers]
    if not any(".self_attn." in module.name for module in own):
        return None
    placement, hidden = Placement(layers=(last,)), model.text.hidden_size
    prefix = "mtp." if mixing is Mixing.DIVIDED else f"model.layers.{last + 1}."
    join = Linear(
        Component.LANGUAGE_LAYERS,
        f"{prefix}fc" if mixing is Mixing.DIVIDED else f"{prefix}eh_proj",
        1,
        hidden,
        2 * hidden,
        Sharding.OUTPUT if mixing is Mixing.DIVIDED else Sharding.REPLICATED,
        quantizable=mixing is Mixing.DIVIDED,
        placement=placement,
    )
    norms = Tensors(Component.LANGUAGE_LAYERS, f"{prefix}norms", _NORMS, hidden, placement=placement)
    return (*own, join, norms)


def _in_drafter(module: WeightModule, last: int, mixing: Mixing) -> WeightModule:
    """One layer's share of a module, under its name in the drafter."""
    prefix = "mtp.layers.0." if mixing is Mixing.DIVIDED else f"model.layers.{last + 1}."
    count = module.count // len(module.placement.layers)
    placement = replace(module.placement, layers=(last,))
    name = prefix + module.name.partition(".layers.{}.")[2]
    if isinstance(module, Tensors):
        return replace(module, name=name, count=count, placement=placement)
    fused = prefix + module.fused_name.partition(".layers.{}.")[2] if module.fused_name else ""
    return replace(module, name=name, fused_name=fused, count=count, placement=placement)


def drafter_bytes(
    model: ModelFacts,
    settings: EngineSettings,
    version: EngineVersion,
    compute_capability: tuple[int, int] | None = None,
) -> tuple[int, ...]:
    """What "Model loading took" counts of the drafter on a rank of each pipeline stage.

    Of a multimodal model beside the weights, with the V2 runner, a buffer of a batch's input embeddings; the V1 runner
    makes it before it loads (``v1/worker/gpu/spec_decode``, ``v1/spec_decode``).
    """
    modules = drafter_modules(model) if drafts_with_module(model, settings) else None
    if modules is None:
        return (0,) * settings.pipeline_parallel_size
    conditions = Conditions(
        model.dtype,
        model.text.layers,
        Ranks.of(settings),
        MODALITIES,
        mxfp4_kernel(version, compute_capability),
    )
    stages = [sum(stage.values()) for stage in stage_components(modules, model.quantization, conditions)]
    if model.encodes and settings.runner == "V2":
        stages[-1] += batch_row_bytes(model, settings)
    return tuple(stages)


def batch_row_bytes(model: ModelFacts, settings: EngineSettings) -> int:
    """Bytes of one row of the hidden size for every token of a batch."""
    return settings.batch_tokens * model.text.hidden_size * model.dtype.size_bytes


def drafter_pass_bytes(model: ModelFacts, settings: EngineSettings) -> int:
    """What the profiled pass of a module holds beside its layer."""
    return _COPIES * batch_row_bytes(model, settings)


def drafter_buffer_bytes(model: ModelFacts, settings: EngineSettings) -> int:
    """Buffers that the runner makes: a batch's hidden states for a module, and eight bytes a drafted logit."""
    found = speculation_of(settings)
    if found is None:
        return 0
    rows = 0
    if drafts_with_module(model, settings):
        rows = 2 if model.encodes and settings.runner != "V2" else 1
    return rows * batch_row_bytes(model, settings) + found.tokens * model.text.vocab_size * 8


def rejection_bytes(model: ModelFacts, settings: EngineSettings, *, runner: str, rows: int) -> int:
    """Logits that the V1 runner's profiling run makes beside the sampler's to reject drafts: two for every row.

    Source: 0.19.1 to 0.33.0, ``v1/worker/gpu_model_runner.py: _dummy_sampler_run``. The V2 runner makes none.
    """
    if settings.speculative_config is None or runner == "V2":
        return 0
    return 2 * rows * model.text.vocab_size * model.dtype.size_bytes
