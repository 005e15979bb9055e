"""What vLLM's code of a vision tower keeps at once for each patch, by the tower's traits and by release.

Counted in the forward functions of ``model_executor/models/`` (0.11.2, 0.12.0, 0.13.0, 0.15.1, 0.22.1, 0.25.1 and
0.32.0) by the classes of the towers (``model.towers`` names the files), and in ``layers/rotary_embedding/common.py:
ApplyRotaryEmb``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vlm_operator.engine.tower_traits import Rotation, TowerKind, TowerTraits
from vlm_operator.engine.version import EngineVersion

_V0_12: Final = EngineVersion(0, 12)
_V0_13: Final = EngineVersion(0, 13)
_V0_15: Final = EngineVersion(0, 15)
_V0_22: Final = EngineVersion(0, 22)
_V0_29: Final = EngineVersion(0, 29)
_V0_32: Final = EngineVersion(0, 32)

_RECKONS_SINCE: Final = _V0_22
"""From here on towers that reckon bytes for a patch encode what fits a tenth of the GPU; before, an item at a time."""

_COMPLEX_IN_TIME_UNTIL: Final = _V0_29
"""The tower with positions in time rotates with the shared function from here on."""

_ROTATED_IN_TYPE: Final = 18
_ROTATED_AS_COMPLEX: Final = 26
"""Times the tower's width: queries, keys, values and their copies, the attention's output and its projection."""

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
def encoder_rules(traits: TowerTraits, version: EngineVersion, *, compiled: bool = True) -> EncoderRules:
    """What a tower with these traits keeps at once.

    Queries, keys and values take 6, a contiguous copy of queries and keys 4, their rotation 4, the attention's output
    and its projection 4. Through 0.11 the shared rotation is in float32: 8 for the copy and 8 for the result before it
    becomes 4 again. A tower that always rotates in float32 copies values too and, through 0.12, has four float32
    intermediates. One that rotates complex numbers keeps 6 for queries, keys and values, 8 for their float32 copies, 8
    for the products, 4 for the results.

    Where vLLM compiles (``custom_ops=none``), the norms of the tower run as PyTorch code outside the compiled graph and
    do not write in place: a fused add and norm leaves the block's input, the attention's output, the sum and the normed
    copy beside each other. From 0.15 such code is compiled on its own; before, a gated activation kept both halves
    of its product.

    Args:
        traits: the tower's.
        version: the release.
        compiled: vLLM compiles the model.
    """
    match traits.kind:
        case TowerKind.CONVOLUTIONS:
            return EncoderRules(0, 0, 0, 0, bytes_per_patch=_CONVOLUTION_BYTES)
        case TowerKind.WINDOWS:
            size = _WINDOW_BYTES if version >= _V0_32 else _WINDOW_AND_BIAS_BYTES
            return EncoderRules(0, 0, 0, 0, bytes_per_patch=size, one_item_at_once=True)
        case TowerKind.ATTENTION_WHOLE:
            return EncoderRules(4 + _ROTATED_IN_TYPE, 0, 6, 4)
    whole, mlp = 6, 6 if traits.gated else 4
    if traits.fused_norms and compiled:
        whole, mlp = (10, 6) if version >= _V0_15 else (8, 8)
    reckons = traits.reckoned_patch_bytes > 0
    return EncoderRules(
        attention_whole=4,
        attention_divided=_attention(traits.rotation, version),
        mlp_whole=whole,
        mlp_divided=mlp,
        most_patches_at_once=traits.item_patches if reckons and version < _RECKONS_SINCE else 0,
        reckoned_bytes_per_patch=traits.reckoned_patch_bytes if reckons and version >= _RECKONS_SINCE else 0,
        every_block_kept=traits.kind is TowerKind.EVERY_BLOCK_KEPT,
    )


def _attention(rotation: Rotation, version: EngineVersion) -> int:
    """Times the tower's width that attention keeps, divided over ranks."""
    match rotation:
        case Rotation.FLOAT32:
            return 48 if version < _V0_13 else 36
        case Rotation.SHARED if version < _V0_12:
            return 30
        case Rotation.COMPLEX:
            return _ROTATED_AS_COMPLEX
        case Rotation.COMPLEX_IN_TIME if version < _COMPLEX_IN_TIME_UNTIL:
            return _ROTATED_AS_COMPLEX
    return _ROTATED_IN_TYPE


def reckoned_tokens_per_encoded(*, timestamps: bool, modality: str, version: EngineVersion) -> float:
    """Encoder tokens vLLM reckons with for each token that the dummy item's encoding really has.

    The video of a family whose frames carry timestamps reckoned 12.5 for one through 0.12, so the budget was 153,600
    tokens while the dummy had 12,288 (``get_max_video_tokens`` of the model's class: 0.11.2, 0.12.0; gone in 0.13.0).
    """
    return 12.5 if modality == "video" and timestamps and version < _V0_13 else 1.0
