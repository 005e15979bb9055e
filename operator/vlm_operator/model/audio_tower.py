"""Dimensions of an audio encoder, beside those of a vision tower in ``model.facts``."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_operator.engine.tower_traits import PLAIN_TOWER, TowerTraits


@dataclass(frozen=True, slots=True)
class AudioTower:
    """Dimensions of an audio encoder that start-up memory depends on (whole tower, before tensor parallelism).

    A position of it stands for a patch of a vision tower.

    Attributes:
        output_size: elements of one encoder output as the language model takes it; 0: the model's width.
        inputs_per_patch: numbers of the spectrogram behind one position.
        samples: samples behind one position.
        most_positions: positions that go through it together at most, 0 where there is no such bound.
        whole: every rank holds all of it, and encodes everything.
        front_bytes: bytes of a position in what stands before the blocks (convolutions), where that may be the peak.
        front_positions: positions that go through it together at most, 0 where there is no such bound.
        traits: what decides about its memory beside dimensions.
    """

    layers: int
    hidden_size: int
    intermediate_size: int
    output_size: int
    inputs_per_patch: int
    samples: int
    most_positions: int = 0
    whole: bool = False
    front_bytes: int = 0
    front_positions: int = 0
    traits: TowerTraits = PLAIN_TOWER
    merge_size: int = 1
    deepstack_levels: int = 0
