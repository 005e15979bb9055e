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
    """In its own element type, or not at all: one copy."""
    SHARED = "shared"
    """With the function that many families share (``ApplyRotaryEmb``), in float32 in old releases."""
    FLOAT32 = "float32"
    """In float32 in every release, values copied as well."""
    COMPLEX = "complex"
    """As complex numbers of two float32 (``apply_rope``), in every release."""
    COMPLEX_IN_TIME = "complexInTime"
    """The same in the tower that also has positions in time, which later releases rotate with the shared function."""


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
    """

    kind: TowerKind = TowerKind.PLAIN
    gated: bool = False
    rotation: Rotation = Rotation.IN_TYPE
    fused_norms: bool = False
    reckoned_patch_bytes: int = 0
    item_patches: int = 0


PLAIN_TOWER: Final = TowerTraits()
"""A transformer over patches of which nothing else is to be said."""
