"""What kinds of vision tower there are, as far as vLLM's memory is concerned. Facts of a model carry these traits.

``engine.encoder_rules`` says what a release does to each of them; ``model.towers`` says which tower has which.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class TowerKind(StrEnum):
    """Sorts of vision towers that use memory in ways of their own, whatever model they stand in."""

    PLAIN = ""
    """A transformer over patches; its traits say the rest."""
    EVERY_BLOCK_KEPT = "everyBlockKept"
    """The outputs of all blocks stay until the last has run."""
    ATTENTION_WHOLE = "attentionWhole"
    """Tensor parallelism divides its MLPs alone (towers of PyTorch Image Models)."""
    WINDOWS = "windows"
    """Attention with relative positions over windows, then a smaller tower; an item at a time (SAM, then CLIP)."""
    CONVOLUTIONS = "convolutions"
    """A network of convolutions, whole on every rank (MobileNet V5)."""


class Rotation(StrEnum):
    """How a tower rotates its queries and keys."""

    IN_TYPE = ""
    """In its own element type: one copy, one result."""
    NONE = "none"
    """Not at all: positions are added to the patches."""
    SHARED = "shared"
    """With the function that many families share (``ApplyRotaryEmb``), in float32 in old releases; queries and keys are
    one view of the projection, which later releases copy first."""
    SHARED_JOINED = "sharedJoined"
    """The same, after queries and keys were joined (``torch.cat``)."""
    SHARED_SEPARATE = "sharedSeparate"
    """The same, after queries, keys and values were each copied, then queries and keys joined."""
    FLOAT32 = "float32"
    """In float32 in every release, values copied as well."""
    FLOAT32_STACKED = "float32Stacked"
    """In float32 in every release, after queries and keys were stacked; values stay a view of the projection."""
    COMPLEX = "complex"
    """As complex numbers of two float32 (``apply_rope``), in every release."""
    COMPLEX_IN_TIME = "complexInTime"
    """The same in the tower that also has positions in time, which later releases rotate with the shared function."""


class Activation(StrEnum):
    """What stands between the two matrices of a tower's MLP, as far as its copies are concerned."""

    ONE_KERNEL = ""
    """One kernel of PyTorch (``nn.GELU``): what goes in and what comes out."""
    QUICK_GELU = "quickGelu"
    """``QuickGELU``: a kernel of vLLM's own, or ``x * sigmoid(1.702 * x)`` where vLLM compiles."""
    SILU_AND_MUL = "siluAndMul"
    """``SiluAndMul``: a kernel of vLLM's own, or PyTorch code where vLLM compiles, compiled on its own from 0.15 on."""
    GELU_AND_MUL = "geluAndMul"
    """``GeluAndMul``: the same, never compiled on its own."""


class PositionsKept(StrEnum):
    """Since when a tower's interpolated position embeddings stay until its last block has run."""

    NEVER = ""
    """It has none, or a function of its own adds them and returns."""
    ALWAYS = "always"
    """In every release: a local variable of ``forward`` holds them."""
    LATER = "later"
    """Since the tower computes them ahead of the blocks (0.24)."""


class Pixels(StrEnum):
    """What the pixels of an item are when they reach the GPU, by the model's class."""

    PREPARED = ""
    """Scaled and normalised, in the model's element type."""
    RAW = "raw"
    """Bytes, which a layer of the model normalises (``supports_mm_device_do_normalize``), from 0.32 on."""
    RAW_EARLY = "rawEarly"
    """The same, from 0.28 on."""


@dataclass(frozen=True, slots=True)
class TowerTraits:
    """What decides about the memory of a tower beside its dimensions.

    Attributes:
        kind: its sort.
        gated: its MLPs have two projections up.
        rotation: how it rotates queries and keys.
        fused_norms: its blocks add and normalise in one call (``x_fused_norm, residual = self.norm2(x, residual=…)``).
        reckoned_patch_bytes: what vLLM reckons for a patch of a tower that encodes as many at once as fit a tenth of
            the GPU by it (older releases: one item at a time); 0 where all are encoded at once.
        item_patches: patches of one item of such a tower.
        activation: between the two matrices of its MLPs.
        embeddings_kept: tensors of its width that its ``forward`` holds until the last block has run: the embedded
            patches, and what they were made of.
        positions_kept: since when interpolated position embeddings stay as well.
        attention_kept: a block holds the attention's result while its MLP runs.
        projections_kept: an MLP holds its two projections up until it returns.
    """

    kind: TowerKind = TowerKind.PLAIN
    gated: bool = False
    rotation: Rotation = Rotation.IN_TYPE
    fused_norms: bool = False
    reckoned_patch_bytes: int = 0
    item_patches: int = 0
    activation: Activation = Activation.ONE_KERNEL
    embeddings_kept: int = 0
    positions_kept: PositionsKept = PositionsKept.NEVER
    attention_kept: bool = False
    projections_kept: bool = False


PLAIN_TOWER: Final = TowerTraits()
"""A transformer over patches of which nothing else is to be said."""
