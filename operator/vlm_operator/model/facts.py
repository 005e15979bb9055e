"""Frozen facts of a model, the same whether read from a config or from the catalogue.

Only what arithmetic needs is here. Readers in this room turn a ``config.json`` into these; ``capacity`` turns these
into bytes and tokens and knows no architecture by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vlm_operator.engine.loading_rules import RotaryRows
from vlm_operator.engine.tower_traits import PLAIN_TOWER, Pixels, TowerTraits
from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.cache_facts import (
    AttentionCache,
    CacheLayer,
    DType,
    IndexerCache,
    LatentCache,
    LayerRun,
    StateCache,
    StateDType,
    StateKind,
)

__all__ = [
    "AttentionCache",
    "CacheLayer",
    "DType",
    "IndexerCache",
    "LatentCache",
    "LayerRun",
    "StateCache",
    "StateDType",
    "StateKind",
]


# --- text model -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MixtureOfExperts:
    """The experts of one layer kind: how many there are, how many a token visits, how wide one is."""

    experts: int
    experts_per_token: int
    intermediate_size: int
    shared_intermediate_size: int = 0
    layers: int = 0


@dataclass(frozen=True, slots=True)
class TextFacts:
    """Dimensions of the language model that start-up memory depends on (whole model, before tensor parallelism).

    Attributes:
        parallel_blocks: attention and MLP of a block read the same normed input, so that the attention's result stays
            while the MLP runs.
    """

    layers: int
    hidden_size: int
    intermediate_size: int
    vocab_size: int
    attention_heads: int
    kv_heads: int
    head_size: int
    tie_word_embeddings: bool
    experts: MixtureOfExperts | None = None
    parallel_blocks: bool = False


# --- weights --------------------------------------------------------------------------------------------------------


class Component(StrEnum):
    """The part of a model a parameter belongs to, for the budget's picture."""

    EMBEDDING = "embedding"
    LANGUAGE_LAYERS = "languageLayers"
    EXPERTS = "experts"
    HEAD = "head"
    VISION_TOWER = "visionTower"
    PROJECTOR = "projector"
    AUDIO_TOWER = "audioTower"


class Sharding(StrEnum):
    """How vLLM lays a parameter over the ranks of a tensor-parallel group."""

    REPLICATED = "replicated"
    OUTPUT = "output"
    """Column-parallel: the output dimension is divided."""
    INPUT = "input"
    """Row-parallel: the input dimension is divided; a bias is replicated."""
    KV_HEADS = "kvHeads"
    """Column-parallel by key/value heads: a head is copied where there are more ranks than heads."""
    VOCABULARY = "vocabulary"
    """Rows divided after padding the vocabulary."""
    EXPERT_OUTPUT = "expertOutput"
    """Expert weight, output dimension divided (or whole experts per rank under expert parallelism)."""
    EXPERT_INPUT = "expertInput"
    """Expert weight, input dimension divided (or whole experts per rank under expert parallelism)."""


class Stage(StrEnum):
    """Which ranks of a pipeline hold a parameter that belongs to no decoder layer."""

    EVERY = "every"
    FIRST = "first"
    LAST = "last"
    ENDS = "ends"
    """First and last: tied embeddings, which the head reads as well."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where modules stand in a pipeline, and what makes vLLM build them. One object is shared by a whole block.

    Attributes:
        layers: numbers of the decoder layers they stand in; empty for modules outside the decoder's layers.
        stage: ranks of the pipeline that hold them, for modules outside the decoder's layers.
        modalities: they are built only where one of these modalities is enabled; empty: always.
        data_parallel: True where ``--mm-encoder-tp-mode data`` keeps them whole on every rank.
        numbers: what the first ``{}`` of a name stands for where it is no decoder layer (blocks of a tower).
    """

    layers: tuple[int, ...] = ()
    stage: Stage = Stage.EVERY
    modalities: tuple[str, ...] = ()
    data_parallel: bool = False
    numbers: tuple[int, ...] = ()


EVERYWHERE: Final = Placement()
"""Outside the decoder's layers, on every rank of a pipeline, always built."""


@dataclass(frozen=True, slots=True)
class Linear:
    """``count`` equal weight matrices ``outputs x inputs``, as vLLM builds them (fused ones split by sharding).

    Attributes:
        component: part of the model.
        name: module name pattern as in the checkpoint, ``{}`` for a layer or expert number; matched against the
            quantisation's list of modules that stay unquantised.
        count: how many of them: layers, or layers x experts.
        outputs: rows (output features) of the whole matrix, before sharding.
        inputs: columns (input features).
        sharding: how it is laid over ranks.
        heads: for ``KV_HEADS``, how many heads the outputs hold; for ``OUTPUT`` and ``INPUT``, heads of an attention
            that stays whole where the ranks do not divide them (0: none).
        bias: True where it has a bias of ``outputs`` elements.
        quantizable: False for what quantisation methods never touch (embeddings, norms as matrices, routers …).
        placement: where in the pipeline, and what makes vLLM build it.
        experts: for expert weights, how many experts one layer has (``count`` is layers x experts).
        dtype: element type where it is not the model's.
        follows: True for the second and later members of a module that vLLM fuses (``k_proj`` after ``q_proj``):
            tensors the fused module has once (GPTQ's ``g_idx``) are counted with the first.
        fused_name: name of the fused module in vLLM, ``{}`` as in ``name``; empty where it is not fused.
        least_shard: for expert weights, the width to which a rank's share is padded where ranks divide it.
        multiple: rows of a rank's share are padded to a multiple of it (0: not).
    """

    component: Component
    name: str
    count: int
    outputs: int
    inputs: int
    sharding: Sharding
    heads: int = 0
    bias: bool = False
    quantizable: bool = True
    placement: Placement = EVERYWHERE
    experts: int = 0
    dtype: DType | None = None
    follows: bool = False
    fused_name: str = ""
    least_shard: int = 0
    multiple: int = 0


@dataclass(frozen=True, slots=True)
class Tensors:
    """``count`` small unquantised tensors of ``elements`` each (norms, routers' biases, state parameters, caches).

    ``heads`` serves ``KV_HEADS`` as in ``Linear``, ``experts`` serves ``EXPERT_OUTPUT`` and ``EXPERT_INPUT``.
    """

    component: Component
    name: str
    count: int
    elements: int
    sharding: Sharding = Sharding.REPLICATED
    dtype: DType | None = None
    heads: int = 0
    placement: Placement = EVERYWHERE
    experts: int = 0


WeightModule = Linear | Tensors


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the checkpoint's weights are stored.

    Attributes:
        method: vLLM's name: ``fp8``, ``awq``, ``gptq``, ``compressed-tensors``, ``bitsandbytes``, ``modelopt``,
            ``mxfp4``, ``fbgemm_fp8``, …
        weight_bits: bits of a quantised weight element.
        group_size: elements that share a scale along the input dimension; 0 one scale a tensor, -1 one a channel.
        block_shape: (rows, columns) of a block that shares a scale, or None.
        scale_bytes: bytes of one scale; 0 where scales have the model's own element type.
        zero_points: True where packed zero points are stored as well.
        ignored: module names or patterns that stay unquantised, in vLLM's names where the config has others.
        activation_scheme: ``dynamic``, ``static`` or None.
        scalars: single fp32 numbers kept beside each matrix (global and input scales).
        reordered: True where activations are reordered (GPTQ's ``desc_act``): an index for each input is kept.
        head: True where the output matrix is quantised too.
        layers_only: True where only matrices in the decoder's layers are quantised.
        experts_only: True where only routed experts are quantised.
        listed: modules (names or patterns) with a storage of their own; other modules have this one.
        listed_only: True where modules that ``listed`` does not name stay unquantised.
        only: where not empty, dense matrices are quantised only if one of these is a part of their name.
    """

    method: str
    weight_bits: int
    group_size: int = 0
    block_shape: tuple[int, int] | None = None
    scale_bytes: int = 4
    zero_points: bool = False
    ignored: tuple[str, ...] = ()
    activation_scheme: str | None = None
    scalars: int = 0
    reordered: bool = False
    head: bool = False
    layers_only: bool = False
    experts_only: bool = False
    listed: tuple[tuple[str, Quantization], ...] = ()
    listed_only: bool = False
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckpointPart:
    """Tensors of one component and element type in a checkpoint: how many, how many elements, how many bytes.

    ``dtype`` is safetensors' name (``BF16``, ``F8_E4M3``, ``I32`` …).
    """

    component: Component
    dtype: str
    tensors: int
    elements: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """What the safetensors headers of a checkpoint say of its weights.

    Attributes:
        parts: by component and element type; what vLLM does not load is left out.
        skipped_bytes: bytes of tensors that vLLM does not load (layers for multi-token prediction).
    """

    parts: tuple[CheckpointPart, ...]
    skipped_bytes: int = 0


# --- vision ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VisionTower:
    """Dimensions of the vision encoder that start-up memory depends on (whole tower, before tensor parallelism).

    Attributes:
        merge_size: patches merged per side into one output token (2: 4 patches a token).
        output_size: elements of one encoder output as the language model takes it, one level; 0: the model's width.
        deepstack_levels: extra levels of features that are kept beside the output (DeepStack: 3), else 0.
        traits: what decides about its memory beside dimensions.
        frames: frames of a video that one patch spans; an image is repeated as often.
        kept_inputs: buffers of a batch's input embeddings that the model's class holds for levels of features, beside
            those of DeepStack.
        choice_bytes: bytes of an output while the tower chooses it among visual words; 0 where it does not.
    """

    layers: int
    hidden_size: int
    intermediate_size: int
    attention_heads: int
    patch_size: int
    merge_size: int
    output_size: int
    deepstack_levels: int = 0
    traits: TowerTraits = PLAIN_TOWER
    frames: int = 1
    kept_inputs: int = 0
    choice_bytes: int = 0

    @property
    def inputs_per_patch(self) -> int:
        """Numbers behind one patch: pixels times colours, times frames."""
        return 3 * self.patch_size**2 * self.frames


@dataclass(frozen=True, slots=True)
class FamilyTraits:
    """What the rules of a release ask of a model's family, so that they need not know families by name.

    Attributes:
        encoder_measured: its encoder was profiled in a published start-up of ``docs/accuracy.md``.
        encoder_simulated: its encoder's profiling run was simulated in vLLM's own code, and agrees with our figures.
        prefix_attention: tokens of an item attend both ways (vLLM's ``is_mm_prefix_lm``).
        reads_limits_early: its class left out the encoder of a modality with limit 0 before all classes did (0.15).
        rotary_rows: rows a position of the table of its multimodal rotary embeddings.
        pixels: what the pixels of its items are when they reach the GPU.
    """

    encoder_measured: bool = False
    encoder_simulated: bool = False
    prefix_attention: bool = False
    reads_limits_early: bool = False
    rotary_rows: RotaryRows = RotaryRows.FOUR
    pixels: Pixels = Pixels.PREPARED


PLAIN_FAMILY: Final = FamilyTraits()
"""A family of which no rule asks anything."""


# --- whole ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Everything planning knows of one model.

    Attributes:
        model: the Hugging Face id, or the path as the user gave it.
        architecture: the class name in ``config.json`` that vLLM builds (``…ForConditionalGeneration``).
        model_type: ``model_type`` of the config.
        dtype: element type vLLM serves in.
        derived_max_model_len: longest context vLLM derives from the config, tokens.
        text: dimensions of the language model.
        cache_layers: what each layer caches, in model order.
        weights: parameters of the model, or None where only a checkpoint would tell.
        weights_unknown: why ``weights`` is None, naming the field; None where it is known.
        quantization: storage of quantised weights, None if unquantised.
        vision: vision tower, None for a text model.
        multimodal: token rules of the family (see ``model.multimodal``), None for a text model or an unknown family.
        multimodal_unknown: why ``multimodal`` is None for a model that has a vision tower.
        checkpoint_bytes: exact bytes from safetensors headers, None where no checkpoint was read.
        pooling: True where vLLM serves embeddings or scores, not text (sentence-transformers' ``modules.json``, or an
            architecture that is no generator): no logits are computed, so none are profiled.
        source: where the facts were read, for the plan's explanation.
        scaled_max_model_len: the longest context that releases to 0.29 derive (by a YaRN factor), None for the same.
        prefix_lm_item_tokens: of the largest item of a prefix-LM model with windows, which must fit one batch; else 0.
        kv_cache_dtype: element type of the KV cache that the checkpoint's quantisation declares (``fp8``), else None.
        traits: what the rules of a release ask of its family.
        audio: audio encoder, None where the model has none or what it takes at start-up is not known.
        derived: from what the facts were derived, where the checkpoint's own config was not read and its uploader may
            have chosen otherwise; None where they were read, or hold whatever was chosen.
        hf_overrides: ``--hf-overrides`` with which the config was read, as canonical JSON; None for none.
    """

    model: str
    architecture: str
    model_type: str
    dtype: DType
    derived_max_model_len: int
    text: TextFacts
    cache_layers: tuple[LayerRun, ...]
    weights: tuple[WeightModule, ...] | None
    weights_unknown: str | None = None
    quantization: Quantization | None = None
    vision: VisionTower | None = None
    multimodal: object | None = None
    multimodal_unknown: str | None = None
    checkpoint_bytes: CheckpointFacts | None = None
    pooling: bool = False
    source: str = ""
    scaled_max_model_len: int | None = None
    prefix_lm_item_tokens: int = 0
    kv_cache_dtype: str | None = None
    traits: FamilyTraits = PLAIN_FAMILY
    derived: str | None = None
    audio: AudioTower | None = None
    hf_overrides: str | None = None

    @property
    def encodes(self) -> bool:
        """True where it has an encoder of images, videos or sounds whose dimensions are known."""
        return self.vision is not None or self.audio is not None
