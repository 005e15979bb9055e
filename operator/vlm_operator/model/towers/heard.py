"""What Whisper's encoders take at start-up, by what their ``forward`` keeps.

Source: the ``forward`` functions of vLLM 0.33 and transformers 5.19 run on the ``meta`` device with every allocation
counted, attention as one kernel: in every block the two sides of the MLP decide.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.engine.tower_traits import Rotation, TowerTraits
from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.config import Config

_SAMPLES: Final = 320
"""Samples of a position: two frames of 160."""
_FRAMES: Final = 2
PLAIN: Final = TowerTraits(rotation=Rotation.NONE)
EMBEDDINGS_KEPT: Final = replace(PLAIN, embeddings_kept=1)
"""Embedded frames stay until the last block has run (a local variable of ``forward``)."""


def whisper_tower(
    audio: Config, traits: TowerTraits, *, output_size: int = 0, whole: bool = False, most_positions: int = 0
) -> AudioTower:
    """The encoder of a section with Whisper's names of fields, defaults filled."""
    return AudioTower(
        layers=audio.integer("encoder_layers"),
        hidden_size=audio.integer("d_model"),
        intermediate_size=audio.integer("encoder_ffn_dim"),
        output_size=output_size,
        inputs_per_patch=_FRAMES * audio.integer("num_mel_bins"),
        samples=_SAMPLES,
        most_positions=most_positions,
        whole=whole,
        traits=traits,
    )
