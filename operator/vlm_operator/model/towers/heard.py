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
from vlm_operator.model.processors_audio import SAMPLING_RATE

_SAMPLES: Final = 320
"""Samples of a position: two frames of 160."""
_FRAMES: Final = 2
_FRAMES_A_SECOND, _POSITIONS_A_SECOND = 100, 13
"""Of Qwen3's encoder: three convolutions halve a second's frames."""
PLAIN: Final = TowerTraits(rotation=Rotation.NONE)
EMBEDDINGS_KEPT: Final = replace(PLAIN, embeddings_kept=1)
"""Embedded frames stay until the last block has run (a local variable of ``forward``)."""


def block_tower(audio: Config) -> AudioTower:
    """Qwen3's encoder over the spectrogram: the first of its convolutions decides, 500 windows at once.

    It makes half as many frames of half as many bands, in ``downsample_hidden_size`` channels, and GELU copies them
    (0.33: ``qwen3_omni_moe_thinker.py: Qwen3OmniMoeAudioEncoder.forward``). What cuDNN takes beside is not in it.

    Args:
        audio: the section of the encoder.
    """
    width, bands = audio.integer("d_model", 1280), audio.integer("num_mel_bins", 128)
    channels, window = audio.integer("downsample_hidden_size", 480), 2 * audio.integer("n_window", 100)
    outputs = 2 * channels * -(-bands // 2) * _FRAMES_A_SECOND // 2
    return AudioTower(
        layers=audio.integer("encoder_layers", 32),
        hidden_size=width,
        intermediate_size=audio.integer("encoder_ffn_dim", 5120),
        output_size=audio.integer("output_dim", 3584),
        inputs_per_patch=-(-bands * _FRAMES_A_SECOND // _POSITIONS_A_SECOND),
        samples=SAMPLING_RATE // _POSITIONS_A_SECOND,
        front_bytes=-(-2 * outputs // _POSITIONS_A_SECOND),
        front_positions=audio.integer("conv_chunksize", 500) * window * _POSITIONS_A_SECOND // _FRAMES_A_SECOND,
        traits=PLAIN,
    )


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
