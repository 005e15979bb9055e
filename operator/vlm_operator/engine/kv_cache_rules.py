"""KV cache rules of each vLLM release: one frozen record per minor release.

The rules are those of ``v1/core/kv_cache_utils.py`` (0.33: ``kv_cache_planning.py``), ``v1/kv_cache_interface.py``,
``config/cache.py``, ``config/vllm.py``, ``model_executor/models/config.py`` (to 0.19) and ``platforms/interface.py``
(from 0.20) of every minor release in that range: 0.11.2, 0.12.0, 0.13.0, 0.14.1, 0.15.1, 0.16.0, 0.17.1, 0.18.1,
0.19.1, 0.20.2, 0.21.0, 0.22.1, 0.23.0, 0.24.0, 0.25.1, 0.26.0, 0.27.1, 0.28.0, 0.29.0, 0.30.0, 0.31.0, 0.32.0 and
0.33.0. Patch releases follow their minor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from vlm_operator.engine.version import OLDEST_KNOWN, READ_UP_TO, EngineVersion, is_known
from vlm_operator.errors import InputError, UnknownFact


class NeededBytes(StrEnum):
    """Over what the capacity check sums the memory of one request of the maximum length."""

    LAYERS = "layers"
    """Each layer's blocks at its own page size, before layers are grouped."""
    FIRST_GROUP = "firstGroup"
    """Blocks of the first group only, each at the price of a block of the whole pool: hybrids are under-asked."""
    ALL_GROUPS = "allGroups"
    """Blocks of every group, each at the price of a block of the whole pool."""


class PageUnification(StrEnum):
    """What happens where layers of different kinds have pages of different size."""

    EQUAL_ONLY = "equalOnly"
    """Nothing: such a model does not start."""
    LARGER_BLOCKS = "largerBlocks"
    """Smaller pages grow by an integer factor of their block size; others do not start."""
    LARGER_BLOCKS_OR_PADDING = "largerBlocksOrPadding"
    """As before; attention pages that do not divide the largest one, and states, are padded to it."""


class StateMode(StrEnum):
    """``mamba_cache_mode``: which states of a recurrent layer vLLM keeps for one request."""

    NONE = "none"
    """One: prefix caching is off."""
    ALIGN = "align"
    """The running one and one at the last block boundary (and one more where prefill exports checkpoints)."""
    ALL = "all"
    """One at every block boundary."""


@dataclass(frozen=True, slots=True)
class KVCacheRules:
    """The rules of one minor release.

    Attributes:
        needed_bytes: over what the check sums.
        null_block: True where the check, the estimate and ``--max-model-len auto`` leave out the block that the pool
            keeps for itself.
        override_replaces_memory: True where ``--num-gpu-blocks-override`` also replaces the memory that is checked.
        in_flight_batches: True where layers with a window or chunk hold the tokens of every concurrent batch, not of
            one.
        tokens_by_concurrency: True where the logged "KV cache size" is concurrency times length; before, it is blocks
            over groups times the smallest block.
        chunked_groups: True where layers of chunked local attention form groups of their own; before, such a model
            runs without the hybrid KV cache manager and all its layers cache every token.
        check_whole_model: True where, under pipeline parallelism, the check compares all stages' bytes with one
            stage's memory.
        pages_of_all_stages: True where, under pipeline parallelism, a group whose layers' pages differ in size costs
            each stage the pages of all stages.
        auto_fit: True where ``--max-model-len auto`` exists.
        page_unification: what happens to pages of different size.
        group_ratio_percent: groups take the layer count of the most frequent kind where that is less than so many
            percent of the least frequent kind's, else the latter's; 100: always the latter's.
        merged_full_attention: True where full-attention layers that differ only in what does not change their pages
            share groups.
        smallest_window_block: True where a layer with a sliding window takes the attention backend's smallest block
            (16 tokens) whatever the block size.
        inclusive_windows: True where a window that excludes the token itself is one token longer in the cache.
        encoder_by_batch: True where cross attention reserves ``max_num_batched_tokens`` for the encoder's tokens;
            before, it reserves the longest encoder input.
        value_heads: True where full-attention pages use the value head's own size; before, the key head's twice.
        window_value_heads: the same for layers with a sliding window.
        state_prefix_caching: True where prefix caching is on by default for models with recurrent layers.
        state_mode_all: True where prefix caching keeps a state per block for architectures that support it.
        state_mode_align: True where prefix caching keeps two states for the others; before, it is switched off.
        state_block_follows: True where blocks of hybrids are rounded to multiples of ``--block-size``; before, of 16.
        latent_block_alignment: tokens that blocks of hybrids with MLA are a multiple of.
        checkpoint_pages: True where Mamba2 layers keep a third page in ``align`` mode.
        delta_checkpoints: True where Kimi K3's delta attention does so too.
        gpu_dependent_checkpoints: True where gated-delta-net layers do so too if the GPU's prefill kernel exports
            checkpoints (``exports_checkpoints``).
        yarn_scales_length: True where a YaRN factor multiplies the original context; before 0.30 it does, since then
            the config's ``max_position_embeddings`` is taken as already scaled.
        raises_batched_tokens: True where an unset ``max_num_batched_tokens`` of a prefix-LM model grows to its largest
            multimodal item.
        float16_cache: True where ``--kv-cache-dtype float16`` exists.
        nemotron_state_dtype: element type of a Nemotron-H state where the config names none; None: the model's.
        nemotron_reads_config: True where the config's ``mamba_ssm_cache_dtype`` is honoured at all.
        config_state_dtype: True where ``mamba_ssm_dtype`` of Qwen3.5 is honoured.
    """

    needed_bytes: NeededBytes = NeededBytes.LAYERS
    null_block: bool = False
    override_replaces_memory: bool = False
    in_flight_batches: bool = False
    tokens_by_concurrency: bool = False
    chunked_groups: bool = False
    check_whole_model: bool = False
    pages_of_all_stages: bool = True
    auto_fit: bool = False
    page_unification: PageUnification = PageUnification.EQUAL_ONLY
    group_ratio_percent: int = 100
    merged_full_attention: bool = False
    smallest_window_block: bool = False
    inclusive_windows: bool = False
    encoder_by_batch: bool = False
    value_heads: bool = False
    window_value_heads: bool = False
    state_prefix_caching: bool = False
    state_mode_all: bool = True
    state_mode_align: bool = False
    state_block_follows: bool = False
    latent_block_alignment: int = 64
    checkpoint_pages: bool = False
    delta_checkpoints: bool = False
    gpu_dependent_checkpoints: bool = False
    yarn_scales_length: bool = True
    raises_batched_tokens: bool = False
    float16_cache: bool = False
    nemotron_state_dtype: str | None = None
    nemotron_reads_config: bool = False
    config_state_dtype: bool = False


_CHANGES: Final[dict[int, dict[str, Any]]] = {
    12: {"page_unification": PageUnification.LARGER_BLOCKS, "group_ratio_percent": 125},
    13: {"nemotron_reads_config": True, "nemotron_state_dtype": "float16", "encoder_by_batch": True},
    14: {
        "needed_bytes": NeededBytes.FIRST_GROUP,
        "check_whole_model": True,
        "chunked_groups": True,
        "auto_fit": True,
        "value_heads": True,
    },
    15: {"state_mode_align": True},
    17: {"check_whole_model": False, "pages_of_all_stages": False, "config_state_dtype": True},
    18: {"group_ratio_percent": 150, "float16_cache": True},
    19: {"needed_bytes": NeededBytes.ALL_GROUPS, "nemotron_state_dtype": "float32"},
    20: {
        "override_replaces_memory": True,
        "tokens_by_concurrency": True,
        "window_value_heads": True,
        "state_block_follows": True,
    },
    22: {"raises_batched_tokens": True},
    24: {"page_unification": PageUnification.LARGER_BLOCKS_OR_PADDING},
    25: {"smallest_window_block": True},
    26: {"in_flight_batches": True},
    27: {"merged_full_attention": True, "latent_block_alignment": 128},
    28: {"state_prefix_caching": True, "state_mode_all": False},
    29: {"null_block": True, "inclusive_windows": True, "delta_checkpoints": True},
    30: {"smallest_window_block": False, "yarn_scales_length": False},
    32: {"checkpoint_pages": True},
    33: {"gpu_dependent_checkpoints": True},
}
"""What changed with 0.``minor``; a release that is not named here has the rules of the one before."""


def _by_minor() -> dict[int, KVCacheRules]:
    """The rules of each release that was read, by its minor version."""
    rules, found = KVCacheRules(), {}
    for minor in range(OLDEST_KNOWN.minor, READ_UP_TO.minor + 1):
        rules = replace(rules, **_CHANGES.get(minor, {}))
        found[minor] = rules
    return found


_BY_MINOR: Final = _by_minor()

CACHE_DTYPES: Final = ("auto", "bfloat16", "float16", "fp8", "fp8_e4m3", "fp8_e5m2")
"""Values of ``--kv-cache-dtype`` whose page sizes are known."""

_OTHER_CACHE_DTYPES: Final = frozenset(
    {
        "fp8_inc",
        "fp8_ds_mla",
        "nvfp4",
        "nvfp4_4over6",
        "nvfp4_ds_mla",
        "turboquant_k8v4",
        "turboquant_4bit_nc",
        "turboquant_k3v4_nc",
        "turboquant_3bit_nc",
        "ultraquant_4bit",
        "int4_per_token_head",
        "int8_per_token_head",
        "fp8_per_token_head",
    }
)
"""Values of ``--kv-cache-dtype`` that some releases know (``config/cache.py: CacheDType``) and this one does not."""

DEFAULT_BLOCK_SIZE: Final = 16
"""Tokens of a block where nothing sets ``--block-size`` (``config/cache.py: CacheConfig.DEFAULT_BLOCK_SIZE``)."""

KERNEL_BLOCK_SIZE: Final = 16
"""Tokens that CUDA's FlashAttention takes multiples of as a block (``FlashAttentionBackend.
get_supported_kernel_block_sizes``)."""

DEFAULT_BATCHED_TOKENS: Final = 2048
"""``max_num_batched_tokens`` where nothing sets it (``SchedulerConfig.DEFAULT_MAX_NUM_BATCHED_TOKENS``)."""


@lru_cache(maxsize=64)
def kv_cache_rules(version: EngineVersion) -> KVCacheRules:
    """The rules of ``version``.

    Raises:
        UnknownFact: older than the oldest known, or newer than what was read.

    >>> kv_cache_rules(EngineVersion(0, 29)).null_block, kv_cache_rules(EngineVersion(0, 28)).null_block
    (True, False)
    """
    rules = _BY_MINOR.get(version.minor) if version.major == 0 else None
    if rules is None:
        raise UnknownFact(
            f"vllm-version: how vLLM {version} plans its KV cache is not known (known: "
            f"{OLDEST_KNOWN.major}.{OLDEST_KNOWN.minor} to {READ_UP_TO.major}.{READ_UP_TO.minor})",
            field="vllm-version",
            hint="name a version in that range with --vllm-version",
        )
    return rules


def cache_element_bytes(kv_cache_dtype: str, model_element_bytes: int, version: EngineVersion) -> int:
    """Bytes of one cached element.

    Raises:
        UnknownFact: the release may know the type, its page layout is not known here.
        InputError: no such type, or not in that release.
    """
    if kv_cache_dtype == "auto":
        return model_element_bytes
    if kv_cache_dtype in ("fp8", "fp8_e4m3", "fp8_e5m2"):
        return 1
    if kv_cache_dtype == "bfloat16":
        return 2
    if kv_cache_dtype == "float16":
        if kv_cache_rules(version).float16_cache:
            return 2
        raise InputError(
            f"kv-cache-dtype: vLLM {version} has no 'float16' (it came with 0.18)",
            field="kv-cache-dtype",
            hint="use auto, bfloat16 or fp8",
        )
    if kv_cache_dtype in _OTHER_CACHE_DTYPES:
        raise UnknownFact(
            f"kv-cache-dtype: how vLLM lays out a cache of {kv_cache_dtype!r} is not known",
            field="kv-cache-dtype",
            hint=f"known are {', '.join(CACHE_DTYPES)}",
        )
    raise InputError(
        f"kv-cache-dtype: {kv_cache_dtype[:40]!r} is not a cache type of vLLM",
        field="kv-cache-dtype",
        hint=f"use one of {', '.join(CACHE_DTYPES)}",
    )


NULL_BLOCK_SINCE: Final = EngineVersion(0, 29)
"""First release whose check and estimate leave out the null block, and whose message prints the available memory less
that block (0.29.0 ``v1/core/kv_cache_utils.py: _estimate_max_model_len``); before, a start with the estimate failed
again."""


def prices_first_group_only(version: EngineVersion) -> bool:
    """Whether the estimate of the longest context counts the first KV group alone, too little for a hybrid."""
    return is_known(version) and kv_cache_rules(version).needed_bytes is NeededBytes.FIRST_GROUP


_STATE_BLOCKS_NEEDED_SINCE: Final = EngineVersion(0, 12)
_STATE_BLOCKS_COMPARED_SINCE: Final = EngineVersion(0, 20)
_SPARE_STATE_BLOCKS: Final = 32
"""Where vLLM does not compare before it captures, one block for so many is left over."""


def state_blocks_needed(version: EngineVersion, max_num_seqs: int) -> int:
    """Blocks of recurrent state with which a release captures its full CUDA graphs; 0 where it captures none.

    Full graphs are the default from 0.12, and there are none with ``--enforce-eager``. From 0.20 vLLM compares
    (``config/compilation.py: resolve_cudagraph_mode_and_sizes``, 0.20.2 to 0.33.0, both runners). Before, the capture
    fails: through 0.17 by an assertion (``mamba/ops/causal_conv1d.py: causal_conv1d_update``,
    "num_cache_lines >= batch"); 0.18 and 0.19 cap the sizes they capture, and still died of 1,024 sequences on fewer
    blocks (vllm-project/recipes#551: 0.17.0, 0.18.0 and 0.19.0 on an H100, which served 512).
    """
    if version < _STATE_BLOCKS_NEEDED_SINCE:
        return 0
    if version >= _STATE_BLOCKS_COMPARED_SINCE:
        return max_num_seqs
    return max_num_seqs + -(-max_num_seqs // _SPARE_STATE_BLOCKS)


GDN_CHECKPOINT_ALIGNMENT: Final = 64
"""Tokens that blocks are a multiple of where gated-delta-net layers export checkpoints (0.33.0:
``v1/attention/backends/gdn_attn.py: FLASHINFER_GDN_CHECKPOINT_ALIGNMENT``, ``Platform._align_hybrid_block_size``)."""

CPU_CAPABILITY: Final = (0, 0)
"""Stands for the compute capability of vLLM's CPU backend."""

_HOPPER: Final = (9, 0)
_BLACKWELL_MAJORS: Final = (10, 12)
_BLACKWELL_KEY_HEAD: Final = 128


def gdn_exports_checkpoints(key_head_size: int, compute_capability: tuple[int, int] | None) -> bool:
    """Whether the prefill kernel of gated-delta-net layers exports checkpoints, so that a request holds three states.

    FlashInfer's kernel does: on Hopper, and on Blackwell with key heads of 128 and CUDA 13, which the images of 0.33
    bring. True where the GPU is not known: the larger count is a safe bound.

    Source: ``model_executor/layers/mamba/gdn/qwen_gdn_linear_attn.py: _resolve_gdn_prefill_backend,
    QwenGatedDeltaNetAttention.get_kv_cache_spec`` (0.33.0).
    """
    if compute_capability is None or compute_capability == _HOPPER:
        return True
    return compute_capability[0] in _BLACKWELL_MAJORS and key_head_size == _BLACKWELL_KEY_HEAD
