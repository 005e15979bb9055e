"""How does vLLM's code of a vision tower use memory? What it keeps at once for each patch, by family and release.

Counted in the forward functions of ``model_executor/models/`` (0.11.2, 0.12.0, 0.13.0, 0.15.1, 0.22.1, 0.25.1 and
0.32.0): ``qwen2_vl.py``, ``qwen2_5_vl.py``, ``qwen3_vl.py``, ``dots_ocr.py``, ``glm4_1v.py``, ``molmo.py``,
``kimi_k25_vit.py``, ``deepencoder.py`` and ``layers/rotary_embedding/common.py: ApplyRotaryEmb``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vlm_operator.engine.version import EngineVersion

_V0_12: Final = EngineVersion(0, 12)
_V0_13: Final = EngineVersion(0, 13)
_V0_15: Final = EngineVersion(0, 15)
_V0_22: Final = EngineVersion(0, 22)
_V0_29: Final = EngineVersion(0, 29)
_V0_32: Final = EngineVersion(0, 32)

_ROTARY_OF_QWEN: Final = frozenset(
    {
        "qwen2_vl",
        "qwen2_5_vl",
        "qwen2_5_omni",
        "qwen3_vl",
        "qwen3_vl_moe",
        "qwen3_omni_moe",
        "glm4v",
        "glm4v_moe",
        "ernie4_5_moe_vl",
        "paddleocr_vl",
    }
)
"""Families (``model_type``) whose towers rotate queries and keys with Qwen2-VL's function."""

_ROTARY_IN_FLOAT32: Final = frozenset({"dots_ocr"})
"""Families that rotate in float32 in every release."""

_ROTARY_AS_COMPLEX: Final[dict[str, EngineVersion | None]] = {"kimi_k25": _V0_29, "kimi_vl": None}
"""Families that rotate queries and keys as complex numbers of two float32 (``apply_rope``), and the release that does
no longer. Queries, keys and values take 6, their float32 copies 8, the products 8, the results 4."""

_AUDIO_OPENS_WITH_CONVOLUTIONS: Final = frozenset({"gemma3n", "phi4mm"})
"""Families whose audio encoder first runs convolutions over many channels of the whole spectrogram: what the vision
tower takes for as many tokens says nothing of it (``gemma3n_mm.py``, ``phi4mm_audio.py``)."""

_FRAMES_OF_AUDIO_TOKEN: Final = {"minicpmo": 2}
"""Frames of Whisper that become one token, where the vision tower merges many more patches into one
(``minicpmo.py``, ``audio_pool_step``)."""

_GATED: Final = frozenset(
    {
        "qwen2_5_vl",
        "qwen2_5_omni",
        "dots_ocr",
        "glm4v",
        "glm4v_moe",
        "pixtral",
        "mistral3",
        "gemma4",
        "ovis2_5",
    }
)
"""Families whose tower has a gated MLP (two projections up)."""

_FUSED_NORMS: Final = frozenset({"qwen2_5_vl", "qwen2_5_omni", "glm4v", "glm4v_moe", "exaone4_5"})
"""Families whose blocks add and normalise in one call (``x_fused_norm, residual = self.norm2(x, residual=...)``)."""

_GEMMA4_PATCHES_OF_AN_IMAGE: Final = 2520
"""280 output tokens of 3 x 3 patches: through 0.21 Gemma 4's images and video frames were encoded one by one."""

_GEMMA4_RECKONED_BYTES: Final = 4 * 10240 * 8
"""What ``models/gemma4_mm.py: _encoder_chunk`` reckons for a patch (``position_embedding_size`` 10,240, int64): from
0.22 as many are encoded at once as fit a tenth of the GPU by it."""


_CONVOLUTION_BYTES: Final = 737_600
"""MobileNet V5 at 768 pixels keeps 180.07 MiB of bfloat16 for an image at once, 256 outputs: counted by running
``timm`` 1.0.31, ``mobilenetv5_300m_enc.forward_features``, on shapes alone. What cuDNN takes beside is not in it."""

_WINDOW_BYTES: Final = 28_300
_WINDOW_AND_BIAS_BYTES: Final = 56_100
"""``deepencoder.py: ImageEncoderViT`` keeps 369 MiB of bfloat16 for six tiles of 640 pixels (13,696 patches with the
view of 1024), counted by running it on shapes alone. Before 0.32 every attention has a bias for each pair of patches:
684 MiB, and 2,954 MiB for 32 tiles (55,296 patches)."""


@dataclass(frozen=True, slots=True)
class EncoderRules:
    """Bytes for each patch, in multiples of the tower's dimensions (2-byte elements).

    Attributes:
        attention_whole: times the tower's width, on every rank: the block's input and its normed copy.
        attention_divided: times the tower's width, divided over ranks: queries, keys, values and their copies.
        mlp_whole: times the tower's width, on every rank: the block's input, the residual sum, its normed copy.
        mlp_divided: times the tower's MLP width, divided over ranks: before and after the activation.
        most_patches_at_once: patches that go through the tower together at most; 0: no such bound.
        reckoned_bytes_per_patch: what vLLM reckons for a patch where it encodes as many at once as a tenth of the GPU
            holds; 0: all at once.
        bytes_per_patch: bytes on every rank, in place of the multiples; 0: the multiples hold.
        every_block_kept: the outputs of all blocks stay until the last has run.
        one_item_at_once: items go through the tower one after the other.
    """

    attention_whole: int
    attention_divided: int
    mlp_whole: int
    mlp_divided: int
    most_patches_at_once: int = 0
    reckoned_bytes_per_patch: int = 0
    bytes_per_patch: int = 0
    every_block_kept: bool = False
    one_item_at_once: bool = False


@lru_cache(maxsize=512)
def encoder_rules(model_type: str, version: EngineVersion, *, compiled: bool = True, tower: str = "") -> EncoderRules:
    """What the tower of ``model_type`` keeps at once.

    Queries, keys and values take 6, a contiguous copy of queries and keys 4, their rotation 4, the attention's output
    and its projection 4. Through 0.11 the rotation of Qwen's families is in float32: 8 for the copy and 8 for the
    result before it becomes 4 again. dots.ocr copies values too and, through 0.12, rotates with four float32
    intermediates.

    Where vLLM compiles (``custom_ops=none``), the norms of the tower run as PyTorch code outside the compiled graph and
    do not write in place: a fused add and norm leaves the block's input, the attention's output, the sum and the normed
    copy beside each other. From 0.15 such code is compiled on its own; before, a gated activation kept both halves
    of its product.

    Args:
        model_type: ``model_type`` of the whole config.
        version: the release.
        compiled: vLLM compiles the model.
        tower: the tower's sort (a value of ``model.facts.TowerKind``).
    """
    divided = 18
    if tower == "convolutions":
        return EncoderRules(0, 0, 0, 0, bytes_per_patch=_CONVOLUTION_BYTES)
    if tower == "windows":
        size = _WINDOW_BYTES if version >= _V0_32 else _WINDOW_AND_BIAS_BYTES
        return EncoderRules(0, 0, 0, 0, bytes_per_patch=size, one_item_at_once=True)
    if tower == "attentionWhole":
        return EncoderRules(4 + divided, 0, 6, 4)
    if model_type in _ROTARY_IN_FLOAT32:
        divided = 48 if version < _V0_13 else 36
    elif model_type in _ROTARY_OF_QWEN and version < _V0_12:
        divided = 30
    elif model_type in _ROTARY_AS_COMPLEX:
        until = _ROTARY_AS_COMPLEX[model_type]
        divided = 26 if until is None or version < until else divided
    whole, mlp = 6, 6 if model_type in _GATED or tower == "gated" else 4
    if model_type in _FUSED_NORMS and compiled:
        whole, mlp = (10, 6) if version >= _V0_15 else (8, 8)
    if model_type == "gemma4":
        if version < _V0_22:
            return EncoderRules(4, divided, whole, mlp, most_patches_at_once=_GEMMA4_PATCHES_OF_AN_IMAGE)
        return EncoderRules(4, divided, whole, mlp, reckoned_bytes_per_patch=_GEMMA4_RECKONED_BYTES)
    return EncoderRules(4, divided, whole, mlp, every_block_kept=tower == "everyBlockKept")


def audio_is_like_vision(model_type: str) -> bool:
    """False where an audio encoder takes memory that the vision tower's figures do not bound."""
    return model_type not in _AUDIO_OPENS_WITH_CONVOLUTIONS


def reckoned_tokens_per_encoded(model_type: str, modality: str, version: EngineVersion) -> float:
    """Encoder tokens vLLM reckons with for each token that the dummy item's encoding really has.

    Qwen3-VL's video reckoned 12.5 for one through 0.12 (timestamps), so the budget was 153,600 tokens while the dummy
    had 12,288: ``models/qwen3_vl.py: get_max_video_tokens`` (0.11.2, 0.12.0; gone in 0.13.0).
    """
    if modality == "video" and model_type in {"qwen3_vl", "qwen3_vl_moe"} and version < _V0_13:
        return 12.5
    return 1.0


def frames_of_audio_token(model_type: str) -> int:
    """Frames of an audio encoder behind one token; 0: as many as patches of the vision tower."""
    return _FRAMES_OF_AUDIO_TOKEN.get(model_type, 0)
