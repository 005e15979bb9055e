"""Buffers of LoRA adapters, which "Model loading took" counts, and what adapters add to the profiled pass.

For every linear layer of the language model vLLM allocates, at start and for each slot, both halves of an adapter of
the highest rank (0.19 to 0.33: ``lora/model_manager.py: _create_lora_modules``, ``create_lora_weights`` in
``lora/layers``): A takes the layer's inputs to ``rank``, B takes ``rank`` to its outputs. Members of a fused layer have
an A each. Towers have none (``--enable-tower-connector-lora`` is not counted).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.capacity.weights.ranks import Ranks, held_by, layers_on, shape_of
from vlm_operator.engine.adapters import Adapters, adapters_of
from vlm_operator.engine.architecture_adapters import fuses_expert_gates, wraps_embeddings
from vlm_operator.engine.pipeline import stage_bounds
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import Component, Linear, ModelFacts, Sharding

_ADAPTED: Final = frozenset({Component.LANGUAGE_LAYERS, Component.EXPERTS})

_INDEX_BYTES: Final = 48
"""Bytes a token of the batch: four tensors of int64, and two of int32 for prompts and for tokens
(``lora/punica_wrapper/punica_base.py``, ``lora/ops/triton_ops/lora_kernel_metadata.py``)."""

_EXPERT_BLOCK: Final = 64
"""Tokens that a block of indices is padded to (``lora/punica_wrapper/punica_gpu.py: moe_lora_align_block_size``)."""

_FUSED_OF: Final = {".in_proj_qkv": 3, ".short_conv.in_proj": 3, ".mixer.in_proj": 4, ".mixer.conv1d": 2}
"""How many A a matrix has that vLLM builds of several, which the config tells as one: by the end of its name
(``output_sizes`` in ``layers/mamba/gdn``, ``layers/mamba/short_conv.py``, ``layers/mamba/mamba_mixer2.py``)."""

_MOST_FUSED: Final = 4
"""The most A of one fused layer: queries, keys, values and gate of a gated delta net."""


def adapter_bytes(model: ModelFacts, settings: EngineSettings, version: EngineVersion) -> tuple[int, ...]:
    """Bytes of adapter buffers on a rank of each pipeline stage; zeros without ``--enable-lora``.

    Raises:
        UnknownFact: the model's linear layers are not known.
    """
    bounds = stage_bounds(model.text.layers, settings.pipeline_parallel_size, settings.pp_layer_partition)
    adapters = adapters_of(settings)
    if adapters is None:
        return (0,) * len(bounds)
    if model.weights is None:
        raise UnknownFact(
            f"enable-lora: the linear layers of {model.architecture}, which adapters take memory for, are not known",
            field="enable_lora",
            hint="leave --enable-lora out, or measure with vLLM itself",
        )
    element = _element_bytes(model, settings)
    stages = [_INDEX_BYTES * settings.batch_tokens for _ in bounds]
    if wraps_embeddings(model.architecture, version):  # whole on every rank, and for tied embeddings twice
        size = adapters.slots * adapters.rank * (model.text.vocab_size + model.text.hidden_size) * element
        stages[0] += size
        stages[-1] += size
    for module in model.weights:
        if not isinstance(module, Linear) or module.component not in _ADAPTED:
            continue
        size, count = _elements(module, model, adapters, Ranks.of(settings))
        for index, bound in enumerate(bounds):
            stages[index] += adapters.slots * size * element * _count_on(module, count, index, bounds, bound)
    return tuple(stages)


def _element_bytes(model: ModelFacts, settings: EngineSettings) -> int:
    return model.dtype.size_bytes if settings.lora_dtype in (None, "auto") else 2


def _count_on(
    module: Linear, count: int, index: int, bounds: tuple[tuple[int, int], ...], bound: tuple[int, int]
) -> int:
    """How many of the matrices a stage holds."""
    layers = module.placement.layers
    if layers:
        return count // len(layers) * layers_on(module.placement, bound)
    return count if held_by(module.placement.stage, index, len(bounds)) else 0


def _elements(module: Linear, model: ModelFacts, adapters: Adapters, ranks: Ranks) -> tuple[int, int]:
    """(elements of one slot's A and B of one matrix on a rank, matrices on a rank that holds every layer)."""
    rank = adapters.rank
    shape = shape_of(module, ranks)
    share = ranks.tensor if adapters.fully_sharded else 1
    inner, outputs = rank, shape.rows
    if module.sharding in (Sharding.INPUT, Sharding.EXPERT_INPUT):
        outputs //= share
    elif module.sharding is not Sharding.REPLICATED:
        inner //= share
    halves = _first_halves(module, model)
    return halves * inner * shape.columns + outputs * rank, shape.count


def _first_halves(module: Linear, model: ModelFacts) -> int:
    """How many A a member of a fused layer has of its own."""
    if not module.follows:
        return next((count for end, count in _FUSED_OF.items() if module.name.endswith(end)), 1)
    if module.sharding is Sharding.EXPERT_OUTPUT and fuses_expert_gates(model.architecture):
        return 0
    return 1


def adapter_pass_bytes(model: ModelFacts, settings: EngineSettings) -> int:
    """What the profiled pass holds beside a layer while adapters are applied to it.

    A float32 result of every A of a fused layer (``add_lora_linear``); for routed experts the same for each expert of
    a token in the model's type, and indices of tokens by adapter and expert (``fused_moe_lora``).
    """
    adapters = adapters_of(settings)
    if adapters is None:
        return 0
    tokens = settings.batch_tokens
    dense = _MOST_FUSED * tokens * adapters.rank * 4
    experts = model.text.experts
    if experts is None:
        return dense
    pairs = tokens * experts.experts_per_token
    indices = (adapters.slots + 1) * (pairs + experts.experts * _EXPERT_BLOCK) * 4
    return max(dense, 2 * pairs * adapters.rank * model.dtype.size_bytes + indices)
