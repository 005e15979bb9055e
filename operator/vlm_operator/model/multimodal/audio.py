"""Rules of sounds that several families share, filled from the feature extractor's file.

A feature extractor's values are in ``preprocessor_config.json``, or under ``feature_extractor`` in
``processor_config.json``; the defaults here are those of the published checkpoints.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors_audio import SAMPLING_RATE, FramedAudio, Step

HALVED: Final = Step(1, 3, 2)
"""A convolution of three frames that moves on by two."""

POOLED: Final = Step(0, 2, 2)
"""The mean of two frames."""

_DUMMY_SECONDS: Final = 30
"""Seconds that start-up assumes at most for Whisper's encoders."""


def pooled_whisper(
    files: Preprocessor, *, chunk_seconds: int = 30, cut: bool = True, wrapper: int = 0, sound_wrapper: int = -1
) -> FramedAudio:
    """Whisper's second convolution, then a pool; where ``cut``, a sound ends at the extractor's ``chunk_length``.

    Source: vLLM 0.33 ``qwen2_audio.py: _get_feat_extract_output_lengths``, ``get_mm_max_tokens_per_item``.
    """
    rate, hop, chunk = extractor_of(files, chunk_seconds)
    dummy = min(chunk, _DUMMY_SECONDS) * rate
    return FramedAudio(
        sampling_rate=rate,
        hop=hop,
        steps=(HALVED, POOLED),
        longest=chunk * rate if cut else 0,
        wrapper=wrapper,
        dummy=dummy,
        largest=_pooled(dummy // hop),
        sound_wrapper=sound_wrapper,
    )


def blocks_of_a_second(
    files: Preprocessor, *, wrapper: int = 0, sound_wrapper: int = -1, reckoned: bool = True
) -> FramedAudio:
    """Three convolutions over blocks of 100 frames: 13 tokens a second; nothing is cut off.

    Args:
        files: the preprocessor files.
        wrapper, sound_wrapper: as in ``FramedAudio``.
        reckoned: vLLM reckons the largest sound by the formula of ``pooled_whisper``, which is not this encoder's.

    Source: vLLM 0.33 ``qwen3_omni_moe_thinker.py: _get_feat_extract_output_lengths``.
    """
    rate, hop, chunk = extractor_of(files, 30)
    dummy = min(chunk, _DUMMY_SECONDS) * rate
    return FramedAudio(
        sampling_rate=rate,
        hop=hop,
        steps=(HALVED, HALVED, HALVED),
        window=100 * hop,
        wrapper=wrapper,
        dummy=dummy,
        largest=_pooled(dummy // hop) if reckoned else 0,
        sound_wrapper=sound_wrapper,
    )


def extractor_of(files: Preprocessor, chunk_seconds: int) -> tuple[int, int, int]:
    """(samples a second, samples a frame, seconds of a chunk) of a ``WhisperFeatureExtractor``."""
    audio = files.audio
    return (
        audio.integer("sampling_rate", SAMPLING_RATE),
        audio.integer("hop_length", 160),
        audio.integer("chunk_length", chunk_seconds),
    )


def _pooled(frames: int) -> int:
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1
