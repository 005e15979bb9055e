"""How sound becomes tokens: one frozen record, whose parameters tell families apart.

``model.multimodal.audio`` fills it, ``capacity.multimodal.audio`` counts with it. Lengths are samples at the
processor's rate, to which vLLM resamples before it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SAMPLING_RATE: Final = 16_000
"""Samples a second of nearly every feature extractor (``WhisperFeatureExtractor``)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A convolution or pool over frames: ``(frames + 2 * padding - kernel) // stride + 1`` remain."""

    padding: int
    kernel: int
    stride: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FramedAudio:
    """Samples are cut to frames, and steps merge frames into tokens.

    Attributes:
        sampling_rate: samples a second.
        hop: samples from one frame to the next.
        frame: samples that a frame must have; 1: a frame begins with every hop, however little is left.
        before: samples of silence put before the sound.
        steps: what merges frames.
        times: tokens for each output of the steps.
        window: samples of a window that is counted on its own, 0 where the sound is counted whole.
        least: samples to which a shorter sound is lengthened.
        least_window: the same for the last window.
        multiple: the sound is lengthened to a multiple of these samples.
        longest: samples beyond which the sound is cut off, 0 where it is not.
        most_tokens: tokens at most, 0 where there is no such bound.
        least_tokens: tokens at least.
        fixed: tokens of every sound, whatever its length; 0: counted.
        wrapper: tokens that surround the sound in the prompt.
        span: tokens after which another pair of marks is written (``wrapper`` each time); 0: one pair.
        in_prompt: False where the decoder's prompt holds no token of the sound (encoder-decoder models).
        dummy: samples of the sound that start-up takes for the largest; 0: as long as the context holds.
        largest: tokens that vLLM reckons for the largest; 0: those of ``dummy``, or the whole context.
        sound_wrapper: marks around the sound of a video (``use_audio_in_video``), -1 where vLLM takes no such video.
    """

    sampling_rate: int = SAMPLING_RATE
    hop: int = 160
    frame: int = 1
    before: int = 0
    steps: tuple[Step, ...] = ()
    times: int = 1
    window: int = 0
    least: int = 0
    least_window: int = 0
    multiple: int = 0
    longest: int = 0
    most_tokens: int = 0
    least_tokens: int = 0
    fixed: int = 0
    wrapper: int = 0
    span: int = 0
    in_prompt: bool = True
    dummy: int = 0
    largest: int = 0
    sound_wrapper: int = -1
