"""What vLLM's code of a vision tower keeps at once for each patch, by the tower's traits and by release.

Counted in the forward functions of ``model_executor/models/`` (0.11.2, 0.12.0, 0.13.0, 0.15.1, 0.17.1, 0.22.1, 0.24.0,
0.25.1, 0.28.0, 0.30.0 and 0.32.0) by the classes of the towers (``model.towers`` names the files), and in
``layers/rotary_embedding/common.py: ApplyRotaryEmb`` and ``layers/activation.py``; compared with vLLM's own profiling
run on a simulated GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from vlm_operator.engine.tower_traits import (
    Activation,
    Pixels,
    PositionsKept,
    Rotation,
    TowerKind,
    TowerTraits,
)
from vlm_operator.engine.version import EngineVersion

_V0_12: Final = EngineVersion(0, 12)
_V0_13: Final = EngineVersion(0, 13)
_V0_15: Final = EngineVersion(0, 15)
_V0_22: Final = EngineVersion(0, 22)
_V0_24: Final = EngineVersion(0, 24)
_V0_28: Final = EngineVersion(0, 28)
_V0_29: Final = EngineVersion(0, 29)
_V0_30: Final = EngineVersion(0, 30)
_V0_32: Final = EngineVersion(0, 32)

_RECKONS_SINCE: Final = _V0_22
"""From here on towers that reckon bytes for a patch encode what fits a tenth of the GPU; before, an item at a time."""

_COMPLEX_IN_TIME_UNTIL: Final = _V0_29
"""The tower with positions in time rotates with the shared function from here on."""

_CONVOLUTION_BYTES: Final = 737_600
"""MobileNet V5 at 768 pixels keeps 180.07 MiB of bfloat16 for an image at once, 256 outputs: counted by running
``timm`` 1.0.31, ``mobilenetv5_300m_enc.forward_features``, on shapes alone. What cuDNN takes beside is not in it."""

_WINDOW_BYTES: Final = 28_300
_WINDOW_AND_BIAS_BYTES: Final = 56_100
"""``deepencoder.py: ImageEncoderViT`` keeps 369 MiB of bfloat16 for six tiles of 640 pixels (13,696 patches with the
view of 1024), counted by running it on shapes alone. Before 0.32 every attention has a bias for each pair of patches:
684 MiB, and 2,954 MiB for 32 tiles (55,296 patches)."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What lies in memory at one moment of a block, bytes for each patch (2-byte elements).

    Attributes:
        whole: times the tower's width, on every rank: the block's input, its normed copy, a residual sum.
        width: times the tower's width, divided over ranks: queries, keys, values and their copies.
        inner: times the tower's MLP width, divided over ranks: before and after the activation.
        reduced: times the tower's width, on every rank where there are several: the sum over ranks lies beside what was
            summed (``all_reduce`` out of place).
    """

    whole: int
    width: int = 0
    inner: int = 0
    reduced: int = 0

    def bytes_per_patch(self, width: int, inner: int, shards: int) -> int:
        """Bytes of a patch on one of ``shards`` ranks."""
        whole = self.whole + (self.reduced if shards > 1 else 0)
        return width * whole + (width * self.width + inner * self.inner) // shards


@dataclass(frozen=True, slots=True)
class EncoderRules:
    """What a tower keeps for each patch.

    Attributes:
        moments: the moments of a block that may be its peak; empty where ``bytes_per_patch`` is given.
        most_patches_at_once: patches that go through the tower together at most; 0: no such bound.
        reckoned_bytes_per_patch: what vLLM reckons for a patch where it encodes as many at once as a tenth of the GPU
            holds; 0: all at once.
        bytes_per_patch: bytes on every rank, in place of the moments; 0: the moments hold.
        every_block_kept: the outputs of all blocks stay until the last has run.
        one_item_at_once: items go through the tower one after the other.
    """

    moments: tuple[Moment, ...] = ()
    most_patches_at_once: int = 0
    reckoned_bytes_per_patch: int = 0
    bytes_per_patch: int = 0
    every_block_kept: bool = False
    one_item_at_once: bool = False


@lru_cache(maxsize=512)
def encoder_rules(traits: TowerTraits, version: EngineVersion, *, compiled: bool = True) -> EncoderRules:
    """What a tower with these traits keeps at once.

    Args:
        traits: the tower's.
        version: the release.
        compiled: vLLM compiles the model.
    """
    match traits.kind:
        case TowerKind.CONVOLUTIONS:
            return EncoderRules(bytes_per_patch=_CONVOLUTION_BYTES)
        case TowerKind.WINDOWS:
            size = _WINDOW_BYTES if version >= _V0_32 else _WINDOW_AND_BIAS_BYTES
            return EncoderRules(bytes_per_patch=size, one_item_at_once=True)
        case TowerKind.ATTENTION_WHOLE:
            return EncoderRules((Moment(whole=6 + 16), Moment(whole=6, inner=4)))
    reckons = traits.reckoned_patch_bytes > 0
    kept = 2 * (traits.embeddings_kept + _keeps_positions(traits, version))
    attention = _attention(traits.rotation, version)
    return EncoderRules(
        moments=tuple(
            Moment(moment.whole + kept, moment.width, moment.inner, moment.reduced)
            for moment in (*attention, *_mlp(traits, version, compiled))
        ),
        most_patches_at_once=traits.item_patches if reckons and version < _RECKONS_SINCE else 0,
        reckoned_bytes_per_patch=traits.reckoned_patch_bytes if reckons and version >= _RECKONS_SINCE else 0,
        every_block_kept=traits.kind is TowerKind.EVERY_BLOCK_KEPT,
    )


def _keeps_positions(traits: TowerTraits, version: EngineVersion) -> bool:
    return traits.positions_kept is PositionsKept.ALWAYS or (
        traits.positions_kept is PositionsKept.LATER and version >= _V0_24
    )


def _attention(rotation: Rotation, version: EngineVersion) -> tuple[Moment, ...]:
    """The block's input and its normed copy, and what attention makes of them.

    Queries, keys and values take 6. Before the projection of its result stand a contiguous copy of queries and keys 4,
    their rotation 4 and the result 2; then the projection 2, whole on every rank, and its sum over ranks. Through 0.11
    the shared rotation is in float32: 8 for the copy and 8 for the product before it becomes 4 again. A view of
    queries and keys is copied from 0.15 on. A tower that always rotates in float32 copies values too and, through 0.12,
    has four float32 intermediates; one that stacks queries and keys holds the stack 4, its float32 copy 8, the product
    8 and the result 4. One that rotates complex numbers keeps 8 for the float32 copies, 8 for the products, 4 for the
    results. The tower that joins queries and keys gathers those of all ranks first, from 0.13 on, and holds
    them, 6 on every rank, because its values are a view of them (``split_qkv``).
    """

    def projected(before: int, gathered: int = 0) -> Moment:
        return Moment(whole=6, width=before, reduced=2 + gathered)

    old = version < _V0_12
    match rotation:
        case Rotation.NONE:
            return (projected(6 + 2),)
        case Rotation.FLOAT32:
            return (Moment(whole=4, width=48 if version < _V0_13 else 36),)
        case Rotation.FLOAT32_STACKED:
            return (Moment(whole=4, width=30),)
        case Rotation.SHARED:
            copied = 4 if version >= _V0_15 else 0
            return (projected(12 + copied), *((Moment(whole=4, width=26),) if old else ()))
        case Rotation.SHARED_JOINED:
            gathered = 6 if version >= _V0_13 else 0
            return (projected(16, gathered), *((Moment(whole=4, width=30),) if old else ()))
        case Rotation.SHARED_SEPARATE:
            return (projected(18), Moment(whole=4, width=36 if old else 20))
        case Rotation.COMPLEX:
            return (Moment(whole=4, width=26), projected(12))
        case Rotation.COMPLEX_IN_TIME if version < _COMPLEX_IN_TIME_UNTIL:
            return (Moment(whole=4, width=26), projected(12))
    return (projected(16),)


def _mlp(traits: TowerTraits, version: EngineVersion, compiled: bool) -> tuple[Moment, ...]:
    """The block's input, the residual sum and its normed copy, and what the MLP makes of them.

    Where vLLM compiles (``custom_ops=none``), norms and activations of the tower run as PyTorch code outside the
    compiled graph. A fused add and norm then does not write in place: the block's input, the attention's output, the
    sum and the normed copy lie beside each other. ``SiluAndMul`` and the norms are compiled on their own from 0.15 on;
    before, ``SiluAndMul`` keeps both halves of its product, as ``GeluAndMul`` does in every release. ``QuickGELU``
    keeps what goes in, the sigmoid and the product.
    """
    whole = 6 + (2 if traits.attention_kept else 0)
    if traits.fused_norms and compiled:
        whole = 8
    inner = before = 6 if traits.gated else 4
    match traits.activation:
        case Activation.QUICK_GELU if compiled:
            inner = 6
        case Activation.GELU_AND_MUL if compiled:
            inner = 8
        case Activation.SILU_AND_MUL if compiled and version < _V0_15:
            inner = 8
    return (Moment(whole, inner=inner), Moment(whole + 2, inner=before if traits.projections_kept else 2, reduced=2))


class PixelBytes(NamedTuple):
    """Bytes of each colour of a pixel.

    Attributes:
        encoding: while the encoder runs.
        kept: afterwards, where the release keeps the encoder's inputs.
    """

    encoding: int
    kept: int


PREPARED_PIXELS: Final = PixelBytes(2, 2)
"""In a 2-byte element type."""


def pixel_bytes(pixels: Pixels, version: EngineVersion, element_bytes: int) -> PixelBytes:
    """What the pixels of items take.

    Raw pixels are bytes. In 0.28 and 0.29 the model's class normalises them outside the tower and holds both
    (``FusedInputNorm``, ``models/vision.py``); from 0.30 on the tower does it, and the result is gone with the patches.

    Args:
        pixels: what they are when they reach the GPU.
        version: the release.
        element_bytes: of the model's element type.
    """
    match pixels:
        case Pixels.RAW_EARLY if _V0_28 <= version < _V0_30:
            return PixelBytes(1 + element_bytes, 1)
        case Pixels.RAW_EARLY if version >= _V0_30:
            return PixelBytes(1, 1)
        case Pixels.RAW if version >= _V0_32:
            return PixelBytes(1, 1)
    return PixelBytes(element_bytes, element_bytes)


def reckoned_tokens_per_encoded(*, timestamps: bool, modality: str, version: EngineVersion) -> float:
    """Encoder tokens vLLM reckons with for each token that the dummy item's encoding really has.

    The video of a family whose frames carry timestamps reckoned 12.5 for one through 0.12, so the budget was 153,600
    tokens while the dummy had 12,288 (``get_max_video_tokens`` of the model's class: 0.11.2, 0.12.0; gone in 0.13.0).
    """
    return 12.5 if modality == "video" and timestamps and version < _V0_13 else 1.0
