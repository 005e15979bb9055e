"""What a layer of a model caches: keys and values, a compressed vector, or a state; and element types."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class DType(StrEnum):
    """Element types of weights, activations and caches."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    FP8 = "fp8"
    INT64 = "int64"

    @property
    def size_bytes(self) -> int:
        """Bytes of one element."""
        return _ELEMENT_BYTES[self]


_ELEMENT_BYTES: Final = {
    DType.FLOAT32: 4,
    DType.BFLOAT16: 2,
    DType.FLOAT16: 2,
    DType.FP8: 1,
    DType.INT64: 8,
}


@dataclass(frozen=True, slots=True)
class AttentionCache:
    """A layer that keeps keys and values of every token (grouped-query attention and its special cases).

    Attributes:
        kv_heads: key/value heads of the whole model, before tensor parallelism.
        head_size: elements of one key head.
        value_head_size: elements of one value head; equal to ``head_size`` in almost every model.
        sliding_window: tokens of the window, or None for full attention.
        chunk_size: tokens of an attention chunk (Llama 4), or None.
        cross_attention: True where the keys are the encoder's (encoder-decoder families).
        encoder_only: True where nothing is cached (bidirectional encoders).
        encoder_tokens: for cross attention, tokens of the longest encoder input.
        inclusive_window: True where a token attends to ``sliding_window`` tokens beside itself (Command R7B), which
            vLLM's window counts since 0.29.
    """

    kv_heads: int
    head_size: int
    value_head_size: int
    sliding_window: int | None = None
    chunk_size: int | None = None
    cross_attention: bool = False
    encoder_only: bool = False
    encoder_tokens: int = 0
    inclusive_window: bool = False


@dataclass(frozen=True, slots=True)
class LatentCache:
    """A layer of multi-head latent attention (MLA): one compressed vector a token, replicated over ranks.

    Attributes:
        selected: tokens that an indexer selects for attention (``index_topk``); 0 where attention reads all.
        shares_selection: True where the layer has no indexer and reads what an earlier one selected.
        fp8_on_blackwell: True where vLLM takes an FP8 cache on data-centre Blackwell unless told otherwise (GLM-5).
    """

    kv_lora_rank: int
    qk_rope_head_dim: int
    selected: int = 0
    shares_selection: bool = False
    fp8_on_blackwell: bool = False


@dataclass(frozen=True, slots=True)
class IndexerCache:
    """An indexer of sparse attention: one key a token, replicated over ranks.

    Attributes:
        head_size: elements of a key.
        scaled: True where keys are in FP8 with a scale for every 128 elements; else they are in 16 bit.
        block_size: tokens of a block: the kernels take no other.
    """

    head_size: int
    scaled: bool = True
    block_size: int = 64


class StateKind(StrEnum):
    """Kinds of recurrent state that vLLM sizes differently."""

    MAMBA1 = "mamba1"
    MAMBA2 = "mamba2"
    GATED_DELTA_NET = "gated_delta_net"
    LINEAR_ATTENTION = "linear_attention"
    SHORT_CONV = "short_conv"
    KIMI_DELTA_ATTENTION = "kimi_delta_attention"


class StateDType(StrEnum):
    """Who decides the element type of a recurrent state."""

    MODEL = "model"
    """It is the model's."""
    CONFIG = "config"
    """``mamba_ssm_dtype`` of the config, in releases that read it (Qwen3.5); float32, which the published configs all
    state, where the config says none."""
    NEMOTRON_H = "nemotron_h"
    """``mamba_ssm_cache_dtype`` of the config, or what the release takes for Nemotron-H where it says none."""
    FLOAT32 = "float32"
    """Always float32 (Kimi delta attention)."""


@dataclass(frozen=True, slots=True)
class StateCache:
    """A layer that keeps a state of fixed size per request instead of keys and values.

    Attributes:
        kind: how vLLM derives shapes from the numbers below.
        intermediate_size: inner channels (Mamba), or value channels (gated delta net: value heads x value head size).
        groups: B/C groups (Mamba2) or key heads (gated delta net, linear attention).
        heads: state heads (Mamba2) or value heads (gated delta net).
        head_size: elements per head (value head for gated delta net).
        state_size: state dimension (Mamba ``ssm_state_size``) or key head size (gated delta net).
        conv_kernel: kernel width of the causal convolution.
        state_dtype: element type of the recurrent state where the config states one, else None (the model's own).
        dtype_source: who decides that element type.
        chunk_size: tokens of the scan's chunk (``mamba_chunk_size`` or ``chunk_size``); 0 where the config has none.
        caches_every_block: True where the architecture can keep a state at every block (vLLM's
            ``SupportsMambaPrefixCaching``).
        exports_checkpoints: False for a gated delta net whose class asks for no checkpoints of the prefill kernel
            (OLMo Hybrid; 0.33: ``layers/mamba/gdn/``, ``prefill_checkpoint_alignment``), and for delta attention but
            Kimi K3's.
    """

    kind: StateKind
    intermediate_size: int
    groups: int
    heads: int
    head_size: int
    state_size: int
    conv_kernel: int
    state_dtype: DType | None = None
    dtype_source: StateDType = StateDType.MODEL
    chunk_size: int = 0
    caches_every_block: bool = False
    exports_checkpoints: bool = True


CacheLayer = AttentionCache | LatentCache | IndexerCache | StateCache


@dataclass(frozen=True, slots=True)
class LayerRun:
    """``count`` decoder layers with the cache ``cache`` at consecutive places of a repeating order.

    ``ModelFacts.cache_layers`` lists the layers in model order, run-length encoded; a layer without cache (an MLP
    layer of a hybrid, a layer that shares another's keys and values) has ``cache`` None. ``also`` holds further caches
    of the same layers (a recurrent state beside attention, cross attention beside self attention), in vLLM's order.
    """

    count: int
    cache: CacheLayer | None
    also: tuple[CacheLayer, ...] = ()
